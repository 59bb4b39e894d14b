//! A writer's side.

use super::{pieces, refused, tuple_new, PyPolicy};
use crate::crypto::Keys;
use crate::pieces::in_pieces;
use crate::protect::{protect, Limits, Made, Session};
use crate::random::Random;
use crate::Outcome;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList};
use std::collections::HashMap;
use std::sync::Mutex;

/// A writer's session, with the room in which the outputs of its batches are made.
#[pyclass(name = "WriterSession", frozen)]
pub(super) struct PyWriterSession(Session, Mutex<Vec<Made>>);

#[pymethods]
impl PyWriterSession {
    /// okm: 96 bytes.  head: `_aegis` up to the value of `id`.
    #[new]
    fn new(okm: &[u8], dek_version: String, head: &[u8]) -> PyResult<Self> {
        let keys = Keys::new(okm).map_err(refused("a session has 96 bytes of keys"))?;
        Ok(PyWriterSession(Session::new(keys, head.to_vec(), dek_version), Mutex::default()))
    }
}

/// The largest room for outputs that is kept for the next batch.
const ROOM: usize = 64 << 20;

/// How many rooms are kept; all but one are of at most `ROOM` / `ROOMS` bytes.
const ROOMS: usize = 32;

/// What one piece of a batch gave: where each event ends in what was made, or that it is handed back.
struct Part {
    ends: Vec<Outcome<usize>>,
    made: Made,
    fields: u64,
    plaintext_bytes: u64,
}

impl PyWriterSession {
    /// Room for outputs, which a piece before this one may have left.
    fn room(&self) -> Made {
        let mut made = self.1.lock().ok().and_then(|mut rooms| rooms.pop()).unwrap_or_default();
        made.text.clear();
        made.by_label.clear();
        made
    }

    /// Keep room for a piece after this one: one of any usual size, and some for pieces.
    fn keep(&self, made: Made) {
        if let Ok(mut rooms) = self.1.lock() {
            if made.text.capacity() <= if rooms.is_empty() { ROOM } else { ROOM / ROOMS } && rooms.len() < ROOMS {
                rooms.push(made);
            }
        }
    }
}

/// Protect events; None in the place of each that is handed back.
///
/// result: the class of results, a named tuple (value, rest).
/// Returns (results, how many were handed back, fields by label, fields, plaintext bytes).
#[pyfunction]
#[pyo3(signature = (policy, session, raw, sources, at, *, result, rest, output_bytes, fields, plaintext_bytes, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value, clippy::type_complexity)]
pub(super) fn protect_batch<'py>(
    py: Python<'py>,
    policy: &PyPolicy,
    session: &PyWriterSession,
    raw: Vec<PyBackedBytes>,
    sources: Option<Vec<PyBackedStr>>,
    at: &str,
    result: &Bound<'py, PyAny>,
    rest: &Bound<'py, PyAny>,
    output_bytes: usize,
    fields: u64,
    plaintext_bytes: u64,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, usize, HashMap<u32, u64>, u64, u64)> {
    if sources.as_ref().is_some_and(|sources| sources.len() != raw.len()) {
        return Err(PyValueError::new_err("each event has one source"));
    }
    let inputs: Vec<(&[u8], &[u8])> = raw
        .iter()
        .enumerate()
        .map(|(index, one)| (&one[..], sources.as_ref().map_or(&b""[..], |all| all[index].as_bytes())))
        .collect();
    let pieces = pieces(&inputs, threads);
    // Each piece has its share of what the session may still encrypt.
    let shares = pieces.len().max(1) as u64;
    let share = Limits { output_bytes, fields: fields / shares, plaintext_bytes: plaintext_bytes / shares };
    let new = tuple_new(py)?;
    let results = PyList::empty(py);
    let mut by_label: HashMap<u32, u64> = HashMap::new();
    let (mut left, mut used_fields, mut used_bytes) = (0, 0, 0);
    in_pieces(
        pieces.len(),
        threads,
        |piece| {
            let mut random = Random::new(pieces[piece].len());
            let mut limits = share;
            let mut made = session.room();
            let ends = pieces[piece]
                .iter()
                .map(|(one, src)| {
                    protect(one, &policy.0, &session.0, src, at.as_bytes(), &mut limits, &mut made, &mut |out| {
                        random.fill(out)
                    })
                })
                .collect();
            let (fields, plaintext_bytes) =
                (share.fields - limits.fields, share.plaintext_bytes - limits.plaintext_bytes);
            Part { ends, made, fields, plaintext_bytes }
        },
        |work| py.detach(work),
        |part| -> PyResult<()> {
            let mut start = 0;
            for end in part.ends {
                if let Ok(end) = end {
                    let value = PyBytes::new(py, &part.made.text[start..end]);
                    results.append(new.call1((result, (value, rest)))?)?;
                    start = end;
                } else {
                    left += 1;
                    results.append(py.None())?;
                }
            }
            for (label, count) in (0_u32..).zip(&part.made.by_label) {
                *by_label.entry(label).or_default() += count;
            }
            used_fields += part.fields;
            used_bytes += part.plaintext_bytes;
            session.keep(part.made);
            Ok(())
        },
    )?;
    by_label.retain(|_, count| *count > 0);
    Ok((results, left, by_label, used_fields, used_bytes))
}
