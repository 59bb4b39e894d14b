use crate::json::{compact, quote, unescape, Names, Scanner};

/// Scan a whole text as one value of at most three levels.
fn accepts(text: &[u8]) -> bool {
    Scanner::checked(text).is_ok_and(|mut scanner| {
        scanner.blank();
        scanner.value(3).and_then(|()| scanner.end()).is_ok()
    })
}

fn all_accepted(texts: &[&str]) {
    for text in texts {
        assert!(accepts(text.as_bytes()), "{text}");
    }
}

fn all_refused(texts: &[&str]) {
    for text in texts {
        assert!(!accepts(text.as_bytes()), "{text}");
    }
}

#[test]
fn values() {
    all_accepted(&["{}", "[]", " \t\r\n[ ] \n", "true", "false", "null", "\"\"", r#"{"":[{"a":1},2]}"#, "[1 , 2]"]);
    all_refused(&[
        "",
        " ",
        "{",
        "[",
        "]",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "tru",
        "True",
        "nul",
        "NaN",
        "Infinity",
        "-Infinity",
        "1 1",
        "[]]",
        "{}{}",
        "'a'",
        "//",
        "/**/1",
        "\u{feff}1",
        "\u{a0}1",
        "\u{b}1",
        "[1]\0",
        "\0",
    ]);
}

#[test]
fn strings_and_escapes() {
    all_accepted(&[
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0000\u001F\uabCD""#,
        r#""\ud83d\ude00""#,
        r#""\uD800\uDFFF""#,
        "\"\u{7f}\u{80}\u{ffff}\u{10ffff}\"",
    ]);
    all_refused(&[
        "\"",
        "\"a",
        r#""\""#,
        r#""\x41""#,
        r#""\U0041""#,
        r#""\u004""#,
        r#""\u00g0""#,
        r#""\u+041""#,
        r#""\u 041""#,
        "\"\u{1}\"",
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "\"\u{1f}\"",
    ]);
}

#[test]
fn lone_surrogates() {
    all_refused(&[
        r#""\ud800""#,
        r#""\udbff""#,
        r#""\udc00""#,
        r#""\udfff""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800\u""#,
        r#""\ud800\"#,
        r#""\ud83d\ude0""#,
    ]);
}

#[test]
fn a_special_byte_is_seen_at_every_place() {
    // The scanner looks at 32 and at 8 bytes at once.
    for length in 0..80 {
        for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
            let mut text = vec![b'"'];
            text.resize(length + 1, b'a');
            text.push(special);
            text.extend_from_slice(&[b'c'; 40]);
            text.push(b'"');
            assert!(!accepts(&text), "{length} {special}");
            text[length + 1] = 0x20;
            assert!(accepts(&text), "{length}");
            text[length + 1] = 0x7f;
            assert!(accepts(&text), "{length}");
        }
    }
}

#[test]
fn bytes_that_are_no_utf_8() {
    for text in
        [&b"\"\xff\""[..], b"\"\xc3\"", b"\"\xed\xa0\x80\"", b"\"\xc0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\xef\xbb\xbf1"]
    {
        assert!(!accepts(text), "{text:?}");
    }
}

#[test]
fn numbers() {
    all_accepted(&[
        "0", "-0", "10", "-1", "0.5", "-0.0", "1e5", "1E+5", "1e-5", "0e999", "1.50e2", "1e00001", "1e-999",
    ]);
    all_refused(&[
        "01", "-01", "00", "1.", ".5", "1.e1", "1e", "1e+", "1e+-1", "+1", "-", "--1", "-a", "0x1", "1_0", "1e1.5",
        "1.2.3",
    ]);
}

#[test]
fn numbers_at_their_limits() {
    all_accepted(&[
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615",
        "99999999999999999999.0",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1e308",
        "4.9e-324",
        "-1e308",
        "18446744073709551616.0",
        "18446744073709551616e0",
    ]);
    all_refused(&[
        "18446744073709551616",
        "-9223372036854775809",
        "99999999999999999999",
        "100000000000000000000",
        "1e309",
        "1.7976931348623159e308",
        "-1e999",
        "-18446744073709551615",
    ]);
    let long = |digit: &str, times: usize, end: &str| digit.repeat(times) + end;
    all_accepted(&[&long("1", 309, ".0"), &("0.".to_owned() + &long("1", 400, ""))]);
    all_refused(&[&long("1", 310, ".0"), &long("1", 21, ""), &long("1", 400, "")]);
}

#[test]
fn depth() {
    all_accepted(&["[[[]]]", "[[[1]]]", r#"{"a":[{"b":1}]}"#]);
    all_refused(&["[[[[]]]]", r#"{"a":[{"b":{}}]}"#]);
    // However deep the text, it is refused at the first level too many.
    assert!(!accepts(&b"[".repeat(1_000_000)));
    assert!(!accepts(&br#"{"a":"#.repeat(1_000_000)));
}

#[test]
fn duplicates() {
    all_refused(&[r#"{"a":1,"a":2}"#, r#"{"a":1,"b":{"c":1,"c":1}}"#, r#"[{"":1,"":1}]"#]);
    all_accepted(&[r#"{"a":1,"A":2}"#, r#"{"a":{"a":{"a":1}}}"#, r#"[{"a":1},{"a":1}]"#]);
    // An escaped name is handed back whether or not it is one.
    all_refused(&[r#"{"\u0061":1}"#, r#"{"a\n":1}"#]);
}

#[test]
fn duplicates_among_few_and_many_names() {
    let names: Vec<Vec<u8>> = (0..60_u8).map(|number| vec![number]).collect();
    for known in 0..names.len() {
        let mut seen = Names::new();
        assert!(names[..=known].iter().all(|name| seen.add(name)));
        assert!(names[..=known].iter().all(|name| !seen.add(name)), "{known}");
        assert!(seen.add(b"another"));
        assert!(!seen.add(b"another"));
    }
}

fn resolved(content: &str) -> String {
    let mut out = Vec::new();
    unescape(content.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn escapes_are_resolved() {
    for (content, text) in [
        ("", ""),
        ("abc", "abc"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u0000\u00e9\u20AC", "\0é€"),
        (r"a\ud83d\uDE00b", "a😀b"),
        (r"\ud800\udc00\udbff\udfff", "\u{10000}\u{10ffff}"),
        (r"\\u0041", "\\u0041"),
    ] {
        assert_eq!(resolved(content), text, "{content}");
    }
}

#[test]
fn what_is_quoted_is_scanned_and_resolved_to_itself() {
    let all: String = (0..0x800_u32).chain(0xffe0..0x10020).filter_map(char::from_u32).collect();
    for text in ["", "a", "\"", "\\", "\u{1f}", "é\"\u{0}\\u0041", all.as_str()] {
        let mut quoted = Vec::new();
        quote(text.as_bytes(), &mut quoted);
        assert!(accepts(&quoted), "{text}");
        assert_eq!(resolved(std::str::from_utf8(&quoted[1..quoted.len() - 1]).unwrap()), text);
    }
}

#[test]
fn blanks_between_tokens_go_and_those_in_strings_stay() {
    for (value, text) in [
        ("1.50e2", "1.50e2"),
        ("[ 1 ,\t2\r\n]", "[1,2]"),
        (r#"{ "a b" : " \" c \\" , "d" : [ ] }"#, r#"{"a b":" \" c \\","d":[]}"#),
        (r#"[ "\\" , " \\\" " ]"#, r#"["\\"," \\\" "]"#),
    ] {
        let mut out = Vec::new();
        compact(value.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
