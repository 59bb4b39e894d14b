use crate::pieces::in_pieces;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Nothing to leave: there is no interpreter.
fn outside(work: &mut (dyn FnMut() + Send)) {
    work();
}

#[test]
fn results_come_in_order_whoever_did_the_work() {
    for threads in [1, 2, 3, 8] {
        for count in [0, 1, 2, 7, 40] {
            let mut taken = Vec::new();
            let done: Result<(), ()> = in_pieces(
                count,
                threads,
                |piece| piece * 10,
                outside,
                |result| {
                    taken.push(result);
                    Ok(())
                },
            );
            assert_eq!(done, Ok(()));
            assert_eq!(
                taken,
                (0..count).map(|piece| piece * 10).collect::<Vec<_>>(),
                "{count} pieces, {threads} threads"
            );
        }
    }
}

#[test]
fn a_slow_piece_holds_back_only_what_comes_behind_it() {
    let begun = AtomicUsize::new(0);
    let mut taken = Vec::new();
    let done: Result<(), ()> = in_pieces(
        6,
        3,
        |piece| {
            begun.fetch_add(1, Ordering::SeqCst);
            // The second ends only after all have begun, which another thread must see to.
            while piece == 1 && begun.load(Ordering::SeqCst) < 6 {
                std::thread::yield_now();
            }
            piece
        },
        outside,
        |result| {
            taken.push(result);
            Ok(())
        },
    );
    assert_eq!((done, taken), (Ok(()), vec![0, 1, 2, 3, 4, 5]));
}

#[test]
fn a_caller_that_refuses_a_result_is_given_no_other() {
    for threads in [1, 2] {
        let mut taken = 0;
        let done = in_pieces(
            20,
            threads,
            |piece| piece,
            outside,
            |result| {
                taken += 1;
                if result == 3 {
                    Err("no")
                } else {
                    Ok(())
                }
            },
        );
        assert_eq!((done, taken), (Err("no"), 4));
    }
}

#[test]
fn a_piece_that_panics_panics_in_the_caller_and_nobody_waits_for_it() {
    for threads in [1, 2, 4] {
        let mut taken = 0;
        let panic = catch_unwind(AssertUnwindSafe(|| {
            in_pieces(
                20,
                threads,
                |piece| assert_ne!(piece, 5, "on purpose"),
                outside,
                |()| -> Result<(), ()> {
                    taken += 1;
                    Ok(())
                },
            )
        }));
        assert!(panic.is_err());
        assert_eq!(taken, 5);
    }
}
