//! Idempotency keys: derived, so that every process at every time sends the same key for the same step.

use std::fmt;
use std::time::Duration;

use crate::domain::attempt::Attempt;
use crate::domain::order::OrderId;
use crate::domain::refund::RefundId;
use crate::domain::timestamp::Timestamp;

/// A step at the gateway that must happen at most once per attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Make the gateway's object; no money can move.
    Prepare,
    /// Charge: money may move.
    Charge,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Charge => "charge",
        }
    }
}

/// The key of one operation of one attempt to pay one order. At most 150 characters, no personal data.
///
/// The order id comes first and may itself contain the separator; attempt and operation never do, so
/// no two steps share a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// How long after its first use a key may be sent again. Stripe may forget a key after 24 hours,
    /// and a forgotten key is a new request; four hours are kept for clocks and queues.
    /// <https://docs.stripe.com/api/idempotent_requests>
    pub const WINDOW: Duration = Duration::from_hours(20);

    /// After how long a key is forgotten everywhere: what was sent under it and left no trace never will.
    pub const FORGOTTEN_AFTER: Duration = Duration::from_hours(25);

    /// How far the clocks of instances may lie apart.
    pub const CLOCK_SKEW: Duration = Duration::from_mins(10);

    /// The key of this step.
    pub fn of(order_id: &OrderId, attempt: Attempt, operation: Operation) -> Self {
        Self(format!("{order_id}:{}:{}", attempt.number(), operation.as_str()))
    }

    /// The key of the `number`th sending of a refund. No payment's key begins as it does.
    pub fn of_refund(id: RefundId, number: u32) -> Self {
        Self(format!("{id}#refund:{number}"))
    }

    /// The key as the gateway receives it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a key first sent at `first_sent` may still be sent.
    ///
    /// A first use that lies in the future was stamped by another clock, or ours was set back: up to
    /// [`IdempotencyKey::CLOCK_SKEW`] that is tolerated, beyond it the key's age is not known.
    pub fn is_usable(first_sent: Timestamp, now: Timestamp) -> bool {
        now.since(first_sent) < Self::WINDOW && first_sent.since(now) <= Self::CLOCK_SKEW
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_step_has_its_own_key() {
        let ids = ["a", "a:1", "a:1:charge"].map(|id| id.parse::<OrderId>().expect("an id"));
        let attempts = [Attempt::FIRST, Attempt::FIRST.next()];
        let operations = [Operation::Prepare, Operation::Charge];
        let mut keys = HashSet::new();
        for id in &ids {
            for attempt in attempts {
                for operation in operations {
                    assert!(keys.insert(IdempotencyKey::of(id, attempt, operation)));
                }
            }
        }
        let id = ids[0].clone();
        assert_eq!(IdempotencyKey::of(&id, Attempt::FIRST, Operation::Charge).as_str(), "a:1:charge");
    }

    #[test]
    fn the_longest_key_is_within_the_gateways_limit() {
        let id = "x".repeat(OrderId::MAX_LENGTH).parse().expect("an id");
        let key = IdempotencyKey::of(&id, Attempt::numbered(u32::MAX).expect("not zero"), Operation::Prepare);
        assert!(key.as_str().len() <= 150, "{}", key.as_str().len());
    }

    #[test]
    fn a_key_is_not_used_beyond_its_window() {
        let sent = Timestamp::from_micros(0);
        let end = sent.plus(IdempotencyKey::WINDOW);
        assert!(IdempotencyKey::is_usable(sent, Timestamp::from_micros(end.as_micros() - 1)));
        assert!(!IdempotencyKey::is_usable(sent, end));
    }

    #[test]
    fn a_key_from_the_future_is_of_unknown_age() {
        let now = Timestamp::from_micros(0);
        let ahead = now.plus(IdempotencyKey::CLOCK_SKEW);
        assert!(IdempotencyKey::is_usable(ahead, now));
        assert!(!IdempotencyKey::is_usable(ahead.plus(Duration::from_secs(1)), now));
    }
}
