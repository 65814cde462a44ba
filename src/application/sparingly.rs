//! Keeps a log readable where thousands of orders meet the same trouble at once.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often, at the most, the same is said.
const INTERVAL: Duration = Duration::from_secs(5);

/// Says the same only now and then.
#[derive(Debug, Default)]
pub(crate) struct Sparingly(Mutex<Option<Instant>>);

impl Sparingly {
    /// Whether it may be said now; it counts as said then.
    pub(crate) fn may_say(&self) -> bool {
        let mut said = self.0.lock().expect("no one panics while holding it");
        let may_say = said.is_none_or(|at| at.elapsed() >= INTERVAL);
        if may_say {
            *said = Some(Instant::now());
        }
        may_say
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_said_is_not_said_again() {
        let said = Sparingly::default();
        assert!(said.may_say());
        assert!(!said.may_say());
        let long_ago = Instant::now().checked_sub(INTERVAL);
        *said.0.lock().expect("not poisoned") = long_ago;
        assert!(said.may_say());
    }
}
