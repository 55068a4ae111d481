//! Where RE2 and the `regex` crate differ, RE2 is right.

use super::compile;

fn matches(source: &str, text: &str) -> bool {
    compile(source).expect(source).is_match(text)
}

#[test]
fn expressions_match_the_whole_text_and_dots_match_newlines() {
    assert!(matches("a.c", "a\nc"));
    assert!(!matches("a", "ab") && !matches("b", "ab"));
    assert!(matches("a|ab", "ab"));
    assert!(matches("", "") && !matches("", "x"));
    assert!(matches("(?-s)a.c", "abc") && !matches("(?-s)a.c", "a\nc"));
    assert!(matches("(.*)", "any\nthing"));
    // Unbalanced in itself, balanced inside the wrapper: Go accepts it.
    assert!(matches("a)(b", "ab"));
}

#[test]
fn perl_classes_are_ascii() {
    assert!(matches(r"\d", "7") && !matches(r"\d", "\u{0667}"));
    assert!(matches(r"\w", "_") && !matches(r"\w", "\u{e9}"));
    assert!(matches(r"\W", "\u{e9}") && matches(r"[\W]", "\u{e9}"));
    assert!(matches(r"\s", "\x0c") && !matches(r"\s", "\x0b") && !matches(r"\s", "\u{a0}"));
    assert!(matches(r"[^\D5]", "7") && !matches(r"[^\D5]", "5"));
    assert!(matches(r"a\b-", "a-") && matches(r"\Bx?", ""));
    assert!(
        matches(".\\b\u{e9}", "a\u{e9}"),
        "no boundary seen by Unicode rules"
    );
}

#[test]
fn quotations_octal_and_hex_escapes_are_characters() {
    assert!(matches(r"\Qa.b*\E+", "a.b**"));
    assert!(matches(r"\Q\E", ""));
    assert!(matches(r"\101\x41\x{41}\0", "AAA\0"));
    assert!(matches(r"\_\-\<\>\/\#\ ", "_-<>/# "));
    assert!(matches(r"\a\f\n\r\t\v", "\x07\x0c\n\r\t\x0b"));
}

#[test]
fn classes_have_no_nesting_and_no_set_operations() {
    assert!(matches("[[a]", "[") && matches("[[a]+", "a["));
    assert!(matches("[a&&b]+", "a&b") && matches("[a~~b]+", "a~b"));
    assert!(matches("[%--]", "+") && matches("[a-z-9]+", "q-9"));
    assert!(matches("[]a]+", "]a") && matches("[^]a]", "b"));
    assert!(matches("[[:alpha:]_]+", "a_Z") && matches("[[:^alpha:]]", "1"));
    assert!(matches(r"[\]\-]+", "]-") && matches(r"\pL\p{Greek}", "a\u{3b1}"));
    assert!(matches(r"\p{^L}\PL[\p{^L}]", "123"));
}

#[test]
fn braces_that_do_not_count_are_literal() {
    assert!(matches("a{,2}", "a{,2}") && matches("{}", "{}") && matches("a{b", "a{b"));
    assert!(matches("a{2,3}", "aaa") && matches("a{2,}?", "aaaa") && matches("(a{2})", "aa"));
    assert!(matches("a{02}", "a{02}"));
}

#[test]
fn flags_and_names_follow_re2() {
    assert!(matches("(?i)AbC", "aBc") && matches("(?i:a)b", "Ab"));
    assert!(matches("(?is-m)a", "A") && matches("(?:a)(?)", "a"));
    assert!(matches("(?P<1x>a)(?<y>b)", "ab"));
    assert!(matches("(?U)a+", "aaa"));
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    for (source, reason) in [
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*??", "invalid nested repetition operator: `*??`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("a)", "unexpected ): `^(?s:a))$`"),
        ("(a", "missing closing ): `^(?s:(a)$`"),
        (r"\Qa", "missing closing ): `^(?s:\\Qa)$`"),
        ("[a", "missing closing ]: `[a)$`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\C", "invalid escape sequence: `\\C`"),
        (r"\Z", "invalid escape sequence: `\\Z`"),
        (r"\1", "invalid escape sequence: `\\1`"),
        (r"\E", "invalid escape sequence: `\\E`"),
        (r"[\b]", "invalid escape sequence: `\\b`"),
        (r"[a-\d]", "invalid escape sequence: `\\d`"),
        (r"\x{110000}", "invalid escape sequence: `\\x{110000}`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?u:a)", "invalid or unsupported Perl syntax: `(?u`"),
        ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?P<a b>c)", "invalid named capture: `(?P<a b>`"),
        ("(?P<a", "invalid named capture: `(?P<a`"),
    ] {
        let expected = format!("error parsing regexp: {reason}");
        assert_eq!(
            compile(source).map_err(|e| e.to_string()).err(),
            Some(expected),
            "{source}"
        );
    }
}

#[test]
fn expressions_that_explode_are_refused() {
    for source in [
        "((a{1000}){1000}){1000}".to_owned(),
        "(".repeat(5000) + &")".repeat(5000),
        "x".repeat(300 * 1024),
    ] {
        let error = compile(&source).expect_err("too large");
        assert!(error.starts_with("error parsing regexp: "), "{error}");
    }
}
