//! Stops a replay between two steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Stops a replay: no further record and no further try is begun, and what is under way ends.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    token: CancellationToken,
    is_closed: Arc<AtomicBool>,
}

impl Halt {
    /// Stops it.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once it is stopped.
    pub async fn stopped(&self) {
        self.token.cancelled().await;
    }

    /// Whether it was stopped because the gateway refuses this service.
    pub fn is_gateway_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.stop();
    }

    /// Whether that long could be waited.
    pub(super) async fn waited(&self, wait: Duration) -> bool {
        self.token.run_until_cancelled(sleep(wait)).await.is_some()
    }
}
