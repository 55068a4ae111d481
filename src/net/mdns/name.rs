//! Domain names of multicast DNS: labels of any bytes, compared without regard to ASCII case.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use simple_dns::{Label, Name};

/// Bytes of the longest name, with its length bytes and without the final zero.
const NAME_BYTES_MAX: usize = 254;
/// Bytes of the longest label.
const LABEL_BYTES_MAX: usize = 63;

/// A name. Kept as on the wire, without compression and without the final zero; length bytes lie
/// below the letters, so that comparing bytes without case compares labels.
#[derive(Clone)]
pub struct DomainName(Box<[u8]>);

impl DomainName {
    /// A name of labels; none when a label or the name is too long, or a label is empty.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Option<DomainName> {
        let mut wire = Vec::new();
        for label in labels {
            let length = u8::try_from(label.len()).ok()?;
            if label.is_empty() || label.len() > LABEL_BYTES_MAX {
                return None;
            }
            wire.push(length);
            wire.extend_from_slice(label);
        }
        (wire.len() <= NAME_BYTES_MAX).then(|| DomainName(wire.into()))
    }

    /// The name that labels without dots in them make, say `_http._tcp.local`.
    #[must_use]
    pub fn from_dotted(text: &str) -> Option<DomainName> {
        DomainName::from_labels(text.split('.').map(str::as_bytes))
    }

    /// A name of a packet.
    #[must_use]
    pub fn from_packet(name: &Name<'_>) -> Option<DomainName> {
        DomainName::from_labels(name.as_bytes())
    }

    /// The name for a packet.
    #[must_use]
    pub fn to_packet(&self) -> Name<'_> {
        // Labels were checked when this name was made.
        let labels: Vec<Label<'_>> = self.labels().map(Label::new_unchecked).collect();
        Name::new_with_labels(&labels)
    }

    /// The labels, the most special one first.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(label)
        })
    }

    /// The first label, if the rest of the name is `parent`.
    #[must_use]
    pub fn child_of(&self, parent: &DomainName) -> Option<&[u8]> {
        let first = self.labels().next()?;
        let rest = &self.0[1 + first.len()..];
        rest.eq_ignore_ascii_case(&parent.0).then_some(first)
    }

    /// Whether the name ends in `local`: only such names may be asked for.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.labels()
            .last()
            .is_some_and(|label| label.eq_ignore_ascii_case(b"local"))
    }

    /// Bytes in a packet, without compression.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.0.len() + 1
    }
}

impl PartialEq for DomainName {
    fn eq(&self, other: &DomainName) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for DomainName {}

impl PartialOrd for DomainName {
    fn partial_cmp(&self, other: &DomainName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DomainName {
    fn cmp(&self, other: &DomainName) -> Ordering {
        let (one, two) = (self.0.iter(), other.0.iter());
        one.map(u8::to_ascii_lowercase)
            .cmp(two.map(u8::to_ascii_lowercase))
    }
}

/// As text without the final dot. Dots and backslashes in a label are escaped (RFC 6763, section
/// 4.3); what is no UTF-8 or a control character is shown as `\DDD`.
impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_char('.')?;
            }
            for chunk in label.utf8_chunks() {
                for character in chunk.valid().chars() {
                    match character {
                        '.' | '\\' => write!(f, "\\{character}")?,
                        control if control.is_ascii_control() => {
                            write!(f, "\\{:03}", u32::from(control))?;
                        }
                        other => f.write_char(other)?,
                    }
                }
                for byte in chunk.invalid() {
                    write!(f, "\\{byte:03}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> DomainName {
        DomainName::from_dotted(text).expect("a name")
    }

    #[test]
    fn names_are_compared_without_case_and_shown_with_it() {
        assert_eq!(name("Node._HTTP._tcp.local"), name("node._http._TCP.Local"));
        assert_ne!(name("a.b"), name("ab"));
        assert_eq!(name("Node.local").to_string(), "Node.local");
        assert!(name("x.LOCAL").is_local() && !name("local.example").is_local());
    }

    #[test]
    fn any_bytes_can_be_a_label() {
        let label = "A. b\\ü\u{7}".as_bytes();
        let odd = DomainName::from_labels([label, &b"\xff\x00"[..], b"local"]).expect("a name");
        assert_eq!(odd.to_string(), r"A\. b\\ü\007.\255\000.local");
        let parent = DomainName::from_labels([&b"\xff\x00"[..], b"LOCAL"]).expect("a name");
        assert_eq!(odd.child_of(&parent), Some(label));
        assert_eq!(odd.child_of(&name("local")), None);
        assert_eq!(name("local").child_of(&name("local")), None);
    }

    #[test]
    fn names_that_dns_does_not_allow_are_refused() {
        assert_eq!(DomainName::from_dotted("a..b"), None);
        assert_eq!(DomainName::from_dotted(&"x".repeat(64)), None);
        let long = vec!["x".repeat(63); 4].join(".");
        assert_eq!(DomainName::from_dotted(&long), None);
        assert!(DomainName::from_dotted(&long[..long.len() - 2]).is_some());
    }

    proptest! {
        #[test]
        fn order_and_equality_agree(
            one in "[aAbB.]{1,6}", two in "[aAbB.]{1,6}"
        ) {
            let (Some(one), Some(two)) = (DomainName::from_dotted(&one), DomainName::from_dotted(&two))
            else { return Ok(()) };
            prop_assert_eq!(one == two, one.cmp(&two).is_eq());
        }

        #[test]
        fn packets_carry_any_name(labels in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 1..20), 1..6)
        ) {
            let name = DomainName::from_labels(labels.iter().map(Vec::as_slice)).expect("a name");
            let again = DomainName::from_packet(&name.to_packet()).expect("a name");
            prop_assert_eq!(again.to_string(), name.to_string());
        }
    }
}
