//! Which metric family the rows of a page belong to, read from its comment lines.

use std::sync::Arc;

use crate::exposition::line::{Item, LineParser, unescape_help, unescape_name};
use crate::exposition::protocol::Format;
use crate::model::metadata::{Family, MetricType};

/// What a row's metric name may have behind the family's name.
const SUFFIXES: [&str; 8] = [
    "", "_total", "_created", "_bucket", "_sum", "_count", "_info", "_gcount",
];

/// Follows the comment lines of a page.
#[derive(Debug, Default)]
pub struct FamilyReader {
    current: Option<Arc<Family>>,
}

impl FamilyReader {
    /// Goes on from a chunk of that family.
    pub fn resume(&mut self, family: Option<&Arc<Family>>) {
        self.current = family.map(Arc::clone);
    }

    /// Reads comment lines that the parser has accepted before.
    pub fn read(&mut self, prelude: &[u8], format: Format) {
        let mut parser = LineParser::new(format);
        let mut rest = prelude;
        while let Ok(Some((item, used))) = parser.step(rest, true) {
            match item {
                Item::Type { name, kind } => self.family(&unescape_name(name)).set_kind(kind),
                Item::Help { name, text } => {
                    let help = unescape_help(text, format);
                    self.family(&unescape_name(name)).set_help(&help);
                }
                Item::Unit { name, unit } => self.family(&unescape_name(name)).set_unit(unit),
                _ => {}
            }
            rest = &rest[used..];
        }
    }

    fn family(&mut self, name: &str) -> &mut Family {
        let same = self
            .current
            .as_ref()
            .is_some_and(|family| family.name() == name);
        if !same {
            self.current = Some(Arc::new(Family::new(name, MetricType::Unknown, "", "")));
        }
        Arc::make_mut(self.current.get_or_insert_default())
    }

    /// The family of a row with that series text, if the comments before it named one.
    #[must_use]
    pub fn of_row(&self, key: &[u8]) -> Option<&Arc<Family>> {
        let family = self.current.as_ref()?;
        let text = metric_text(key);
        let rest = text.strip_prefix(family.name().as_bytes())?;
        let known = SUFFIXES.iter().any(|suffix| suffix.as_bytes() == rest) || rest == b"_gsum";
        known.then_some(family)
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
