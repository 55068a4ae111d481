//! Which metric family the rows of a page belong to, read from its comment lines.

use std::sync::Arc;

use crate::exposition::line::{Item, LineParser, unescape_help, unescape_name};
use crate::exposition::protocol::Format;
use crate::model::metadata::{Family, MetricType};

/// Whether a row's metric name may have that behind the family's name.
fn is_suffix(text: &[u8]) -> bool {
    matches!(
        text,
        b"" | b"_total"
            | b"_created"
            | b"_bucket"
            | b"_sum"
            | b"_count"
            | b"_info"
            | b"_gcount"
            | b"_gsum"
    )
}

/// What comment lines have said of a family so far.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    help: String,
    unit: String,
    kind: MetricType,
}

impl Draft {
    /// Begins with what is known of the family of that name.
    fn begin(&mut self, name: &str, known: Option<&Family>) {
        let known = known.filter(|family| family.name() == name);
        self.kind = known.map(Family::kind).unwrap_or_default();
        for (text, own) in [
            (&mut self.name, name),
            (&mut self.help, known.map(Family::help).unwrap_or_default()),
            (&mut self.unit, known.map(Family::unit).unwrap_or_default()),
        ] {
            text.clear();
            text.push_str(own);
        }
    }
}

/// Follows the comment lines of a page. A family is made when a row asks for it, from all that was
/// said of it until then.
#[derive(Debug, Default)]
pub struct FamilyReader {
    current: Option<Arc<Family>>,
    draft: Draft,
    /// The draft says more than `current`.
    drafted: bool,
}

impl FamilyReader {
    /// Goes on from a chunk of that family.
    pub fn resume(&mut self, family: Option<&Arc<Family>>) {
        self.current = family.map(Arc::clone);
        self.drafted = false;
    }

    /// Reads comment lines that the parser has accepted before.
    pub fn read(&mut self, prelude: &[u8], format: Format) {
        let mut parser = LineParser::new(format);
        let mut rest = prelude;
        while let Ok(Some((item, used))) = parser.step(rest, true) {
            match item {
                Item::Type { name, kind } => self.draft(name).kind = kind,
                Item::Help { name, text } => {
                    let help = unescape_help(text, format);
                    help.as_ref().clone_into(&mut self.draft(name).help);
                }
                Item::Unit { name, unit } => unit.clone_into(&mut self.draft(name).unit),
                _ => {}
            }
            rest = &rest[used..];
        }
    }

    /// The draft of the family with that name, as it is written.
    fn draft(&mut self, name: &str) -> &mut Draft {
        let name = unescape_name(name);
        if !self.drafted || self.draft.name != *name {
            let current = self.current.take().filter(|_| !self.drafted);
            self.draft.begin(&name, current.as_deref());
            self.drafted = true;
        }
        &mut self.draft
    }

    /// The family of a row with that series text, if the comments before it named one.
    #[must_use]
    pub fn of_row(&mut self, key: &[u8]) -> Option<&Arc<Family>> {
        if self.drafted {
            let Draft {
                name,
                help,
                unit,
                kind,
            } = &self.draft;
            self.current = Some(Arc::new(Family::new(name, *kind, help, unit)));
            self.drafted = false;
        }
        let family = self.current.as_ref()?;
        let rest = metric_text(key).strip_prefix(family.name().as_bytes())?;
        is_suffix(rest).then_some(family)
    }
}

/// The metric name in a series text, as written: up to the brace or blank, or the first quoted
/// text inside the braces. Good enough to tell families apart; labels are parsed elsewhere.
fn metric_text(key: &[u8]) -> &[u8] {
    let end = key
        .iter()
        .position(|byte| matches!(byte, b'{' | b' ' | b'\t'));
    let name = &key[..end.unwrap_or(key.len())];
    if !name.is_empty() {
        return name;
    }
    let quoted = key
        .iter()
        .position(|byte| *byte == b'"')
        .map(|start| &key[start + 1..]);
    let quoted = quoted.unwrap_or_default();
    &quoted[..quoted
        .iter()
        .position(|byte| *byte == b'"')
        .unwrap_or(quoted.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_belong_to_the_family_their_name_continues() {
        let mut reader = FamilyReader::default();
        reader.read(
            b"# HELP req Requests.\n# TYPE req histogram\n",
            Format::Text,
        );
        let family = reader
            .of_row(b"req_bucket{le=\"1\"}")
            .expect("of the family");
        assert_eq!((family.name(), family.help()), ("req", "Requests."));
        for (key, belongs) in [
            (&b"req"[..], true),
            (b"req_sum", true),
            (b"{\"req_count\",a=\"b\"}", true),
            (b"request", false),
            (b"other", false),
        ] {
            assert_eq!(reader.of_row(key).is_some(), belongs, "{key:?}");
        }
    }

    #[test]
    fn a_comment_of_another_name_begins_another_family() {
        let mut reader = FamilyReader::default();
        reader.read(b"# HELP a A.\n# TYPE b gauge\n", Format::Text);
        assert!(reader.of_row(b"a").is_none());
        assert_eq!(reader.of_row(b"b").expect("b").help(), "");
    }
}
