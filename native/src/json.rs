//! A strict scanner of JSON text: it validates, and gives spans of the text instead of values.

use crate::{HandedBack, Outcome};
use memchr::memchr;
use std::collections::HashSet;

/// Members of an object up to which names are compared pairwise; beyond, they are hashed.
const FEW: usize = 24;

/// A string's content between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    pub start: usize,
    pub end: usize,
    pub escaped: bool,
}

pub struct Scanner<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

/// The names of one object, to find two that are equal.
pub struct Names<'a> {
    few: [&'a [u8]; FEW],
    len: usize,
    many: Option<HashSet<&'a [u8]>>,
}

impl<'a> Names<'a> {
    #[must_use]
    pub fn new() -> Self {
        Names { few: [&[]; FEW], len: 0, many: None }
    }

    /// Add a name; false where it was there before.
    pub fn add(&mut self, name: &'a [u8]) -> bool {
        if let Some(many) = &mut self.many {
            return many.insert(name);
        }
        if self.few[..self.len].contains(&name) {
            return false;
        }
        if self.len == FEW {
            let mut many: HashSet<&[u8]> = self.few.iter().copied().collect();
            many.insert(name);
            self.many = Some(many);
        } else {
            self.few[self.len] = name;
            self.len += 1;
        }
        true
    }
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes that are looked at together once a string is longer than a name.
const LONG: usize = 32;

const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Not zero in its high bits where one of eight bytes is a quote, a backslash or a control character.
#[inline]
fn special(chunk: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quote = chunk ^ (ONES * u64::from(b'"'));
    let slash = chunk ^ (ONES * u64::from(b'\\'));
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let slashes = slash.wrapping_sub(ONES) & !slash;
    let controls = chunk.wrapping_sub(ONES * 0x20) & !chunk;
    quotes | slashes | controls
}

/// Tell whether a piece of a text, a multiple of eight bytes long, has a special byte.
#[inline]
fn has_special(piece: &[u8]) -> bool {
    let found = piece
        .chunks_exact(8)
        .filter_map(|chunk| chunk.try_into().ok())
        .fold(0, |found, chunk| found | special(u64::from_le_bytes(chunk)));
    found & HIGHS != 0
}

impl<'a> Scanner<'a> {
    /// Begin at the first byte.  The text must be UTF-8; `checked` sees to it.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, at: 0 }
    }

    /// Begin at the first byte of a text that is UTF-8.
    ///
    /// # Errors
    /// It is not.
    pub fn checked(text: &'a [u8]) -> Outcome<Self> {
        simdutf8::basic::from_utf8(text).map_err(|_| HandedBack)?;
        Ok(Scanner::new(text))
    }

    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Step over one byte.
    ///
    /// # Errors
    /// Another byte stands there.
    pub fn expect(&mut self, byte: u8) -> Outcome<()> {
        if self.peek() != Some(byte) {
            return Err(HandedBack);
        }
        self.at += 1;
        Ok(())
    }

