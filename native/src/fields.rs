//! The two objects of an encrypted event that are read strictly: `_aegis`, and an encrypted field.

use crate::crypto::ALG;
use crate::json::{Names, Scanner, Text};
use crate::{HandedBack, Outcome};

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

/// An encrypted field, its form checked but for the ciphertext's and the time's.
pub struct Field<'a> {
    pub dek: &'a [u8],
    pub ciphertext: &'a [u8],
    pub committed: &'a [u8],
    pub at: &'a [u8],
}

/// Read `_aegis`.
///
/// # Errors
/// Whatever is unusual.
pub fn head<'a>(scanner: &mut Scanner<'a>) -> Outcome<Head<'a>> {
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
    if !whole || head.id.len() != 32 || !is_hex(head.id) || head.set.len() != 64 || !is_hex(head.set) {
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

pub(crate) fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
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

/// Scan an encrypted field and judge its shape.
///
/// # Errors
/// Whatever is unusual.
pub fn field<'a>(scanner: &mut Scanner<'a>) -> Outcome<Field<'a>> {
    let mut field = Field { dek: b"", ciphertext: b"", committed: b"", at: b"" };
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
                field.committed = plain(scanner)?;
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
