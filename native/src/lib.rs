//! The hot path of aegis-stream in native code.
//!
//! It decides nothing: the policy, the sessions' keys, the limits and who may be read come from Python, and whatever
//! is unusual (a refusal of any kind, an escaped name, a session not met before) is handed back, so that the engine
//! written in Python gives every reason.  What it accepts, it must accept exactly as that engine does.
//!
//! The format: docs/wire-format.md.

pub mod crypto;
pub mod json;
pub mod open;
pub mod policy;
pub mod protect;
pub mod walk;
#[cfg(feature = "python")]
mod python;

/// Why an event is handed back: the engine in Python judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedBack;

pub type Outcome<T> = Result<T, HandedBack>;
