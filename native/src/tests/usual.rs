use super::{policy, protected, DEK};
use crate::fields::{field, head};
use crate::json::Scanner;
use crate::usual::Usual;

fn usual() -> Usual {
    Usual::new(DEK, "AAAA", "", "").unwrap()
}

/// What our writer made of one sensitive member: the field, and `_aegis`.
fn parts(src: &str) -> (String, String) {
    let text = protected(r#"{"actor_id":"x"}"#, &policy(&[], &[], true), src).unwrap();
    let (field, aegis) = text.split_once(",\"_aegis\":").unwrap();
    (field[field.find(':').unwrap() + 1..].to_owned(), aegis[..aegis.len() - 1].to_owned())
}

#[test]
fn what_our_writer_spells_is_read_as_the_strict_parser_reads_it() {
    for src in ["", "t/0/1"] {
        let (written, aegis) = parts(src);
        let (usual, padded) = (usual(), format!("{aegis},"));
        let mut scanner = Scanner::new(padded.as_bytes());
        let found = usual.head(&mut scanner).unwrap();
        let parsed = head(&mut Scanner::new(aegis.as_bytes())).unwrap();
        assert_eq!(scanner.at, aegis.len());
        assert_eq!((found.dek, found.id, found.kem, found.set), (parsed.dek, parsed.id, parsed.kem, parsed.set));
        assert_eq!((found.src, found.by, found.sig), (parsed.src, parsed.by, parsed.sig));

        let padded = format!("{written}}}");
        let mut scanner = Scanner::new(padded.as_bytes());
        let found = usual.field(&mut scanner).unwrap();
        let parsed = field(&mut Scanner::new(written.as_bytes())).unwrap();
        assert_eq!(scanner.at, written.len());
        assert_eq!((found.dek, found.ciphertext), (parsed.dek, parsed.ciphertext));
        assert_eq!((found.committed, found.at), (parsed.committed, parsed.at));
    }
}

#[test]
fn a_signed_session_is_read_too() {
    let (_, aegis) = parts("");
    let signed = aegis.replace(r#""AAAA","id""#, r#""AAAA","by":"0a","sig":"BBBB","id""#);
    let usual = Usual::new(DEK, "AAAA", "0a", "BBBB").unwrap();
    let found = usual.head(&mut Scanner::new(signed.as_bytes())).unwrap();
    assert_eq!((found.by, found.sig), (&b"0a"[..], &b"BBBB"[..]));
    assert!(usual.head(&mut Scanner::new(aegis.as_bytes())).is_none());
}

#[test]
fn another_spelling_is_left_to_the_strict_parser() {
    let (written, aegis) = parts("t/0/1");
    let usual = usual();
    for changed in [
        aegis.replace(r#"{"v""#, r#"{ "v""#),
        aegis.replace(r#""v":1"#, r#""v":2"#),
        aegis.replace(DEK, "dek-v2-20260101"),
        aegis.replace("AAAA", "AAAB"),
        aegis.replace("t/0/1", "t/0/x"),
        aegis.replace("t/0/1", ""),
        aegis.replace(r#"","set""#, r#"" ,"set""#),
        aegis.replace("t/0/1\"}", "t/0/1\",\"x\":1}"),
        aegis[..aegis.len() - 1].to_owned(),
    ] {
        let mut scanner = Scanner::new(changed.as_bytes());
        assert!(changed != aegis && usual.head(&mut scanner).is_none(), "{changed}");
        assert_eq!(scanner.at, 0);
    }
    for changed in [
        written.replace(r#"{"_enc"#, r#"{ "_enc"#),
        written.replace("true", "false"),
        written.replace(DEK, "dek-v2-20260101"),
        written.replace("Z\"}", "Z\",\"x\":1}"),
        written.replace("Z\"}", "\"}"),
        written[..written.len() - 1].to_owned(),
    ] {
        let mut scanner = Scanner::new(changed.as_bytes());
        assert!(changed != written && usual.field(&mut scanner).is_none(), "{changed}");
        assert_eq!(scanner.at, 0);
    }
}

#[test]
fn a_text_that_json_would_escape_makes_no_usual_spelling() {
    for odd in ["\"", "\\", "\n", "é", "a b", "a\",\"id\":\"b"] {
        assert!(Usual::new(odd, "", "", "").is_none(), "{odd}");
        assert!(Usual::new(DEK, "AAAA", "0a", odd).is_none(), "{odd}");
    }
}
