//! The hot path of aegis-stream in native code.
//!
//! It decides nothing: the policy, the sessions' keys, the limits and who may be read come from Python, and whatever
//! is unusual (a refusal of any kind, an escaped name, a session not met before) is handed back, so that the engine
//! written in Python gives every reason.  What it accepts, it must accept exactly as that engine does.
//!
//! The format: docs/wire-format.md.

pub mod crypto;
pub mod fields;
pub mod json;
pub mod open;
pub mod pieces;
pub mod policy;
pub mod protect;
#[cfg(feature = "python")]
mod python;
pub mod random;
pub mod room;
#[cfg(test)]
mod tests;
pub mod usual;
pub mod walk;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an event is handed back: the engine in Python judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedBack;

/// How often work panicked: an event that is handed back for it looks like any other, and tests must tell the two apart.
pub static PANICS: AtomicU64 = AtomicU64::new(0);

pub type Outcome<T> = Result<T, HandedBack>;

/// Do a piece of work; one that panics is handed back too, so that a fault of this crate costs time and no event.
///
/// What the work leaves half done must be made good by the caller.  The panic itself is told on standard error, by its
/// place in the source; this crate's own messages quote no text of an event.
///
/// # Errors
/// The work says so, or panics.
pub fn guarded<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        Err(HandedBack)
    })
}
