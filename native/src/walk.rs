//! Finds the sensitive values of an event in its text, in document order.

use crate::fields::{field, head, Field, Head};
use crate::json::{Names, Scanner};
use crate::policy::{Nodes, Policy};
use crate::room::Places;
use crate::usual::Usual;
use crate::{HandedBack, Outcome};
use std::ops::Range;

/// One sensitive value.
pub struct Target {
    /// Where its text stands.
    pub span: Range<usize>,
    /// RFC 6901, in the walk's arena.
    pub path: Range<usize>,
    /// One byte a step, `m` or `i`, in the arena.
    pub kinds: Range<usize>,
    pub label: u32,
}

/// A member at the top whose name is not looked up in the policy.
#[derive(Default)]
pub struct Top {
    /// `event_id`: its value's span.
    pub event_id: Option<Range<usize>>,
    /// `_aegis`: its value's span.
    pub aegis: Option<Range<usize>>,
    /// `_aegis`: what to cut so that it is gone, with one comma.
    pub aegis_cut: Range<usize>,
    /// Targets found before `_aegis`.
    pub aegis_after: usize,
    /// Where the object begins, and where its closing brace stands.
    pub object: Range<usize>,
    pub members: usize,
}

/// `places` must be empty at the beginning.
pub struct Walk<'a, 'p> {
    pub scanner: Scanner<'a>,
    policy: &'p Policy,
    pub places: Places,
    pub top: Top,
    /// What a reader's walk read on its way: a field for each target, and `_aegis`.
    pub read: Option<Read<'a>>,
}

/// The parts of an encrypted event.
pub struct Read<'a> {
    pub fields: Vec<Field<'a>>,
    pub head: Option<Head<'a>>,
    /// The session that is to be expected.
    usual: Option<&'a Usual>,
}

impl<'a> Read<'a> {
    #[inline(never)]
    fn head(&mut self, scanner: &mut Scanner<'a>) -> Outcome<()> {
        let usual = self.usual.and_then(|usual| usual.head(scanner));
        self.head = Some(usual.map_or_else(|| head(scanner), Ok)?);
        Ok(())
    }

    #[inline(never)]
    fn field(&mut self, scanner: &mut Scanner<'a>) -> Outcome<()> {
        let usual = self.usual.and_then(|usual| usual.field(scanner));
        self.fields.push(usual.map_or_else(|| field(scanner), Ok)?);
        Ok(())
    }
}

impl<'a, 'p> Walk<'a, 'p> {
    #[must_use]
    pub fn new(scanner: Scanner<'a>, policy: &'p Policy, places: Places) -> Self {
        Walk { scanner, policy, places, top: Top::default(), read: None }
    }

    /// A walk through an encrypted event, where each sensitive value must be an encrypted field.
    #[must_use]
    pub fn reading(scanner: Scanner<'a>, policy: &'p Policy, usual: Option<&'a Usual>, places: Places) -> Self {
        let read = Read { fields: Vec::with_capacity(16), head: None, usual };
        Walk { read: Some(read), ..Walk::new(scanner, policy, places) }
    }

    #[must_use]
    pub fn path_of(&self, target: &Target) -> &[u8] {
        &self.places.arena[target.path.clone()]
    }

    #[must_use]
    pub fn kinds_of(&self, target: &Target) -> &[u8] {
        &self.places.arena[target.kinds.clone()]
    }

    /// Walk through the whole text, one object of at most `levels` levels.
    ///
    /// # Errors
    /// Whatever is unusual.
    pub fn run(&mut self, levels: usize) -> Outcome<()> {
        self.scanner.blank();
        let start = self.scanner.at;
        let root = self.policy.root();
        self.object(levels, &root)?;
        self.top.object = start..self.scanner.at - 1;
        if let (Some(aegis), true) = (&self.top.aegis, self.top.aegis_cut.is_empty()) {
            // `_aegis` is the only member.
            self.top.aegis_cut.end = aegis.end;
        }
        self.scanner.end()
    }

    /// Walk through an object; tells whether it is marked as an encrypted field.
    fn object(&mut self, left: usize, nodes: &Nodes) -> Outcome<bool> {
        let left = left.checked_sub(1).ok_or(HandedBack)?;
        let is_top = self.places.kinds.is_empty();
        let mut names = Names::new();
        let mut marked = false;
        let mut previous_end = None;
        self.scanner.expect(b'{')?;
        self.scanner.blank();
        if self.scanner.take(b'}') {
            return Ok(false);
        }
        loop {
            let start = self.scanner.at;
            let name = self.scanner.name()?;
            if !names.add(name) {
                return Err(HandedBack);
            }
            marked |= name == b"_encrypted" || name == b"_ciphertext";
            if is_top {
                self.top_member(name, start, left, nodes, &mut previous_end)?;
            } else {
                self.member(name, left, nodes)?;
            }
            self.scanner.blank();
            if self.scanner.take(b'}') {
                return Ok(marked);
            }
            self.scanner.expect(b',')?;
            self.scanner.blank();
        }
    }

