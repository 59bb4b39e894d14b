//! What Python sees.

use crate::crypto::{Keys, NONCE};
use crate::open::{head_of, open, session_of, Known};
use crate::pieces::in_pieces;
use crate::policy::Policy;
use crate::protect::{protect, Limits, Made, Session, ID};
use crate::room::Room;
use crate::{guarded, HandedBack, Outcome};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList, PyString};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

/// Random bytes are drawn from the operating system for this many events at once, if each has as many fields.
const DRAW_EVENTS: usize = 16;
const DRAW_FIELDS: usize = 12;

/// The largest room for outputs that is kept for the next batch.
const ROOM: usize = 64 << 20;

/// How many rooms are kept; all but one are of at most `ROOM` / `ROOMS` bytes.
const ROOMS: usize = 32;

fn refused(what: &'static str) -> impl FnOnce(HandedBack) -> PyErr {
    move |_| PyValueError::new_err(what)
}

/// A compiled policy.
#[pyclass(name = "Policy", frozen)]
struct PyPolicy(Arc<Policy>);

#[pymethods]
impl PyPolicy {
    /// names: (as compared, label).  pointers: (steps, whether it excludes).
    #[new]
    #[allow(clippy::needless_pass_by_value)] // PyO3 makes it from a list
    #[pyo3(signature = (*, names, excluded, pointers, pointer_label, marker_label, id_is_public))]
    fn new(
        names: Vec<(String, u32)>,
        excluded: Vec<String>,
        pointers: Vec<(Vec<String>, bool)>,
        pointer_label: u32,
        marker_label: u32,
        id_is_public: bool,
    ) -> Self {
        PyPolicy(Arc::new(Policy::new(names, excluded, &pointers, pointer_label, marker_label, id_is_public)))
    }
}

/// A writer's session, with the room in which the outputs of its batches are made.
#[pyclass(name = "WriterSession", frozen)]
struct PyWriterSession(Session, Mutex<Vec<Made>>);

#[pymethods]
impl PyWriterSession {
    /// okm: 96 bytes.  head: `_aegis` up to the value of `id`.
    #[new]
    fn new(okm: &[u8], dek_version: String, head: &[u8]) -> PyResult<Self> {
        let keys = Keys::new(okm).map_err(refused("a session has 96 bytes of keys"))?;
        Ok(PyWriterSession(Session::new(keys, head.to_vec(), dek_version), Mutex::default()))
    }
}

/// Random bytes in larger pieces, none used twice; lives for one call, so a fork cannot repeat it.
struct Random {
    system: SystemRandom,
    /// How many bytes are drawn at once.
    draw: usize,
    piece: Vec<u8>,
    used: usize,
}

impl Random {
    fn new(events: usize) -> Self {
        let draw = events.min(DRAW_EVENTS) * (ID + NONCE * DRAW_FIELDS);
        Random { system: SystemRandom::new(), draw, piece: Vec::new(), used: 0 }
    }

    fn fill(&mut self, out: &mut [u8]) -> Outcome<()> {
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

/// Events that one thread takes at a time where several work.
const PIECE: usize = 4;

/// A batch in pieces: the whole as one where one thread works.
fn pieces<I>(inputs: &[I], threads: usize) -> Vec<&[I]> {
    inputs.chunks(if threads > 1 { PIECE } else { inputs.len().max(1) }).collect()
}

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
/// new(result, (value, rest)) makes a result.
/// Returns (results, how many were handed back, fields by label, fields, plaintext bytes).
#[pyfunction]
#[pyo3(signature = (policy, session, raw, sources, at, *, new, result, rest, output_bytes, fields, plaintext_bytes, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value, clippy::type_complexity)]
fn protect_batch<'py>(
    py: Python<'py>,
    policy: &PyPolicy,
    session: &PyWriterSession,
    raw: Vec<PyBackedBytes>,
    sources: Option<Vec<PyBackedStr>>,
    at: &str,
    new: &Bound<'py, PyAny>,
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

/// A reader's sessions: those that Python has derived and judged.
#[pyclass(name = "ReaderSessions", frozen)]
struct PyReaderSessions(RwLock<Arc<Sessions>>);

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
/// loads: parses an event's text.  new(result, (event, DEK version, source or None)) makes a result.
/// Returns (results, how many were handed back).
#[pyfunction]
#[pyo3(signature = (sessions, raw, *, loads, new, result, threads))]
#[allow(clippy::needless_pass_by_value)]
fn open_batch<'py>(
    py: Python<'py>,
    sessions: &PyReaderSessions,
    raw: Vec<PyBackedBytes>,
    loads: &Bound<'py, PyAny>,
    new: &Bound<'py, PyAny>,
    result: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let all = sessions.known()?;
    let inputs: Vec<&[u8]> = raw.iter().map(|one| &one[..]).collect();
    let pieces = pieces(&inputs, threads);
    // The session that the next piece begins with; it lives for one call, so that what is forgotten is not used again.
    let hint = Mutex::new(all.values().flatten().next().cloned());
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

/// Panic, for the tests that show what becomes of a fault of this crate: `guarded` as every event's work is, or bare.
#[pyfunction]
#[pyo3(name = "_panic", signature = (*, guarded))]
fn panic_on_purpose(py: Python<'_>, guarded: bool) {
    py.detach(|| {
        if guarded {
            let _ = crate::guarded::<()>(|| panic!("on purpose, guarded"));
        } else {
            panic!("on purpose");
        }
    });
}

/// How many events were handed back because the work on them panicked, in this process.
#[pyfunction]
fn panics() -> u64 {
    crate::PANICS.load(std::sync::atomic::Ordering::Relaxed)
}

#[pymodule]
fn aegis_stream_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ID_BYTES", ID)?;
    module.add_class::<PyPolicy>()?;
    module.add_class::<PyWriterSession>()?;
    module.add_class::<PyReaderSessions>()?;
    module.add_function(wrap_pyfunction!(protect_batch, module)?)?;
    module.add_function(wrap_pyfunction!(open_batch, module)?)?;
    module.add_function(wrap_pyfunction!(panics, module)?)?;
    module.add_function(wrap_pyfunction!(panic_on_purpose, module)?)?;
    Ok(())
}
