//! What can be tested without Python.  That both engines agree is tested from there: tests/property.

mod json;
mod open;
mod pieces;
mod policy;
mod protect;
mod usual;
mod walk;

use crate::crypto::{Keys, OKM};
use crate::open::Known;
use crate::policy::Policy;
use crate::protect::{protect, Limits, Made, Session};
use crate::{guarded, HandedBack, Outcome};
use std::sync::Arc;

const DEK: &str = "dek-v1-20260101";
const AT: &[u8] = b"2026-01-01T00:00:00Z";
const HEAD: &str = r#"{"v":1,"dek":"dek-v1-20260101","kem":"AAAA","id":""#;
const PLENTY: Limits = Limits { output_bytes: usize::MAX, fields: 1000, plaintext_bytes: 1 << 20 };

/// Names `actorid` (label 0) and `eventid` where it is not public, and pointers.
fn policy(pointers: &[(&str, bool)], excluded: &[&str], id_is_public: bool) -> Policy {
    let mut names = vec![("actorid".to_owned(), 0)];
    if !id_is_public {
        names.push(("eventid".to_owned(), 0));
    }
    let pointers: Vec<_> = pointers
        .iter()
        .map(|(path, excludes)| (path.split('/').skip(1).map(str::to_owned).collect(), *excludes))
        .collect();
    Policy::new(names, excluded.iter().map(|name| (*name).to_owned()).collect(), &pointers, 1, 2, id_is_public)
}

fn keys() -> Keys {
    let okm: Vec<u8> = (0..OKM).map(|byte| u8::try_from(byte).unwrap()).collect();
    Keys::new(&okm).unwrap()
}

fn session() -> Session {
    Session::new(keys(), HEAD.into(), DEK.into())
}

fn known(policy: Policy) -> Known {
    Known::new(DEK.into(), "AAAA".into(), String::new(), String::new(), keys(), Arc::new(policy))
}

/// Protect one event with nonces that are not random.
fn protected(raw: &str, policy: &Policy, src: &str) -> Outcome<String> {
    let mut made = Made::default();
    let mut fill = |out: &mut [u8]| {
        out.fill(7);
        Ok(())
    };
    protect(raw.as_bytes(), policy, &session(), src.as_bytes(), AT, &mut PLENTY.clone(), &mut made, &mut fill)?;
    Ok(String::from_utf8(made.text).unwrap())
}

#[test]
fn a_panic_is_handed_back() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let answer = guarded::<()>(|| panic!("a fault of ours"));
    std::panic::set_hook(hook);
    assert_eq!(answer, Err(HandedBack));
    assert_eq!(guarded(|| Ok(1)), Ok(1));
}
