//! The alternative names of a certificate: just enough DER to find them.
//!
//! The libraries below can say whether a certificate fits a name, but not which names it bears.
//! Nothing is judged here, and what cannot be read yields no names at all.

use std::net::{Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
/// The field of a certificate's body that holds its extensions.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
const MAIL: u8 = 0x81;
const HOST: u8 = 0x82;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;

/// The host names, mail addresses, URIs and addresses of a certificate; none where it cannot be
/// read.
pub(super) fn of(certificate: &[u8]) -> Option<Vec<String>> {
    let mut outer = Der(certificate);
    let mut body = Der(Der(outer.expect(SEQUENCE)?).expect(SEQUENCE)?);
    let mut found = Vec::new();
    while !body.0.is_empty() {
        let (tag, content) = body.next()?;
        if tag == EXTENSIONS {
            let mut extensions = Der(Der(content).expect(SEQUENCE)?);
            while !extensions.0.is_empty() {
                let extension = Der(extensions.expect(SEQUENCE)?);
                read_extension(extension, &mut found)?;
            }
        }
    }
    Some(found)
}

fn read_extension(mut extension: Der<'_>, found: &mut Vec<String>) -> Option<()> {
    if extension.expect(OBJECT_ID)? != ALTERNATIVE_NAMES {
        return Some(());
    }
    // Whether it is critical may stand in between.
    let (mut tag, mut content) = extension.next()?;
    if tag != OCTETS {
        (tag, content) = extension.next()?;
    }
    if tag != OCTETS {
        return None;
    }
    let mut names = Der(Der(content).expect(SEQUENCE)?);
    while !names.0.is_empty() {
        match names.next()? {
            (MAIL | HOST | URI, text) => found.push(std::str::from_utf8(text).ok()?.to_owned()),
            (ADDRESS, bytes) => found.push(address(bytes)?),
            _ => {}
        }
    }
    Some(())
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(sixteen).to_string())
}

/// What is left of a row of elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The tag and the content of the next element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            // Two bytes of length are 64 KiB, more than a certificate on a handshake has.
            0x81 | 0x82 => {
                let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = behind;
                digits
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
            }
            _ => return None,
        };
        let (content, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use crate::net::testing::certificates::Authority;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).expect("certificate")
    }

    #[test]
    fn names_of_every_kind_are_found() {
        let authority = Authority::new();
        for name in ["edge7.example.org", "10.0.0.7", "fd00::7"] {
            let cert = der(&authority.issue(name).cert);
            assert_eq!(of(&cert), Some(vec![name.to_owned()]));
        }
        let cert = der(&authority.issue_for(&["mailto", "uri"]).cert);
        let expected = ["a@example.org", "spiffe://example.org/a"].map(str::to_owned);
        assert_eq!(of(&cert), Some(expected.to_vec()));
        assert_eq!(of(&der(&authority.pem)), Some(Vec::new()));
    }

    #[test]
    fn a_cut_certificate_is_no_certificate_and_never_a_panic() {
        let cert = der(&Authority::new().issue("edge7").cert);
        for end in 0..cert.len() {
            assert_eq!(of(&cert[..end]), None, "{end}");
        }
        for at in 0..cert.len() {
            let mut broken = cert.to_vec();
            broken[at] ^= 0xff;
            let _whatever = of(&broken);
        }
    }
}
