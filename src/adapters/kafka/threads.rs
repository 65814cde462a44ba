//! Between threads and the runtime. Calls that may hang get a thread of their own, never one of tokio's pool:
//! a runtime waits for that at its end, and so one call that hangs would keep the whole process.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Makes a call that blocks. Whoever gives up waiting leaves the thread behind; the process may end with it.
///
/// # Errors
/// The problem in words: the call panicked, or there is no thread to be had.
pub(crate) async fn call<T: Send + 'static>(
    name: &str,
    blocking: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (tell, told) = oneshot::channel();
    let run = move || {
        // Fails where no one waits any more.
        let _told = tell.send(blocking());
    };
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|problem| format!("no thread could be started: {problem}"))?;
    told.await.map_err(|_| format!("the thread {name:?} panicked"))
}

/// Has the runtime do something and waits for it here, on a thread that is none of the runtime's, for at most
/// `patience`. What takes longer is canceled.
///
/// Not `Handle::block_on`: that panics where the runtime ends first.
///
/// # Errors
/// The problem in words: there was no answer in time, or the runtime has ended.
pub(crate) fn wait_for<T: Send + 'static>(
    runtime: &Handle,
    patience: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    let (tell, told) = channel();
    let task = runtime.spawn(async move {
        let _told = tell.send(work.await);
    });
    told.recv_timeout(patience).map_err(|why| {
        task.abort();
        match why {
            RecvTimeoutError::Timeout => format!("there was no answer within {patience:?}"),
            RecvTimeoutError::Disconnected => "the service is ending, or a part of it panicked".to_owned(),
        }
    })
}