    /// A member of the event's own object; its end is left in `previous_end`.
    fn top_member(
        &mut self,
        name: &[u8],
        start: usize,
        left: usize,
        nodes: &Nodes,
        previous_end: &mut Option<usize>,
    ) -> Outcome<()> {
        let value = self.scanner.at;
        if self.top.aegis.is_some() && self.top.aegis_cut.is_empty() {
            // `_aegis` came first: it is cut up to this member.
            self.top.aegis_cut.end = start;
        }
        self.top.members += 1;
        if name == b"_aegis" {
            match &mut self.read {
                Some(read) => read.head(&mut self.scanner)?,
                None => self.scanner.value(left)?,
            }
            self.top.aegis = Some(value..self.scanner.at);
            self.top.aegis_after = self.places.targets.len();
            self.top.aegis_cut = match *previous_end {
                Some(end) => end..self.scanner.at,
                None => start..start,
            };
        } else {
            self.member(name, left, nodes)?;
            if name == b"event_id" {
                self.top.event_id = Some(value..self.scanner.at);
            }
        }
        *previous_end = Some(self.scanner.at);
        Ok(())
    }

    fn member(&mut self, name: &[u8], left: usize, nodes: &Nodes) -> Outcome<()> {
        let after = if nodes.is_empty() { Vec::new() } else { self.policy.advance(nodes, name) };
        let label = self.policy.member(name, &after);
        if label.is_none() && !self.at_container() {
            return self.scanner.scalar();
        }
        let (path, kinds) = (self.places.path.len(), self.places.kinds.len());
        self.places.path.push(b'/');
        if name.iter().fold(false, |found, byte| found | matches!(byte, b'~' | b'/')) {
            for byte in name {
                match byte {
                    b'~' => self.places.path.extend_from_slice(b"~0"),
                    b'/' => self.places.path.extend_from_slice(b"~1"),
                    other => self.places.path.push(*other),
                }
            }
        } else {
            self.places.path.extend_from_slice(name);
        }
        self.places.kinds.push(b'm');
        let done = self.one(label, left, &after);
        self.places.path.truncate(path);
        self.places.kinds.truncate(kinds);
        done
    }

    fn array(&mut self, left: usize, nodes: &Nodes) -> Outcome<()> {
        let left = left.checked_sub(1).ok_or(HandedBack)?;
        self.scanner.expect(b'[')?;
        self.scanner.blank();
        if self.scanner.take(b']') {
            return Ok(());
        }
        let mut index = 0_usize;
        loop {
            let step = index.to_string();
            let after = if nodes.is_empty() { Vec::new() } else { self.policy.advance(nodes, step.as_bytes()) };
            let label = self.policy.element(&after);
            if label.is_none() && !self.at_container() {
                self.scanner.scalar()?;
            } else {
                let (path, kinds) = (self.places.path.len(), self.places.kinds.len());
                self.places.path.push(b'/');
                self.places.path.extend_from_slice(step.as_bytes());
                self.places.kinds.push(b'i');
                self.one(label, left, &after)?;
                self.places.path.truncate(path);
                self.places.kinds.truncate(kinds);
            }
            index += 1;
            self.scanner.blank();
            if self.scanner.take(b']') {
                return Ok(());
            }
            self.scanner.expect(b',')?;
            self.scanner.blank();
        }
    }

    fn at_container(&self) -> bool {
        matches!(self.scanner.peek(), Some(b'{' | b'['))
    }

    /// A value whose place is at the end of `path`: sensitive by its label, marked, or to be walked through.
    fn one(&mut self, label: Option<u32>, left: usize, nodes: &Nodes) -> Outcome<()> {
        let start = self.scanner.at;
        if let Some(label) = label {
            match &mut self.read {
                Some(read) if left > 0 => read.field(&mut self.scanner)?,
                Some(_) => return Err(HandedBack),
                None => self.scanner.value(left)?,
            }
            self.found(start, label);
        } else if self.scanner.peek() == Some(b'{') {
            let (targets, arena) = (self.places.targets.len(), self.places.arena.len());
            if self.object(left, nodes)? {
                // The outermost sensitive value is encrypted whole; what was found inside is a part of it.
                self.places.targets.truncate(targets);
                self.places.arena.truncate(arena);
                if let Some(read) = &mut self.read {
                    read.fields.truncate(targets);
                    read.field(&mut Scanner { text: self.scanner.text, at: start })?;
                }
                self.found(start, self.policy.marker_label);
            }
        } else {
            self.array(left, nodes)?;
        }
        Ok(())
    }

    fn found(&mut self, start: usize, label: u32) {
        let path = self.places.arena.len();
        self.places.arena.extend_from_slice(&self.places.path);
        let kinds = self.places.arena.len();
        self.places.arena.extend_from_slice(&self.places.kinds);
        let end = self.places.arena.len();
        self.places.targets.push(Target { span: start..self.scanner.at, path: path..kinds, kinds: kinds..end, label });
    }
}
