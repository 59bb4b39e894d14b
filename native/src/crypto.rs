//! The keys of a session and what is done with them.

use crate::{HandedBack, Outcome};
use ring::{aead, hmac};

pub const ALG: &str = "x25519+ml-kem-768+aes-256-gcm";
pub const LAYOUT: u8 = 0x11;
pub const STRING: u8 = b's';
pub const JSON: u8 = b'j';
pub const NONCE: usize = 12;
pub const TAG: usize = 16;
/// Layout, type and nonce.
pub const HEAD: usize = 2 + NONCE;
pub const OKM: usize = 96;

pub struct Keys {
    aead: aead::LessSafeKey,
    pub commitment: hmac::Key,
    pub set: hmac::Key,
}

impl Keys {
    /// Split field key ‖ commitment key ‖ set key; ring keeps them, and gives no way to read them.
    ///
    /// # Errors
    /// There are not 96 bytes.
    pub fn new(okm: &[u8]) -> Outcome<Self> {
        if okm.len() != OKM {
            return Err(HandedBack);
        }
        let field = aead::UnboundKey::new(&aead::AES_256_GCM, &okm[..32]).map_err(|_| HandedBack)?;
        Ok(Keys {
            aead: aead::LessSafeKey::new(field),
            commitment: hmac::Key::new(hmac::HMAC_SHA256, &okm[32..64]),
            set: hmac::Key::new(hmac::HMAC_SHA256, &okm[64..]),
        })
    }

    /// Encrypt what stands in `blob` behind its head (layout, type, nonce) in place and append the tag.
    ///
    /// # Errors
    /// The plaintext is longer than AES-GCM takes.
    pub fn seal(&self, blob: &mut Vec<u8>, aad: &[u8]) -> Outcome<()> {
        let nonce = aead::Nonce::try_assume_unique_for_key(&blob[2..HEAD]).map_err(|_| HandedBack)?;
        let tag = self
            .aead
            .seal_in_place_separate_tag(nonce, aead::Aad::from(aad), &mut blob[HEAD..])
            .map_err(|_| HandedBack)?;
        blob.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Decrypt a blob in place and return the plaintext.
    ///
    /// # Errors
    /// The tag is wrong.
    pub fn open<'a>(&self, blob: &'a mut [u8], aad: &[u8]) -> Outcome<&'a [u8]> {
        let (head, body) = blob.split_at_mut(HEAD);
        let nonce = aead::Nonce::try_assume_unique_for_key(&head[2..]).map_err(|_| HandedBack)?;
        let text = self.aead.open_in_place(nonce, aead::Aad::from(aad), body).map_err(|_| HandedBack)?;
        Ok(text)
    }
}

/// Append a 2-byte length, then the value.
///
/// # Errors
/// The length does not fit.
pub fn lp(out: &mut Vec<u8>, value: &[u8]) -> Outcome<()> {
    let length = u16::try_from(value.len()).map_err(|_| HandedBack)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// The member `event_id` of an event as published.
pub enum EventId<'a> {
    Absent,
    Hidden,
    Public(&'a [u8]),
}

/// Append LP(id) ‖ LP(src) ‖ u8(1) ‖ LP(`event_id`), or u8(2) or u8(0) at the end.
///
/// # Errors
/// A length does not fit.
pub fn binding(out: &mut Vec<u8>, id: &[u8], src: &[u8], event_id: &EventId) -> Outcome<()> {
    lp(out, id)?;
    lp(out, src)?;
    match event_id {
        EventId::Absent => out.push(0),
        EventId::Hidden => out.push(2),
        EventId::Public(text) => {
            out.push(1);
            lp(out, text)?;
        }
    }
    Ok(())
}

/// A key's length, a commitment's and a set tag's.
pub const HASH: usize = 32;

/// Write the hex digits of a value, two a byte, in a time that does not depend on it.
#[inline]
pub fn hex(digits: &mut [u8], raw: &[u8]) {
    for (pair, byte) in digits.chunks_exact_mut(2).zip(raw) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 15);
    }
}

#[inline]
const fn digit(value: u8) -> u8 {
    value + b'0' + (value > 9) as u8 * (b'a' - b'9' - 1)
}

/// The hex digits of 32 bytes.
#[must_use]
pub fn hex_of(raw: &[u8; HASH]) -> [u8; 2 * HASH] {
    let mut digits = [0; 2 * HASH];
    hex(&mut digits, raw);
    digits
}

/// Tell whether a text is the lower-case hex of 32 bytes, without telling by the time taken where they differ.
#[must_use]
pub fn is_hex_of(text: &[u8], raw: &[u8; HASH]) -> bool {
    same(text, &hex_of(raw))
}

/// Compare without telling by the time taken where two values differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
