//! Work in pieces: several threads do them while the one that was called takes the results over, in order.
//!
//! Making Python's objects is a third to a half of all time, and only the caller can do it.  So that no thread waits for
//! another, nothing is shared out beforehand: whoever is free takes the next piece, and the caller works as well
//! whenever there is not enough to take over.

use std::any::Any;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A piece's result, or what it panicked with.
type Done<R> = Result<R, Box<dyn Any + Send>>;

/// The caller comes back to take results over about this often in a batch, for it must get the interpreter's lock.
const VISITS: usize = 16;

struct Board<R> {
    state: Mutex<State<R>>,
    news: Condvar,
}

struct State<R> {
    /// Pieces that somebody has begun, from the first.
    begun: usize,
    results: Vec<Option<Done<R>>>,
}

impl<R> Board<R> {
    fn new(count: usize) -> Self {
        let results = std::iter::repeat_with(|| None).take(count).collect();
        Board { state: Mutex::new(State { begun: 0, results }), news: Condvar::new() }
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begin the next piece, if one is left.
    fn begin(&self) -> Option<usize> {
        let mut state = self.lock();
        let next = state.begun;
        if next == state.results.len() {
            return None;
        }
        state.begun += 1;
        Some(next)
    }

    /// Do one piece; false where none is left.
    fn step(&self, work: &impl Fn(usize) -> R) -> bool {
        let Some(piece) = self.begin() else {
            return false;
        };
        let done = catch_unwind(AssertUnwindSafe(|| work(piece)));
        self.lock().results[piece] = Some(done);
        self.news.notify_one();
        true
    }

    /// Work until `enough` results from `from` on can be taken over, or all that there will be.
    fn gather(&self, from: usize, enough: usize, work: &impl Fn(usize) -> R) {
        loop {
            let state = self.lock();
            let ready = state.results[from..].iter().take(enough).take_while(|one| one.is_some()).count();
            if ready == enough || from + ready == state.results.len() {
                return;
            }
            if state.begun < state.results.len() {
                drop(state);
                self.step(work);
            } else if ready > 0 {
                return;
            } else {
                drop(self.news.wait(state).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Leave all pieces that nobody has begun.
    fn stop(&self) {
        let mut state = self.lock();
        state.begun = state.results.len();
    }
}

/// Do the pieces 0 … count - 1 on `threads` threads, the caller's included, and hand each result to `take`, in order.
///
/// `outside` runs what it is given without the interpreter's lock; `take` runs with it.
///
/// # Errors
/// `take` says so; the rest is left.
///
/// # Panics
/// A piece did: its panic goes on in the caller.
pub fn in_pieces<R: Send, E>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> R + Sync,
    outside: impl Fn(&mut (dyn FnMut() + Send)),
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let board = Board::new(count);
    let enough = if threads > 1 { count.div_ceil(VISITS) } else { count };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            // Where the system gives no more threads, those that are there do the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || while board.step(&work) {});
        }
        let mut taken = 0;
        while taken < count {
            outside(&mut || board.gather(taken, enough, &work));
            loop {
                // The lock is not held while a result is taken over.
                let result = board.lock().results.get_mut(taken).and_then(Option::take);
                let Some(result) = result else {
                    break;
                };
                taken += 1;
                let taking = result.map(&mut take);
                if !matches!(taking, Ok(Ok(()))) {
                    board.stop();
                }
                taking.unwrap_or_else(|panic| resume_unwind(panic))?;
            }
        }
        Ok(())
    })
}
