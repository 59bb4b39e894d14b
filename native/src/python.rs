//! What Python sees.

use crate::crypto::Keys;
use crate::open::{head_of, open, session_of, Known};
use crate::policy::Policy;
use crate::protect::{protect, Limits, Made, Session, ID};
use crate::{guarded, HandedBack, Outcome};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList, PyString};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

/// Random bytes are drawn from the operating system in pieces of this size.
const DRAW: usize = 4096;

/// The largest room for outputs that is kept for the next batch.
const ROOM: usize = 64 << 20;

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
    piece: Vec<u8>,
    used: usize,
}

impl Random {
    fn new() -> Self {
        Random { system: SystemRandom::new(), piece: Vec::new(), used: 0 }
    }

    fn fill(&mut self, out: &mut [u8]) -> Outcome<()> {
        if out.len() > DRAW / 4 {
            return self.system.fill(out).map_err(|_| HandedBack);
        }
        if self.piece.len() - self.used < out.len() {
            self.piece.resize(DRAW, 0);
            self.system.fill(&mut self.piece).map_err(|_| HandedBack)?;
            self.used = 0;
        }
        out.copy_from_slice(&self.piece[self.used..self.used + out.len()]);
        self.used += out.len();
        Ok(())
    }
}

/// Run `one` over all inputs, on several threads where asked; the order is kept.
fn spread<I: Sync, R: Send>(inputs: &[I], threads: usize, one: impl Fn(&[I]) -> Vec<R> + Sync) -> Vec<R> {
    let threads = threads.clamp(1, inputs.len().max(1));
    if threads == 1 {
        return one(inputs);
    }
    let (own, others) = inputs.split_at(inputs.len().div_ceil(threads));
    let piece = others.len().div_ceil(threads - 1).max(1);
    std::thread::scope(|scope| {
        let one = &one;
        let running: Vec<_> = others
            .chunks(piece)
            .map(|part| (part, std::thread::Builder::new().spawn_scoped(scope, move || one(part))))
            .collect();
        let mut done = one(own);
        for (part, thread) in running {
            done.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // The system gives no more threads: this one does the work.
                Err(_) => one(part),
            });
        }
        done
    })
}

/// Protect events; None in the place of each that is handed back.
///
/// Returns (values, how many were handed back, fields by label, fields, plaintext bytes).
#[pyfunction]
#[pyo3(signature = (policy, session, raw, sources, at, *, output_bytes, fields, plaintext_bytes, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value, clippy::type_complexity)]
fn protect_batch<'py>(
    py: Python<'py>,
    policy: &PyPolicy,
    session: &PyWriterSession,
    raw: Vec<PyBackedBytes>,
    sources: Option<Vec<PyBackedStr>>,
    at: &str,
    output_bytes: usize,
    fields: u64,
    plaintext_bytes: u64,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, usize, HashMap<u32, u64>, u64, u64)> {
    if sources.as_ref().is_some_and(|sources| sources.len() != raw.len()) {
        return Err(PyValueError::new_err("each event has one source"));
    }
    let workers = threads.clamp(1, raw.len().max(1)) as u64;
    let inputs: Vec<(&[u8], &[u8])> = raw
        .iter()
        .enumerate()
        .map(|(index, one)| (&one[..], sources.as_ref().map_or(&b""[..], |all| all[index].as_bytes())))
        .collect();
    // Each thread has its share of what the session may still encrypt.
    let share = Limits { output_bytes, fields: fields / workers, plaintext_bytes: plaintext_bytes / workers };
    let parts: Vec<Part> = py.detach(|| {
        spread(&inputs, threads, |part| {
            let mut random = Random::new();
            let mut limits = share;
            let mut made = session.1.lock().ok().and_then(|mut rooms| rooms.pop()).unwrap_or_default();
            made.text.clear();
            made.by_label.clear();
            let ends = part
                .iter()
                .map(|(one, src)| {
                    protect(one, &policy.0, &session.0, src, at.as_bytes(), &mut limits, &mut made, &mut |out| {
                        random.fill(out)
                    })
                })
                .collect();
            vec![Part { ends, made, left: limits }]
        })
    });
    let values = PyList::empty(py);
    let mut by_label: HashMap<u32, u64> = HashMap::new();
    let (mut left, mut used_fields, mut used_bytes) = (0, 0, 0);
    for part in parts {
        let mut start = 0;
        for end in part.ends {
            if let Ok(end) = end {
                values.append(PyBytes::new(py, &part.made.text[start..end]))?;
                start = end;
            } else {
                left += 1;
                values.append(py.None())?;
            }
        }
        for (label, count) in (0_u32..).zip(&part.made.by_label) {
            *by_label.entry(label).or_default() += count;
        }
        used_fields += share.fields - part.left.fields;
        used_bytes += share.plaintext_bytes - part.left.plaintext_bytes;
        if let (Ok(mut rooms), true) = (session.1.lock(), part.made.text.capacity() <= ROOM) {
            rooms.push(part.made);
        }
    }
    by_label.retain(|_, count| *count > 0);
    Ok((values, left, by_label, used_fields, used_bytes))
}

