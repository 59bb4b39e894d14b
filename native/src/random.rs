//! Random bytes from the operating system, in larger pieces.

use crate::crypto::NONCE;
use crate::protect::ID;
use crate::{HandedBack, Outcome};
use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes are drawn from the operating system for this many events at once, if each has as many fields.
const EVENTS: usize = 16;
const FIELDS: usize = 12;

/// Random bytes in larger pieces, none used twice; lives for one call, so a fork cannot repeat it.
pub struct Random {
    system: SystemRandom,
    /// How many bytes are drawn at once.
    draw: usize,
    piece: Vec<u8>,
    used: usize,
}

impl Random {
    /// For a piece of so many events.
    #[must_use]
    pub fn new(events: usize) -> Self {
        let draw = events.min(EVENTS) * (ID + NONCE * FIELDS);
        Random { system: SystemRandom::new(), draw, piece: Vec::new(), used: 0 }
    }

    /// Fill with fresh bytes.
    ///
    /// # Errors
    /// The operating system has none.
    pub fn fill(&mut self, out: &mut [u8]) -> Outcome<()> {
        if out.len() > self.draw / 4 {
            return self.system.fill(out).map_err(|_| HandedBack);
        }
        if self.piece.len() - self.used < out.len() {
            self.piece.resize(self.draw, 0);
            self.system.fill(&mut self.piece).map_err(|_| HandedBack)?;
            self.used = 0;
        }
        out.copy_from_slice(&self.piece[self.used..self.used + out.len()]);
        self.used += out.len();
        Ok(())
    }
}
