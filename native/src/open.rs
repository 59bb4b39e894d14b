//! Opens one event of a session that Python has judged: the text of the encrypted event in, the event's out.

use crate::crypto::{self, binding, lp, same, unhex32, Keys, ALG, JSON, LAYOUT, STRING};
use crate::json::{quote, Names, Scanner, Text};
use crate::policy::Policy;
use crate::protect::{event_id, place, set_tag};
use crate::walk::Walk;
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
}

/// The member `_aegis`, its form checked but for what a known session vouches for.
pub struct Head<'a> {
    pub dek: &'a [u8],
    pub id: &'a [u8],
    pub kem: &'a [u8],
    pub set: &'a [u8],
    pub src: &'a [u8],
    pub by: &'a [u8],
    pub sig: &'a [u8],
}

/// A verified event.
pub struct Opened {
    pub event: Vec<u8>,
    pub source: Option<String>,
}

struct Field<'a> {
    dek: &'a [u8],
    ciphertext: &'a [u8],
    committed: [u8; 32],
    at: &'a [u8],
}

/// Read `_aegis`.
///
/// # Errors
/// Whatever is unusual.
pub fn head_of(text: &[u8]) -> Outcome<Head<'_>> {
    let mut scanner = Scanner::new(text);
    let mut head = Head { dek: b"", id: b"", kem: b"", set: b"", src: b"", by: b"", sig: b"" };
    let mut names = Names::new();
    let mut one = false;
    scanner.members(1, &mut |scanner, _| {
        let name = scanner.name()?;
        if !names.add(name) {
            return Err(HandedBack);
        }
        if name == b"v" {
            one = scanner.take(b'1') && !matches!(scanner.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
            return Ok(());
        }
        let value = plain(scanner)?;
        match name {
            b"dek" => head.dek = value,
            b"id" => head.id = value,
            b"kem" => head.kem = value,
            b"set" => head.set = value,
            b"src" => head.src = value,
            b"by" => head.by = value,
            b"sig" => head.sig = value,
            _ => return Err(HandedBack),
        }
        // An empty text is none of any member's form.
        if value.is_empty() {
            Err(HandedBack)
        } else {
            Ok(())
        }
    })?;
    let whole = one && !head.dek.is_empty() && !head.kem.is_empty() && head.by.is_empty() == head.sig.is_empty();
    let hex = |text: &[u8]| text.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !whole || head.id.len() != 32 || !hex(head.id) || head.set.len() != 64 || !hex(head.set) {
        return Err(HandedBack);
    }
    if !head.src.is_empty() && !is_source(head.src) {
        return Err(HandedBack);
    }
    Ok(head)
}

/// Scan a string without escapes and return its content.
fn plain<'a>(scanner: &mut Scanner<'a>) -> Outcome<&'a [u8]> {
    let Text { start, end, escaped } = scanner.string()?;
    if escaped {
        Err(HandedBack)
    } else {
        Ok(&scanner.text[start..end])
    }
}

