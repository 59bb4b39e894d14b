use super::{known, policy, protected};
use crate::crypto::is_hex_of;
use crate::fields::{is_source, is_timestamp};
use crate::open::{head_of, open, session_of};
use crate::room::Room;
use crate::{HandedBack, Outcome};

/// Open under the policy it was written under; the event and its source.
fn opened(text: &str, id_is_public: bool) -> Outcome<(String, Option<String>)> {
    let event = open(text.as_bytes(), &known(policy(&[("/x/*/0", false)], &[], id_is_public)), &mut Room::default())?;
    Ok((String::from_utf8(event.event).unwrap(), event.source))
}

fn written(raw: &str, src: &str) -> String {
    protected(raw, &policy(&[("/x/*/0", false)], &[], true), src).unwrap()
}

#[test]
fn what_was_written_is_opened() {
    for (raw, event) in [
        ("{}", "{}"),
        (r#" {"a":1.50e2} "#, r#"{"a":1.50e2}"#),
        (r#"{"actor_id":"\u00e9\n\/"}"#, r#"{"actor_id":"é\u000a/"}"#),
        (r#"{"actor_id":[ 1 , "a b" , {"k" : null} ],"z":0}"#, r#"{"actor_id":[1,"a b",{"k":null}],"z":0}"#),
        (r#"{"x":[[1e5,2],{"0":true}],"event_id":"e\u0031"}"#, r#"{"x":[[1e5,2],{"0":true}],"event_id":"e\u0031"}"#),
        (r#"{"event_id":7,"x":{"_ciphertext":1}}"#, r#"{"event_id":7,"x":{"_ciphertext":1}}"#),
    ] {
        assert_eq!(opened(&written(raw, ""), true), Ok((event.to_owned(), None)));
        assert_eq!(opened(&written(raw, "t/0/1"), true), Ok((event.to_owned(), Some("t/0/1".to_owned()))));
    }
    let hidden = protected(r#"{"event_id":"e"}"#, &policy(&[], &[], false), "").unwrap();
    assert!(!hidden.contains(r#""e""#));
    assert_eq!(opened(&hidden, false), Ok((r#"{"event_id":"e"}"#.to_owned(), None)));
}

#[test]
fn aegis_may_stand_anywhere() {
    let text = written(r#"{"a":1,"actor_id":"x","b":2}"#, "t/0/1");
    let aegis = &text[text.find(",\"_aegis\"").unwrap() + 1..text.len() - 1];
    let rest = &text[1..text.len() - aegis.len() - 2];
    for moved in [
        format!("{{{aegis},{rest}}}"),
        format!("{{ {aegis} , {rest}}}"),
        format!(r#"{{"a":1,{aegis}{}}}"#, &rest[5..]),
        text.clone(),
    ] {
        assert_eq!(
            opened(&moved, true).map(|(event, _)| event.replace(' ', "")),
            Ok(r#"{"a":1,"actor_id":"x","b":2}"#.into())
        );
    }
    let alone = written("{}", "");
    assert_eq!(opened(&format!(" {alone} "), true), Ok(("{}".to_owned(), None)));
}

#[test]
fn fields_and_aegis_in_another_spelling_are_opened() {
    let text = written(r#"{"actor_id":"x","b":2}"#, "t/0/1");
    for (from, to) in [
        (r#""_encrypted":true,"#, r#""_encrypted" : true , "#),
        (r#""v":1,"dek":"dek-v1-20260101","#, r#""dek":"dek-v1-20260101","v":1,"#),
        (r#"Z"},"b""#, r#"Z" },"b""#),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        let event = opened(&other, true).map(|(event, source)| (event.replace(' ', ""), source));
        assert_eq!(event, Ok((r#"{"actor_id":"x","b":2}"#.to_owned(), Some("t/0/1".to_owned()))));
    }
    // What the short way does not look at is refused behind it.
    for (from, to) in [
        (r#"_ciphertext":""#, r#"_ciphertext":"\u"#),
        (r#"_ciphertext":""#, "_ciphertext\":\"\n"),
        ("00:00Z", r"00:0\nZ"),
        (r#"_plaintext_hash":"#, r#"_plaintext_hash" :"#),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert_eq!(opened(&other, true).is_ok(), to.ends_with(" :"));
    }
}

#[test]
fn each_changed_byte_of_what_is_authenticated_is_handed_back() {
    let text = written(r#"{"event_id":"e","actor_id":"x","y":{"actor_id":[1]}}"#, "t/0/1");
    for at in 1..text.len() - 1 {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let public = at >= text.find("\"y\"").unwrap() && at < text.find("\"y\"").unwrap() + 3;
        if let (Ok(changed), false) = (String::from_utf8(changed), public) {
            assert_eq!(opened(&changed, true), Err(HandedBack), "{at}: {}", &text[at..=at]);
        }
    }
    for end in 0..text.len() {
        assert_eq!(opened(&text[..end], true), Err(HandedBack));
    }
}

#[test]
fn base64_must_be_canonical() {
    // 30 bytes and one of plaintext: two padding characters.  Then two bytes of it: one.  Then none.
    for value in ["\"\"", "\"a\"", "\"ab\"", "\"abc\""] {
        let text = written(&format!(r#"{{"actor_id":{value}}}"#), "");
        let start = text.find("_ciphertext").unwrap() + 14;
        let end = start + text[start..].find('"').unwrap();
        let code = &text[start..end];
        let with = |code: String| opened(&(text[..start].to_owned() + &code + &text[end..]), true);
        assert!(with(code.to_owned()).is_ok());
        for bad in
            [format!("{code}="), format!("{code}===="), format!("{code}A"), format!(" {code}"), code.replace('=', "")]
        {
            assert_eq!(with(bad.clone()).is_err(), bad != code, "{bad}");
        }
        if let Some(padding) = code.find('=') {
            let last = code.as_bytes()[padding - 1];
            for other in (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').filter(|other| *other != last) {
                let mut changed = code.to_owned().into_bytes();
                changed[padding - 1] = other;
                assert_eq!(with(String::from_utf8(changed).unwrap()), Err(HandedBack));
            }
        }
    }
}

#[test]
fn an_event_of_another_session_is_handed_back() {
    let text = written(r#"{"actor_id":1}"#, "");
    for change in [("\"kem\":\"AAAA\"", "\"kem\":\"AAAB\""), (r#""id":""#, r#""by":"b","sig":"s","id":""#)] {
        let changed = text.replace(change.0, change.1);
        assert_ne!(changed, text);
        assert_eq!(opened(&changed, true), Err(HandedBack));
    }
}

#[test]
fn heads() {
    let id = "0".repeat(32);
    let set = "a".repeat(64);
    let good = format!(r#"{{"v":1,"dek":"d","id":"{id}","kem":"k","set":"{set}","src":"t/0/1","by":"b","sig":"s"}}"#);
    assert!(head_of(good.as_bytes()).is_ok());
    assert_eq!(session_of(format!(r#"{{"a":1,"_aegis": {good} }}"#).as_bytes()), Ok(good.clone().into_bytes()));
    for (from, to) in [
        ("\"v\":1", "\"v\":2"),
        ("\"v\":1", "\"v\":1.0"),
        ("\"v\":1", "\"v\":10"),
        ("\"v\":1", "\"v\":1e0"),
        ("\"v\":1", "\"v\":\"1\""),
        ("\"v\":1,", ""),
        ("\"d\"", "\"\""),
        ("\"dek\":\"d\",", ""),
        (",\"by\":\"b\"", ""),
        (",\"sig\":\"s\"", ""),
        ("0000\"", "000\""),
        ("0000\"", "000A\""),
        ("aa\"", "a\""),
        ("aa\"", "aA\""),
        ("t/0/1", "t/0"),
        ("\"t/0/1\"", "null"),
        ("\"by\"", "\"more\""),
        ("\"kem\"", "\"v\""),
        ("\"k\"", "\"\\u006b\""),
        ("\"k\"", "[]"),
        ("}", ",}"),
    ] {
        assert!(good.contains(from));
        assert!(head_of(good.replacen(from, to, 1).as_bytes()).is_err(), "{from} {to}");
    }
    for none in ["{}", "[]", "", r#"{"a":{"_aegis":1}}"#] {
        assert_eq!(session_of(none.as_bytes()), Err(HandedBack));
    }
}

#[test]
fn sources() {
    let longest = "t".repeat(249) + "/2147483647/9223372036854775807";
    for good in ["t/0/0", "A.b_c-9/10/11", longest.as_str()] {
        assert!(is_source(good.as_bytes()), "{good}");
    }
    let long = "t".repeat(250) + "/0/0";
    for bad in [
        "",
        "t",
        "t/0",
        "t/0/0/0",
        "/0/0",
        "t//0",
        "t/0/",
        "t/00/0",
        "t/0/01",
        "t/-1/0",
        "t/+1/0",
        "t/0/1 ",
        "t u/0/0",
        "é/0/0",
        "t/2147483648/0",
        "t/0/9223372036854775808",
        "t/0/99999999999999999999",
        "t/0/1e1",
        "t/a/0",
        long.as_str(),
    ] {
        assert!(!is_source(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn timestamps() {
    for good in [
        "2026-01-01T00:00:00Z",
        "2024-02-29T23:59:59Z",
        "2000-02-29T00:00:00Z",
        "0001-12-31T00:00:00Z",
        "9999-04-30T00:00:00Z",
    ] {
        assert!(is_timestamp(good.as_bytes()), "{good}");
    }
    for bad in [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01t00:00:00Z",
        "2026-01-01T00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00.0Z",
        "2026-01-01T00:00:00+00:00",
        "-026-01-01T00:00:00Z",
        "2026-01-01T00:00:0٠Z",
    ] {
        assert!(!is_timestamp(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn hexadecimal_digits() {
    assert!(is_hex_of("0f".repeat(32).as_bytes(), &[15; 32]));
    assert!(is_hex_of("f0".repeat(32).as_bytes(), &[240; 32]));
    for bad in ["", "0", &"0F".repeat(32), &"0g".repeat(32), &"g0".repeat(32), &"0f".repeat(31), &"0f".repeat(33)] {
        assert!(!is_hex_of(bad.as_bytes(), &[15; 32]), "{bad}");
    }
    for at in 0..64 {
        let mut text = vec![b'0'; 64];
        for byte in (0..=255).filter(|byte| *byte != b'0') {
            text[at] = byte;
            assert!(!is_hex_of(&text, &[0; 32]));
        }
    }
}
