//! Bodies of HTML forms (`application/x-www-form-urlencoded`), as Go writes them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands for something else.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A name or value for a form or a query.
#[must_use]
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED)
        .to_string()
        .replace("%20", "+")
}

/// A form with these names and values, sorted by name.
#[must_use]
pub fn encode(pairs: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort_by(|one, two| one.0.cmp(&two.0));
    let encoded = sorted
        .into_iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    encoded.collect::<Vec<_>>().join("&")
}

/// The value of a name in a form, the first one.
#[must_use]
pub fn value(form: &str, name: &str) -> Option<String> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(own, _)| decoded(own) == name);
    named.next().map(|(_, value)| decoded(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_sorted_and_escaped_and_read_again() {
        let pairs = [
            ("scope", "a b"),
            ("grant_type", "x&y=z"),
            ("audience", "\u{e9}~"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let form = encode(&pairs);
        assert_eq!(form, "audience=%C3%A9~&grant_type=x%26y%3Dz&scope=a+b");
        for (name, expected) in &pairs {
            assert_eq!(value(&form, name).as_ref(), Some(expected));
        }
        assert_eq!(value(&form, "none"), None);
    }
}
