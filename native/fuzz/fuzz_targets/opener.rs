//! Any bytes at the doors of writer and reader, and a protected event with any bytes of it changed.

#![no_main]

use aegis_stream_native::crypto::{Keys, OKM};
use aegis_stream_native::json::Scanner;
use aegis_stream_native::open::{head_of, open, session_of, Known};
use aegis_stream_native::policy::Policy;
use aegis_stream_native::protect::{protect, Limits, Made, Session};
use aegis_stream_native::room::Room;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

const DEK: &str = "dek-v1-20260101";
const AT: &[u8] = b"2026-01-01T00:00:00Z";
const EVENT: &[u8] = br#"{"event_id":"e","actor_id":"alice","x":[{"actorId":[1,null]},{"_encrypted":1}],"n":1.50e2}"#;

static SESSION: LazyLock<Session> = LazyLock::new(|| {
    Session::new(keys(), br#"{"v":1,"dek":"dek-v1-20260101","kem":"AAAA","id":""#.to_vec(), DEK.into())
});
static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let pointers = [(vec!["x".to_owned(), "*".to_owned(), "0".to_owned()], false)];
    let policy = Policy::new(vec![("actorid".to_owned(), 0)], vec![], &pointers, 1, 2, true);
    Known::new(DEK.into(), "AAAA".into(), String::new(), String::new(), keys(), Arc::new(policy))
});

fn keys() -> Keys {
    Keys::new(&[7; OKM]).expect("they have the right length")
}

fn protected(raw: &[u8]) -> Option<Vec<u8>> {
    let mut limits = Limits { output_bytes: 1 << 24, fields: 1 << 20, plaintext_bytes: 1 << 24 };
    let mut made = Made::default();
    let mut nonce = 0_u8;
    let mut fill = |out: &mut [u8]| {
        nonce = nonce.wrapping_add(1);
        out.fill(nonce);
        Ok(())
    };
    protect(raw, &KNOWN.policy, &SESSION, b"t/0/1", AT, &mut limits, &mut made, &mut fill).ok()?;
    Some(made.text)
}

/// What an event is, whatever its spelling.
fn meaning(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("it is JSON")
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 4 {
        0 => {
            // As it is: nothing that was not written under the session's keys is opened.
            assert!(open(rest, &KNOWN, &mut Room::default()).is_err());
            if let Ok(text) = session_of(rest) {
                let _ = head_of(&text);
            }
        }
        1 => {
            // Whatever a writer takes, a reader gives back.
            if let Some(text) = protected(rest) {
                let opened = open(&text, &KNOWN, &mut Room::default()).expect("it was just written");
                assert_eq!(meaning(&opened.event), meaning(rest));
                assert_eq!(opened.source.as_deref(), Some("t/0/1"));
            }
        }
        _ => {
            // Bytes of a protected event are replaced, put in or taken out: what was encrypted stays, or nothing opens.
            let mut text = protected(EVENT).expect("it is an event");
            for edit in rest.chunks_exact(4) {
                let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % text.len();
                match edit[2] % 3 {
                    0 => text[at] = edit[3],
                    1 => text.insert(at, edit[3]),
                    _ => drop(text.remove(at)),
                }
                if text.is_empty() {
                    return;
                }
            }
            if let Ok(opened) = open(&text, &KNOWN, &mut Room::default()) {
                let (event, written) = (meaning(&opened.event), meaning(EVENT));
                assert_eq!(event["actor_id"], written["actor_id"]);
                assert_eq!(event["event_id"], written["event_id"]);
                assert_eq!(event["x"][0]["actorId"], written["x"][0]["actorId"]);
                assert_eq!(event["x"][1], written["x"][1]);
                assert!(Scanner::checked(&opened.event).is_ok_and(|mut scanner| scanner.value(64).is_ok()));
            }
        }
    }
});