    /// Step over one byte if it stands there.
    pub fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &[u8]) -> Outcome<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(HandedBack);
        }
        self.at += word.len();
        Ok(())
    }

    /// Scan a string, its quotes included.
    ///
    /// # Errors
    /// It is none: a control character, an unknown escape, a lone surrogate, no end.
    pub fn string(&mut self) -> Outcome<Text> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(Text { start, end, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return Err(HandedBack),
            }
        }
    }

    /// Step to the next special byte, or to where fewer than eight bytes are left.
    #[inline]
    fn plain(&mut self) {
        while let Some(chunk) = self.text[self.at..].first_chunk::<8>() {
            let found = special(u64::from_le_bytes(*chunk)) & HIGHS;
            if found != 0 {
                // Exact for the first of them: a wrong bit can only stand above a right one.
                self.at += found.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
            while self.text.get(self.at..self.at + LONG).is_some_and(|piece| !has_special(piece)) {
                self.at += LONG;
            }
        }
    }

    /// Step over one escape; a surrogate must be the first of a pair.
    fn escape(&mut self) -> Outcome<()> {
        self.expect(b'\\')?;
        let kind = self.peek().ok_or(HandedBack)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let unit = self.hex4()?;
                if (0xdc00..0xe000).contains(&unit) {
                    return Err(HandedBack);
                }
                if (0xd800..0xdc00).contains(&unit) {
                    self.word(b"\\u")?;
                    if !(0xdc00..0xe000).contains(&self.hex4()?) {
                        return Err(HandedBack);
                    }
                }
                Ok(())
            }
            _ => Err(HandedBack),
        }
    }

    fn hex4(&mut self) -> Outcome<u32> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(HandedBack)?;
        let mut unit = 0;
        for digit in digits {
            unit = unit * 16 + (*digit as char).to_digit(16).ok_or(HandedBack)?;
        }
        self.at += 4;
        Ok(unit)
    }

    fn digits(&mut self) -> Outcome<usize> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(HandedBack)
        } else {
            Ok(self.at - start)
        }
    }

    /// Scan a number: an integer within -2^63 … 2^64-1, or a finite binary64.
    fn number(&mut self) -> Outcome<()> {
        let start = self.at;
        self.take(b'-');
        let first = self.peek();
        let integer = self.digits()?;
        if first == Some(b'0') && integer > 1 {
            return Err(HandedBack);
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        if whole && integer <= 18 {
            return Ok(());
        }
        let spelling = std::str::from_utf8(&self.text[start..self.at]).map_err(|_| HandedBack)?;
        let fits = if whole {
            let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
            integer <= 20 && spelling.parse::<i128>().is_ok_and(|value| range.contains(&value))
        } else {
            spelling.parse::<f64>().is_ok_and(f64::is_finite)
        };
        if fits {
            Ok(())
        } else {
            Err(HandedBack)
        }
    }

    /// Scan a value that is neither object nor array.
    ///
    /// # Errors
    /// It is none.
    pub fn scalar(&mut self) -> Outcome<()> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Scan a member's name and its colon; the name comes as it stands in the text.
    ///
    /// # Errors
    /// None stands there, or it is escaped: then the engine in Python reads the event.
    pub fn name(&mut self) -> Outcome<&'a [u8]> {
        let name = self.string()?;
        if name.escaped {
            return Err(HandedBack);
        }
        self.blank();
        self.expect(b':')?;
        self.blank();
        Ok(&self.text[name.start..name.end])
    }

    /// Scan any value, with at most `left` levels of objects and arrays in it.
    ///
    /// # Errors
    /// It is none, is nested deeper, or has two members of one name.
    pub fn value(&mut self, left: usize) -> Outcome<()> {
        match self.peek() {
            Some(b'{') => {
                let mut names = Names::new();
                self.members(left, &mut |scanner, left| {
                    let name = scanner.name()?;
                    if !names.add(name) {
                        return Err(HandedBack);
                    }
                    scanner.value(left)
                })
            }
            Some(b'[') => self.elements(left, &mut |scanner, left| scanner.value(left)),
            _ => self.scalar(),
        }
    }

    /// Scan an object; `member` scans one member, its name included.
    ///
    /// # Errors
    /// It is none, no level is left, or `member` says so.
    pub fn members(&mut self, left: usize, member: &mut dyn FnMut(&mut Self, usize) -> Outcome<()>) -> Outcome<()> {
        self.expect(b'{')?;
        self.list(left, b'}', member)
    }

    /// Scan an array; `element` scans one element.
    ///
    /// # Errors
    /// It is none, no level is left, or `element` says so.
    pub fn elements(&mut self, left: usize, element: &mut dyn FnMut(&mut Self, usize) -> Outcome<()>) -> Outcome<()> {
        self.expect(b'[')?;
        self.list(left, b']', element)
    }

    fn list(&mut self, left: usize, end: u8, one: &mut dyn FnMut(&mut Self, usize) -> Outcome<()>) -> Outcome<()> {
        let left = left.checked_sub(1).ok_or(HandedBack)?;
        self.blank();
        if self.take(end) {
            return Ok(());
        }
        loop {
            one(self, left)?;
            self.blank();
            if self.take(end) {
                return Ok(());
            }
            self.expect(b',')?;
            self.blank();
        }
    }

    /// See that nothing but blanks is left.
    ///
    /// # Errors
    /// Something is.
    pub fn end(&mut self) -> Outcome<()> {
        self.blank();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(HandedBack)
        }
    }
}

/// Append a string's content, its escapes resolved.  It was scanned, so its escapes are right.
pub fn unescape(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    while let Some(slash) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..slash]);
        let kind = rest[slash + 1];
        rest = &rest[slash + 2..];
        match kind {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut code = unit(rest);
                rest = &rest[4..];
                if (0xd800..0xdc00).contains(&code) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (unit(&rest[2..]) - 0xdc00);
                    rest = &rest[6..];
                }
                let mut room = [0; 4];
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

fn unit(digits: &[u8]) -> u32 {
    digits[..4].iter().fold(0, |sum, digit| sum * 16 + (*digit as char).to_digit(16).unwrap_or(0))
}

/// Append a text as a JSON string, its quotes included.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let mut clean = 0;
    // Without a way out the look goes over many bytes at once, and most texts have none to be escaped.
    if text.iter().fold(false, |found, byte| found | special(*byte)) {
        for (at, byte) in text.iter().enumerate().filter(|(_, byte)| special(**byte)) {
            out.extend_from_slice(&text[clean..at]);
            clean = at + 1;
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                other => {
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&[hex_digit(other >> 4), hex_digit(other & 15)]);
                }
            }
        }
    }
    out.extend_from_slice(&text[clean..]);
    out.push(b'"');
}

#[must_use]
pub fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

/// Append a value without the blanks between its tokens.  It was scanned.
pub fn compact(value: &[u8], out: &mut Vec<u8>) {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    // Without a way out the look goes over many bytes at once.
    if !value.iter().fold(false, |found, byte| found | blank(*byte)) {
        out.extend_from_slice(value);
        return;
    }
    let (mut inside, mut escaped) = (false, false);
    for byte in value {
        if inside {
            out.push(*byte);
            if escaped {
                escaped = false;
            } else if *byte == b'\\' {
                escaped = true;
            } else if *byte == b'"' {
                inside = false;
            }
        } else if !blank(*byte) {
            inside = *byte == b'"';
            out.push(*byte);
        }
    }
}
