//! What the work on one event fills and the work on the next uses again.
//!
//! A thread that is started for a batch has no memory of its own yet, and asking for a dozen pieces an event would cost
//! it a thirtieth of its time.  No plaintext stands in here: what is decrypted or to be encrypted has a buffer that is
//! wiped.

use crate::crypto::HASH;
use crate::walk::Target;

/// Lost where an event is handed back; then the next one begins with an empty room.
#[derive(Default)]
pub struct Room {
    pub places: Places,
    /// What an event's fields are bound to.
    pub bound: Vec<u8>,
    pub aad: Vec<u8>,
    /// Random bytes: an event's id, then the nonces.
    pub drawn: Vec<u8>,
    pub commitments: Vec<[u8; HASH]>,
    /// The commitments' places in the set tag.
    pub order: Vec<usize>,
}

/// What a walk fills.
#[derive(Default)]
pub struct Places {
    /// In document order.
    pub targets: Vec<Target>,
    /// The targets' paths and kinds.
    pub arena: Vec<u8>,
    /// Where the walk stands.
    pub path: Vec<u8>,
    pub kinds: Vec<u8>,
}

impl Room {
    /// The same room, empty.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        for bytes in [&mut self.bound, &mut self.aad, &mut self.drawn] {
            bytes.clear();
        }
        self.commitments.clear();
        self.order.clear();
        let Places { targets, arena, path, kinds } = &mut self.places;
        targets.clear();
        for bytes in [arena, path, kinds] {
            bytes.clear();
        }
        self
    }
}
