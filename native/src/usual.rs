//! The two objects of an encrypted event as this project's writers spell them.
//!
//! Most events that a reader meets are spelt so, and then comparing beats parsing.  Whatever is spelt in another way is
//! left to `fields`; what is found here is a part of what is accepted there, once the reader has verified it.

use crate::crypto::ALG;
use crate::fields::{is_hex, is_source, Field, Head};
use crate::json::Scanner;
use memchr::memchr;

const ID: usize = 32;
const HASH: usize = 64;
const TIME: usize = 20;

/// A session's texts up to the first one that differs from event to event.
pub struct Usual {
    dek: String,
    kem: String,
    by: String,
    sig: String,
    /// `{"v":1,"dek":…,"kem":…,"by":…,"sig":…,"id":"`
    head: Vec<u8>,
    /// An encrypted field up to its ciphertext.
    field: Vec<u8>,
}

impl Usual {
    /// None where one of the texts could not stand in JSON as it is.
    #[must_use]
    pub fn new(dek: &str, kem: &str, by: &str, sig: &str) -> Option<Self> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_.".contains(&byte));
        if ![dek, kem, by, sig].into_iter().all(plain) {
            return None;
        }
        let signed = if by.is_empty() { String::new() } else { format!(r#","by":"{by}","sig":"{sig}""#) };
        let head = format!(r#"{{"v":1,"dek":"{dek}","kem":"{kem}"{signed},"id":""#);
        let field = field_up_to_ciphertext(dek);
        let [dek, kem, by, sig] = [dek, kem, by, sig].map(str::to_owned);
        Some(Usual { dek, kem, by, sig, head: head.into_bytes(), field })
    }

    /// Read `_aegis` of this session; nothing is read where it is spelt in another way.
    pub fn head<'a>(&'a self, scanner: &mut Scanner<'a>) -> Option<Head<'a>> {
        let mut text = Text(scanner.text.get(scanner.at..)?);
        text.past(&self.head)?;
        let id = text.next(ID)?;
        text.past(b"\",\"set\":\"")?;
        let set = text.next(HASH)?;
        let src = match text.past(b"\",\"src\":\"") {
            Some(()) => Some(text.up_to_quote()?),
            None => None,
        };
        text.past(b"\"}")?;
        if !is_hex(id) || !is_hex(set) || src.is_some_and(|src| !is_source(src)) {
            return None;
        }
        scanner.at = scanner.text.len() - text.0.len();
        let [dek, kem, by, sig] = [&self.dek, &self.kem, &self.by, &self.sig].map(String::as_bytes);
        Some(Head { dek, id, kem, set, src: src.unwrap_or_default(), by, sig })
    }

    /// Read an encrypted field of this session's DEK version; nothing is read where it is spelt in another way.
    ///
    /// Its ciphertext must still be decoded, its hash compared and its time judged: they are not even known to be
    /// without escapes.
    pub fn field<'a>(&'a self, scanner: &mut Scanner<'a>) -> Option<Field<'a>> {
        let mut text = Text(scanner.text.get(scanner.at..)?);
        text.past(&self.field)?;
        let ciphertext = text.up_to_quote()?;
        text.past(b"\",\"_plaintext_hash\":\"")?;
        let committed = text.next(HASH)?;
        text.past(b"\",\"_encrypted_at\":\"")?;
        let at = text.next(TIME)?;
        text.past(b"\"}")?;
        scanner.at = scanner.text.len() - text.0.len();
        Some(Field { dek: self.dek.as_bytes(), ciphertext, committed, at })
    }
}

/// An encrypted field up to its ciphertext, as it is written.
#[must_use]
pub fn field_up_to_ciphertext(dek: &str) -> Vec<u8> {
    format!(r#"{{"_encrypted":true,"_algorithm":"{ALG}","_dek_version":"{dek}","_ciphertext":""#).into_bytes()
}

/// What is left of a text.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn past(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn next(&mut self, length: usize) -> Option<&'a [u8]> {
        let (next, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(next)
    }

    fn up_to_quote(&mut self) -> Option<&'a [u8]> {
        self.next(memchr(b'"', self.0)?)
    }
}