/// What one thread did: where each event ends in what was made, or that it is handed back.
struct Part {
    ends: Vec<Outcome<usize>>,
    made: Made,
    left: Limits,
}

/// A reader's sessions: those that Python has derived and judged.
#[pyclass(name = "ReaderSessions", frozen)]
struct PyReaderSessions(RwLock<HashMap<String, Vec<Arc<Known>>>>);

#[pymethods]
impl PyReaderSessions {
    #[new]
    fn new() -> Self {
        PyReaderSessions(RwLock::new(HashMap::new()))
    }

    /// Add a session.
    #[allow(clippy::too_many_arguments)]
    fn add(&self, dek: String, kem: String, by: String, sig: String, okm: &[u8], policy: &PyPolicy) -> PyResult<()> {
        let keys = Keys::new(okm).map_err(refused("a session has 96 bytes of keys"))?;
        let known = Arc::new(Known { dek, kem: kem.clone(), by, sig, keys, policy: policy.0.clone() });
        let mut all = self.0.write().map_err(|_| PyValueError::new_err("a call before this one panicked"))?;
        all.entry(kem).or_default().push(known);
        Ok(())
    }

    /// Forget all sessions.
    fn clear(&self) -> PyResult<()> {
        self.0.write().map_err(|_| PyValueError::new_err("a call before this one panicked"))?.clear();
        Ok(())
    }

    fn __len__(&self) -> PyResult<usize> {
        let all = self.0.read().map_err(|_| PyValueError::new_err("a call before this one panicked"))?;
        Ok(all.values().map(Vec::len).sum())
    }
}

/// Find the session of an event among those known.
fn find(all: &HashMap<String, Vec<Arc<Known>>>, raw: &[u8]) -> Outcome<Arc<Known>> {
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
/// Returns (events, their DEK versions, their sources or None, how many were handed back).
#[pyfunction]
#[pyo3(signature = (sessions, raw, *, threads))]
#[allow(clippy::needless_pass_by_value, clippy::type_complexity)]
fn open_batch<'py>(
    py: Python<'py>,
    sessions: &PyReaderSessions,
    raw: Vec<PyBackedBytes>,
    threads: usize,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>, Bound<'py, PyList>, usize)> {
    let all = sessions.0.read().map_err(|_| PyValueError::new_err("a call before this one panicked"))?;
    let inputs: Vec<&[u8]> = raw.iter().map(|one| &one[..]).collect();
    let all = &*all;
    let results = py.detach(|| {
        spread(&inputs, threads, |part| {
            let mut last: Option<Arc<Known>> = None;
            part.iter()
                .map(|one| {
                    // Most events are of the session of the one before.
                    if let Some(known) = &last {
                        if let Ok(opened) = open(one, known) {
                            return Ok((opened, known.clone()));
                        }
                    }
                    let known = guarded(|| find(all, one))?;
                    let opened = open(one, &known)?;
                    last = Some(known.clone());
                    Ok((opened, known))
                })
                .collect::<Vec<Outcome<_>>>()
        })
    });
    let (events, versions, sources) = (PyList::empty(py), PyList::empty(py), PyList::empty(py));
    let mut left = 0;
    let mut last: Option<(Arc<Known>, Bound<'py, PyString>)> = None;
    for result in results {
        if let Ok((opened, known)) = result {
            let version = match last.take() {
                Some((same, version)) if Arc::ptr_eq(&same, &known) => version,
                _ => PyString::new(py, &known.dek),
            };
            events.append(PyBytes::new(py, &opened.event))?;
            versions.append(&version)?;
            sources.append(opened.source)?;
            last = Some((known, version));
        } else {
            left += 1;
            for list in [&events, &versions, &sources] {
                list.append(py.None())?;
            }
        }
    }
    Ok((events, versions, sources, left))
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
