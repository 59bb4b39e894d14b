//! A reader's side.

use super::{pieces, refused, tuple_new, PyPolicy};
use crate::crypto::Keys;
use crate::open::{head_of, open, session_of, Known};
use crate::pieces::in_pieces;
use crate::room::Room;
use crate::{guarded, HandedBack, Outcome};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

/// A reader's sessions: those that Python has derived and judged.
#[pyclass(name = "ReaderSessions", frozen)]
pub(super) struct PyReaderSessions(RwLock<Arc<Sessions>>);

/// By the text of the encapsulation.
type Sessions = HashMap<String, Vec<Arc<Known>>>;

impl PyReaderSessions {
    /// The sessions as they are now.  No lock is held afterwards: who waits for the interpreter's must hold no other.
    fn known(&self) -> PyResult<Arc<Sessions>> {
        Ok(self.0.read().map_err(|_| PyValueError::new_err("a call before this one panicked"))?.clone())
    }
}

#[pymethods]
impl PyReaderSessions {
    #[new]
    fn new() -> Self {
        PyReaderSessions(RwLock::default())
    }

    /// Add a session.
    #[allow(clippy::too_many_arguments)]
    fn add(&self, dek: String, kem: String, by: String, sig: String, okm: &[u8], policy: &PyPolicy) -> PyResult<()> {
        let keys = Keys::new(okm).map_err(refused("a session has 96 bytes of keys"))?;
        let known = Arc::new(Known::new(dek, kem.clone(), by, sig, keys, policy.0.clone()));
        let mut all = self.0.write().map_err(|_| PyValueError::new_err("a call before this one panicked"))?;
        Arc::make_mut(&mut all).entry(kem).or_default().push(known);
        Ok(())
    }

    /// Forget all sessions.
    fn clear(&self) -> PyResult<()> {
        *self.0.write().map_err(|_| PyValueError::new_err("a call before this one panicked"))? = Arc::default();
        Ok(())
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.known()?.values().map(Vec::len).sum())
    }
}

/// Find the session of an event among those known.
fn find(all: &Sessions, raw: &[u8]) -> Outcome<Arc<Known>> {
    let text = session_of(raw)?;
    let head = head_of(&text)?;
    let kem = std::str::from_utf8(head.kem).map_err(|_| HandedBack)?;
    all.get(kem)
        .into_iter()
        .flatten()
        .find(|known| {
            head.dek == known.dek.as_bytes() && head.by == known.by.as_bytes() && head.sig == known.sig.as_bytes()
        })
        .cloned()
        .ok_or(HandedBack)
}

/// Open events; None in the place of each that is handed back.
///
/// loads: parses an event's text.  result: the class of results, a named tuple (event, DEK version, source or None).
/// Returns (results, how many were handed back).
#[pyfunction]
#[pyo3(signature = (sessions, raw, *, loads, result, threads))]
#[allow(clippy::needless_pass_by_value)]
pub(super) fn open_batch<'py>(
    py: Python<'py>,
    sessions: &PyReaderSessions,
    raw: Vec<PyBackedBytes>,
    loads: &Bound<'py, PyAny>,
    result: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let all = sessions.known()?;
    let inputs: Vec<&[u8]> = raw.iter().map(|one| &one[..]).collect();
    let pieces = pieces(&inputs, threads);
    // The session that the next piece begins with; it lives for one call, so that what is forgotten is not used again.
    let hint = Mutex::new(all.values().flatten().next().cloned());
    let new = tuple_new(py)?;
    let results = PyList::empty(py);
    let mut left = 0;
    let mut version: Option<(Arc<Known>, Bound<'py, PyString>)> = None;
    in_pieces(
        pieces.len(),
        threads,
        |piece| {
            let mut room = Room::default();
            let mut last = hint.lock().ok().and_then(|hint| hint.clone());
            let opened = pieces[piece]
                .iter()
                .map(|one| {
                    // Most events are of the session of the one before.
                    if let Some(known) = &last {
                        if let Ok(opened) = open(one, known, &mut room) {
                            return Ok((opened, known.clone()));
                        }
                    }
                    let known = guarded(|| find(&all, one))?;
                    let opened = open(one, &known, &mut room)?;
                    last = Some(known.clone());
                    Ok((opened, known))
                })
                .collect::<Vec<Outcome<_>>>();
            if let Ok(mut hint) = hint.lock() {
                *hint = last;
            }
            opened
        },
        |work| py.detach(work),
        |opened| -> PyResult<()> {
            for one in opened {
                let Ok((opened, known)) = one else {
                    left += 1;
                    results.append(py.None())?;
                    continue;
                };
                if !version.as_ref().is_some_and(|(same, _)| Arc::ptr_eq(same, &known)) {
                    version = Some((known.clone(), PyString::new(py, &known.dek)));
                }
                let version = version.as_ref().map(|(_, text)| text);
                let event = loads.call1((PyBytes::new(py, &opened.event),))?;
                results.append(new.call1((result, (event, version, opened.source)))?)?;
            }
            Ok(())
        },
    )?;
    Ok((results, left))
}
