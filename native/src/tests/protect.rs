use super::{policy, protected, session, AT, HEAD, PLENTY};
use crate::protect::{protect, Limits, Made};
use crate::HandedBack;

#[test]
fn untouched_bytes_are_copied_as_they_are() {
    let text = protected(r#" {"n":1.50e2 , "s":"\u00e9\/" ,"actor_id": "x" } "#, &policy(&[], &[], true), "").unwrap();
    assert!(text.starts_with(r#"{"n":1.50e2 , "s":"\u00e9\/" ,"actor_id": {"_encrypted":true,"_algorithm":"#));
    assert!(text.contains(&format!(r#" ,"_aegis":{HEAD}0707070707"#)), "{text}");
}

#[test]
fn an_empty_event_gets_its_aegis_without_a_comma() {
    assert!(protected("{}", &policy(&[], &[], true), "").unwrap().starts_with(r#"{"_aegis":{"v":1,"#));
    let sourced = protected("{ }", &policy(&[], &[], true), "t/0/1").unwrap();
    assert!(sourced.ends_with(r#"","src":"t/0/1"}}"#), "{sourced}");
}

#[test]
fn what_a_writer_must_refuse_is_handed_back() {
    let plain = policy(&[], &[], true);
    let long = "x".repeat(65_536);
    for raw in [
        r#"{"_aegis":1}"#.to_owned(),
        r#"{"a":1,"_aegis":{}}"#.to_owned(),
        format!(r#"{{"event_id":"{long}"}}"#),
        format!(r#"{{"{long}":{{"actor_id":1}}}}"#),
        "[".repeat(100_000),
        format!(r#"{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64)),
    ] {
        assert_eq!(protected(&raw, &plain, ""), Err(HandedBack), "{}", &raw[..12]);
    }
    assert!(protected(&format!(r#"{{"a":{}{}}}"#, "[".repeat(63), "]".repeat(63)), &plain, "").is_ok());
}

#[test]
fn limits_are_charged_for_what_was_made_and_nothing_else() {
    let raw = br#"{"actor_id":"abcd","x":{"actor_id":1}}"#;
    let mut fill = |_: &mut [u8]| Ok(());
    let mut run = |limits: &mut Limits, made: &mut Made| {
        protect(raw, &policy(&[], &[], true), &session(), b"", AT, limits, made, &mut fill)
    };
    let mut made = Made::default();
    let mut limits = PLENTY;
    let end = run(&mut limits, &mut made).unwrap();
    assert_eq!(end, made.text.len());
    assert_eq!((limits.fields, limits.plaintext_bytes), (998, (1 << 20) - (6 + 16 + 1 + 16)));
    assert_eq!(made.by_label, [2]);
    for short in [
        Limits { fields: 1, ..PLENTY },
        Limits { plaintext_bytes: 38, ..PLENTY },
        Limits { output_bytes: end - 1, ..PLENTY },
    ] {
        let mut limits = short;
        assert_eq!(run(&mut limits, &mut made), Err(HandedBack));
        assert_eq!((made.text.len(), &made.by_label[..]), (end, &[2][..]));
        assert_eq!((limits.fields, limits.plaintext_bytes), (short.fields, short.plaintext_bytes));
    }
    assert!(run(&mut Limits { output_bytes: end, fields: 2, plaintext_bytes: 39 }, &mut made).is_ok());
}

#[test]
fn randomness_that_fails_or_panics_hands_the_event_back() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut made = Made { text: b"before".to_vec(), ..Made::default() };
    let mut limits = PLENTY;
    let plain = policy(&[], &[], true);
    let mut fails = |_: &mut [u8]| Err(HandedBack);
    let mut panics = |_: &mut [u8]| panic!("a fault of ours");
    let failed = protect(b"{}", &plain, &session(), b"", AT, &mut limits, &mut made, &mut fails);
    let panicked = protect(b"{}", &plain, &session(), b"", AT, &mut limits, &mut made, &mut panics);
    std::panic::set_hook(hook);
    assert_eq!((failed, panicked), (Err(HandedBack), Err(HandedBack)));
    assert_eq!((&made.text[..], limits.fields), (&b"before"[..], PLENTY.fields));
}
