//! The runtime of a thread that plays cases: its time stands still but for `advance`, and what is logged on it
//! is kept.

use std::cell::RefCell;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::explore::logs;

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// Does something within a runtime of this thread, whose time stands still.
pub(crate) fn within<T>(work: impl FnOnce() -> T) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let handle = runtime.handle().clone();
    RUNTIME.set(Some(runtime));
    let (entered, listening) = (handle.enter(), logs::listen());
    let done = work();
    drop((entered, listening));
    drop(RUNTIME.take());
    done
}

/// Moves the runtime's time on.
pub(crate) fn advance(by: Duration) {
    RUNTIME.with_borrow(|runtime| {
        let runtime = runtime.as_ref().expect("cases are played within a runtime");
        runtime.block_on(tokio::time::advance(by));
    });
}
