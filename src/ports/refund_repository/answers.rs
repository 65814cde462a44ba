//! What a repository answers about refunds. Pure, so that every repository says the same.

use rust_decimal::Decimal;

use crate::domain::evidence::Evidence;
use crate::domain::money::Money;
use crate::domain::refund::{Refund, RefundPurpose, RefundState, RefundStep};
use crate::ports::refund_repository::Requesting;

impl Requesting {
    /// What a new refund is told where so much of the charge goes back already; `None` where it may be stored.
    pub fn refused(refund: &Refund, charged: Money, taken: Decimal) -> Option<Self> {
        let left = Money::new(charged.amount() - taken, charged.currency()).ok();
        let wanted = refund.amount;
        let fits = |left: Money| left.currency() == wanted.currency() && wanted.amount() <= left.amount();
        if left.is_some_and(fits) { None } else { Some(Self::TooMuch { left }) }
    }
}

impl Refund {
    /// What the journal says that its request rests on.
    pub fn asked_for(&self) -> Evidence {
        let person = (self.purpose == RefundPurpose::Requested).then(|| self.requested_by.clone());
        Evidence { actor: person, ..Evidence::default() }
    }
}

impl RefundStep {
    /// Whether this step takes nothing back from a refund that is stored so. A permission to send is
    /// replaced by itself or by the next one, never by one that somebody else has left behind.
    pub fn may_replace(&self, stored: &Refund) -> bool {
        let is_known = match (&self.refund.state, &stored.state) {
            (RefundState::Sending(next), RefundState::Sending(last)) => next == last || next.number > last.number,
            _ => true,
        };
        is_known && self.replaces.contains(&stored.state.name())
    }
}