pub(crate) fn is_source(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'/');
    let (Some(topic), Some(partition), Some(offset), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let number = |digits: &[u8], below: u64| {
        !digits.is_empty()
            && digits.len() <= 19
            && (digits.len() == 1 || digits[0] != b'0')
            && digits.iter().all(u8::is_ascii_digit)
            && std::str::from_utf8(digits).is_ok_and(|text| text.parse::<u64>().is_ok_and(|value| value < below))
    };
    (1..=249).contains(&topic.len())
        && topic.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && number(partition, 1 << 31)
        && number(offset, 1 << 63)
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

/// Open one event of a known session.
///
/// # Errors
/// It is of another session, or whatever is unusual, which includes all that a reader must refuse.
pub fn open(raw: &[u8], known: &Known) -> Outcome<Opened> {
    guarded(|| judge(raw, known))
}

fn judge(raw: &[u8], known: &Known) -> Outcome<Opened> {
    let policy = known.policy.as_ref();
    let mut walk = Walk::new(Scanner::checked(raw)?, policy);
    walk.run(LEVELS)?;
    let head = head_of(&raw[walk.top.aegis.clone().ok_or(HandedBack)?])?;
    if head.dek != known.dek.as_bytes()
        || head.kem != known.kem.as_bytes()
        || head.by != known.by.as_bytes()
        || head.sig != known.sig.as_bytes()
    {
        return Err(HandedBack);
    }
    let mut fields = Vec::with_capacity(walk.targets.len());
    for target in &walk.targets {
        fields.push(field_of(&raw[target.span.clone()])?);
    }
    let at = fields.first().map_or(&b""[..], |field| field.at);
    if fields.iter().any(|field| field.dek != head.dek || field.at != at) || !(at.is_empty() || is_timestamp(at)) {
        return Err(HandedBack);
    }

    let mut own_id = Vec::new();
    let mut bound = Vec::with_capacity(128);
    binding(&mut bound, head.id, head.src, &event_id(&walk, raw, policy, &mut own_id))?;
    let mut aad = Vec::with_capacity(256);
    lp(&mut aad, b"aegis-stream/v1/field")?;
    lp(&mut aad, head.dek)?;
    aad.extend_from_slice(&bound);
    lp(&mut aad, at)?;
    let prefix = aad.len();
    let mut ours = hmac::Context::with_key(&known.keys.commitment);
    ours.update(&aad);

    let mut out = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut copied = walk.top.object.start;
    let mut commitments = Vec::with_capacity(fields.len());
    // Large enough for any field, so that it never moves and leaves a copy of a plaintext behind.
    let largest = fields.iter().map(|field| field.ciphertext.len()).max().unwrap_or(0);
    let mut blob = Zeroizing::new(Vec::with_capacity(largest));
    for (index, (target, field)) in walk.targets.iter().zip(&fields).enumerate() {
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
        if !same(mac.sign().as_ref(), &field.committed) {
            return Err(HandedBack);
        }
        commitments.push(field.committed);
        out.extend_from_slice(&raw[copied..target.span.start]);
        copied = target.span.end;
        value(text, kind, &mut out)?;
    }
    if walk.top.aegis_after >= fields.len() {
        cut(&mut out, raw, &mut copied, &walk.top.aegis_cut);
    }
    out.extend_from_slice(&raw[copied..=walk.top.object.end]);
    let tag = set_tag(&known.keys, head.dek, &bound, &walk, &commitments)?;
    if unhex32(head.set).is_none_or(|set| !same(&set, tag.as_ref())) {
        return Err(HandedBack);
    }
    let source = (!head.src.is_empty()).then(|| String::from_utf8_lossy(head.src).into_owned());
    Ok(Opened { event: std::mem::take(&mut *out), source })
}

/// Copy up to a span and step over it.
fn cut(out: &mut Vec<u8>, raw: &[u8], copied: &mut usize, span: &std::ops::Range<usize>) {
    out.extend_from_slice(&raw[*copied..span.start]);
    *copied = span.end;
}

/// Judge the shape of an encrypted field.
fn field_of(text: &[u8]) -> Outcome<Field<'_>> {
    if text[0] != b'{' {
        return Err(HandedBack);
    }
    let mut scanner = Scanner::new(text);
    let mut field = Field { dek: b"", ciphertext: b"", committed: [0; 32], at: b"" };
    let mut seen = 0_u8;
    scanner.members(1, &mut |scanner, _| {
        let name = scanner.name()?;
        match name {
            b"_encrypted" => {
                if scanner.peek() != Some(b't') {
                    return Err(HandedBack);
                }
                scanner.scalar()?;
                mark(&mut seen, 1)
            }
            b"_algorithm" => {
                if plain(scanner)? != ALG.as_bytes() {
                    return Err(HandedBack);
                }
                mark(&mut seen, 2)
            }
            b"_dek_version" => {
                field.dek = plain(scanner)?;
                mark(&mut seen, 4)
            }
            b"_ciphertext" => {
                field.ciphertext = plain(scanner)?;
                mark(&mut seen, 8)
            }
            b"_plaintext_hash" => {
                field.committed = unhex32(plain(scanner)?).ok_or(HandedBack)?;
                mark(&mut seen, 16)
            }
            b"_encrypted_at" => {
                field.at = plain(scanner)?;
                mark(&mut seen, 32)
            }
            _ => Err(HandedBack),
        }
    })?;
    if seen == 63 && !field.at.is_empty() {
        Ok(field)
    } else {
        Err(HandedBack)
    }
}

fn mark(seen: &mut u8, bit: u8) -> Outcome<()> {
    if *seen & bit != 0 {
        return Err(HandedBack);
    }
    *seen |= bit;
    Ok(())
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

/// `YYYY-MM-DDTHH:MM:SSZ`, in the calendar.
pub(crate) fn is_timestamp(text: &[u8]) -> bool {
    const FORM: &[u8; 20] = b"dddd-dd-ddTdd:dd:ddZ";
    if text.len() != FORM.len()
        || !text.iter().zip(FORM).all(|(byte, form)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form })
    {
        return false;
    }
    let number =
        |from: usize, to: usize| text[from..to].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    year >= 1 && (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60
}

/// Where `crypto::HEAD` ends a blob's head there is at least a tag behind it.
const _: () = assert!(BLOB_MIN == crypto::HEAD + crypto::TAG);
