//! Money that goes back.

use std::collections::BTreeMap;

use order_payments::adapters::simulator::intent::RefundStatus;
use order_payments::domain::refund::RefundState;
use rust_decimal::Decimal;

use crate::explore::facts::Facts;
use crate::explore::invariants::{Invariant, Violation, check};
use crate::explore::watch::Watch;

/// Holds the refunds here against those at the provider, and against what was seen before.
pub(crate) fn look(watch: &Watch, facts: &Facts) -> Result<(), Violation> {
    for id in watch.refunds_seen() {
        let is_here = facts.stored.refunds.iter().any(|refund| refund.id == *id);
        check(Invariant::RefundsStay, is_here, || format!("refund {id} is gone"))?;
    }
    let counts = |state: &RefundState| !matches!(state, RefundState::Failed { .. });
    let sum: Decimal =
        facts.stored.refunds.iter().filter(|refund| counts(&refund.state)).map(|refund| refund.amount.amount()).sum();
    let total = Decimal::new(i64::try_from(watch.total_cents).expect("small"), 2);
    check(Invariant::RefundsBounded, sum <= total, || format!("{sum} are to be given back of {total}"))?;
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for intent in &facts.provider.charged.intents {
        for refund in intent.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed) {
            *made.entry(refund.refund_id.as_deref().unwrap_or_default()).or_default() += 1;
        }
    }
    for (id, times) in made {
        check(Invariant::OneRefundAName, times <= 1, || format!("refund {id} was made {times} times"))?;
        let is_known = watch.was_restored || facts.stored.refunds.iter().any(|refund| refund.id.to_string() == id);
        check(Invariant::RefundsStay, is_known, || format!("refund {id} was made, and is not stored"))?;
    }
    Ok(())
}
