//! What the tests stand on: real servers, the real program, and witnesses independent of both.

pub(crate) mod follow;
pub(crate) mod http;
pub(crate) mod kafka;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod service;

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Reads a variable that `tests/services.sh` sets. A missing server fails the test that needs it.
#[expect(clippy::disallowed_methods, reason = "the tests' servers are named by the environment")]
pub(crate) fn required_variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this by `make test` or `make bench`"))
}

/// Waits until `condition` gives a value, or fails the test after `patience`.
pub(crate) async fn eventually<T>(what: &str, patience: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    let mut glances = tokio::time::interval(GLANCE);
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {patience:?}");
        glances.tick().await;
    }
}

/// A name that no other test has.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
}
