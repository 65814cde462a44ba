//! Calls that may hang, each on a thread of its own. Never on tokio's pool: a runtime waits for that at
//! its end, and so one call that hangs would keep the whole process.

use std::thread;

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
