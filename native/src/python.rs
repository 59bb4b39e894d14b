//! What Python sees.

mod reader;
mod writer;

use crate::policy::Policy;
use crate::protect::ID;
use crate::HandedBack;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;

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

/// Events that one thread takes at a time where several work.
const PIECE: usize = 4;

/// A batch in pieces: the whole as one where one thread works.
fn pieces<I>(inputs: &[I], threads: usize) -> Vec<&[I]> {
    inputs.chunks(if threads > 1 { PIECE } else { inputs.len().max(1) }).collect()
}

/// `tuple.__new__`: a named tuple's own way to be made takes three times as long.
fn tuple_new(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.get_type::<PyTuple>().getattr("__new__")
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
    module.add_class::<writer::PyWriterSession>()?;
    module.add_class::<reader::PyReaderSessions>()?;
    module.add_function(wrap_pyfunction!(writer::protect_batch, module)?)?;
    module.add_function(wrap_pyfunction!(reader::open_batch, module)?)?;
    module.add_function(wrap_pyfunction!(panics, module)?)?;
    module.add_function(wrap_pyfunction!(panic_on_purpose, module)?)?;
    Ok(())
}
