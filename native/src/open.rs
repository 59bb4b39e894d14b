//! Opens one event of a session that Python has judged: the text of the encrypted event in, the event's out.

use crate::crypto::{self, binding, is_hex_of, lp, Keys, JSON, LAYOUT, STRING};
use crate::fields::{head, is_timestamp, Head};
use crate::json::{quote, Scanner};
use crate::policy::Policy;
use crate::protect::{event_id, place, set_tag};
use crate::room::Room;
use crate::usual::Usual;
use crate::walk::{Read, Walk};
use crate::{guarded, HandedBack, Outcome};
use ring::hmac;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Levels of an encrypted event, and of a decrypted value.
const LEVELS: usize = 65;
const VALUE_LEVELS: usize = 64;
const BLOB_MIN: usize = 30;

/// A session whose texts Python has checked, and the policy of its DEK version.
pub struct Known {
    pub dek: String,
    pub kem: String,
    pub by: String,
    pub sig: String,
    pub keys: Keys,
    pub policy: Arc<Policy>,
    usual: Option<Usual>,
}

impl Known {
    #[must_use]
    pub fn new(dek: String, kem: String, by: String, sig: String, keys: Keys, policy: Arc<Policy>) -> Self {
        let usual = Usual::new(&dek, &kem, &by, &sig);
        Known { dek, kem, by, sig, keys, policy, usual }
    }
}

/// A verified event.
pub struct Opened {
    pub event: Vec<u8>,
    pub source: Option<String>,
}

/// Find `_aegis` of an event, which must be looked at before its session's policy is known.
///
/// # Errors
/// There is none, or whatever is unusual.
pub fn session_of(raw: &[u8]) -> Outcome<Vec<u8>> {
    let mut scanner = Scanner::checked(raw)?;
    scanner.blank();
    let mut found = None;
    scanner.members(LEVELS, &mut |scanner, left| {
        let name = scanner.name()?;
        let start = scanner.at;
        scanner.value(left)?;
        if name == b"_aegis" {
            found = Some(start..scanner.at);
        }
        Ok(())
    })?;
    found.map(|span| raw[span].to_vec()).ok_or(HandedBack)
}

/// Read `_aegis` from its text.
///
/// # Errors
/// Whatever is unusual.
pub fn head_of(text: &[u8]) -> Outcome<Head<'_>> {
    head(&mut Scanner::new(text))
}

/// Open one event of a known session.  room: what the event before left.
///
/// # Errors
/// It is of another session, or whatever is unusual, which includes all that a reader must refuse.
pub fn open(raw: &[u8], known: &Known, room: &mut Room) -> Outcome<Opened> {
    guarded(|| judge(raw, known, room))
}

