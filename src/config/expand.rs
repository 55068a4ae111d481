//! Environment variables in external labels, as Go's `os.Expand` finds them.

/// Replaces `$name` and `${name}` by what `lookup` says; `$$` is one `$`. Variables without a value
/// become the empty text and are named in `missing`.
pub(super) fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    missing: &mut Vec<String>,
) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let (name, length) = name(rest);
        match name {
            "" if length == 0 => expanded.push('$'),
            // Broken syntax such as `${}` is eaten.
            "" => {}
            "$" => expanded.push('$'),
            name => match lookup(name).filter(|value| !value.is_empty()) {
                Some(value) => expanded.push_str(&value),
                None => missing.push(name.to_owned()),
            },
        }
        rest = &rest[length..];
    }
    expanded.push_str(rest);
    expanded
}

/// The name behind a dollar sign and the bytes it takes.
fn name(text: &str) -> (&str, usize) {
    let special = |byte: u8| byte.is_ascii_digit() || b"*#$@!?-".contains(&byte);
    match text.as_bytes() {
        [b'{', ..] => match text.find('}') {
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        },
        [first, ..] if special(*first) => (&text[..1], 1),
        bytes => {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = bytes.iter().take_while(|byte| is_name(byte)).count();
            (&text[..length], length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_as_go_finds_them() {
        let lookup = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "B_2" => Some("two$A".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("$A", "one"),
            ("${A}x", "onex"),
            ("$B_2-", "two$A-"),
            ("a$$b", "a$b"),
            ("100$", "100$"),
            ("$ A", "$ A"),
            ("${}x", "x"),
            ("${Ax", "Ax"),
            ("$1x", "x"),
            ("$Ax", ""),
        ] {
            assert_eq!(expand(text, &lookup, &mut Vec::new()), expected, "{text}");
        }
        let mut missing = Vec::new();
        expand("$NOPE ${GONE}", &lookup, &mut missing);
        assert_eq!(missing, ["NOPE", "GONE"]);
    }
}