fn judge(raw: &[u8], known: &Known, room: &mut Room) -> Outcome<Opened> {
    let policy = known.policy.as_ref();
    let Room { places, mut bound, mut aad, drawn, mut commitments, mut order } = std::mem::take(room).emptied();
    let mut walk = Walk::reading(Scanner::checked(raw)?, policy, known.usual.as_ref(), places);
    walk.run(LEVELS)?;
    let Some(Read { fields, head: Some(head), .. }) = walk.read.take() else {
        return Err(HandedBack);
    };
    if head.dek != known.dek.as_bytes()
        || head.kem != known.kem.as_bytes()
        || head.by != known.by.as_bytes()
        || head.sig != known.sig.as_bytes()
    {
        return Err(HandedBack);
    }
    let at = fields.first().map_or(&b""[..], |field| field.at);
    if fields.iter().any(|field| field.dek != head.dek || field.at != at) || !(at.is_empty() || is_timestamp(at)) {
        return Err(HandedBack);
    }

    let mut own_id = Vec::new();
    binding(&mut bound, head.id, head.src, &event_id(&walk, raw, policy, &mut own_id))?;
    lp(&mut aad, b"aegis-stream/v1/field")?;
    lp(&mut aad, head.dek)?;
    aad.extend_from_slice(&bound);
    lp(&mut aad, at)?;
    let prefix = aad.len();
    let mut ours = hmac::Context::with_key(&known.keys.commitment);
    ours.update(&aad);

    // What is cut, and what stands in the place of each field: no value is longer than its ciphertext, but for escapes.
    let cut_out: usize =
        walk.places.targets.iter().map(|target| target.span.len()).sum::<usize>() + walk.top.aegis_cut.len();
    let values: usize = fields.iter().map(|field| field.ciphertext.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity((raw.len() + values).saturating_sub(cut_out)));
    let mut copied = walk.top.object.start;
    // Large enough for any field, so that it never moves and leaves a copy of a plaintext behind.
    let largest = fields.iter().map(|field| field.ciphertext.len()).max().unwrap_or(0);
    let mut blob = Zeroizing::new(Vec::with_capacity(largest));
    for (index, (target, field)) in walk.places.targets.iter().zip(&fields).enumerate() {
        if index == walk.top.aegis_after {
            cut(&mut out, raw, &mut copied, &walk.top.aegis_cut);
        }
        decode(field.ciphertext, &mut blob)?;
        let kind = blob[1];
        aad.truncate(prefix);
        place(&mut aad, &walk, target, kind)?;
        let text = known.keys.open(&mut blob, &aad)?;
        let mut mac = ours.clone();
        mac.update(&aad[prefix..]);
        mac.update(text);
        let commitment = mac.sign().as_ref().try_into().map_err(|_| HandedBack)?;
        if !is_hex_of(field.committed, &commitment) {
            return Err(HandedBack);
        }
        commitments.push(commitment);
        out.extend_from_slice(&raw[copied..target.span.start]);
        copied = target.span.end;
        value(text, kind, &mut out)?;
    }
    if walk.top.aegis_after >= fields.len() {
        cut(&mut out, raw, &mut copied, &walk.top.aegis_cut);
    }
    out.extend_from_slice(&raw[copied..=walk.top.object.end]);
    let tag = set_tag(&known.keys, head.dek, &bound, &walk, &commitments, &mut order)?;
    if !is_hex_of(head.set, &tag) {
        return Err(HandedBack);
    }
    let source = (!head.src.is_empty()).then(|| String::from_utf8_lossy(head.src).into_owned());
    *room = Room { places: walk.places, bound, aad, drawn, commitments, order };
    Ok(Opened { event: std::mem::take(&mut *out), source })
}

/// Copy up to a span and step over it.
fn cut(out: &mut Vec<u8>, raw: &[u8], copied: &mut usize, span: &std::ops::Range<usize>) {
    out.extend_from_slice(&raw[*copied..span.start]);
    *copied = span.end;
}

/// Decode canonical base64 of a blob of this layout.
fn decode(text: &[u8], blob: &mut Vec<u8>) -> Outcome<()> {
    blob.clear();
    base64_simd::STANDARD.decode_append(text, blob).map_err(|_| HandedBack)?;
    let canonical = text.len() % 4 == 0 && {
        let tail = &blob[blob.len() - blob.len() % 3..];
        tail.is_empty() || base64_simd::STANDARD.encode_to_string(tail).as_bytes() == &text[text.len() - 4..]
    };
    let shaped = blob.len() >= BLOB_MIN && blob[0] == LAYOUT && (blob[1] == STRING || blob[1] == JSON);
    if canonical && shaped {
        Ok(())
    } else {
        Err(HandedBack)
    }
}

/// Append a decrypted value as JSON.
fn value(text: &[u8], kind: u8, out: &mut Vec<u8>) -> Outcome<()> {
    if kind == STRING {
        simdutf8::basic::from_utf8(text).map_err(|_| HandedBack)?;
        quote(text, out);
        return Ok(());
    }
    let mut scanner = Scanner::checked(text)?;
    scanner.blank();
    let start = scanner.at;
    if scanner.peek() == Some(b'"') {
        return Err(HandedBack);
    }
    scanner.value(VALUE_LEVELS)?;
    out.extend_from_slice(&text[start..scanner.at]);
    scanner.end()
}

/// Where `crypto::HEAD` ends a blob's head there is at least a tag behind it.
const _: () = assert!(BLOB_MIN == crypto::HEAD + crypto::TAG);
