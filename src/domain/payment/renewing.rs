//! How an attempt whose outcome stays unknown is given up, and what follows on it.

use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::payment::{Armament, ChargeFlow, Payment, PaymentState, Renewal, Transition};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;

impl Payment {
    /// This attempt with the gateway's object known, found where only the order was known before.
    pub fn found(&self, reference: ProviderToken) -> Transition {
        let armed_at = self.state.armament().map_or(self.begun_at, |armament| armament.armed_at);
        self.becoming(PaymentState::Unresolved(Armament { armed_at, reference: Some(reference) }))
    }

    /// This attempt given up as unknown: to be canceled before another one may begin.
    pub fn abandoning(&self) -> Transition {
        match self.state.armament() {
            Some(armament) => self.becoming(PaymentState::Abandoning(armament.clone())),
            None => self.becoming(self.state.clone()),
        }
    }

    /// This attempt ended without a charge or a decline, and the one of this number begun: PREPARING, in
    /// two steps, with keys of its own. The caller has seen that no earlier object can be charged.
    pub fn renewed(&self, attempt: Attempt, now: Timestamp) -> Renewal {
        let ended = self.becoming(PaymentState::Abandoned { reference: self.reference().cloned() });
        let next = Self { attempt, flow: ChargeFlow::TwoStep, begun_at: now, ..self.moved_to(PaymentState::Preparing) };
        Renewal { ended, next }
    }

    /// This attempt ended, and one that the gateway made at `made_at`, in an earlier life of this database,
    /// taken up as unresolved.
    pub fn continued_as(&self, attempt: Attempt, reference: ProviderToken, made_at: Timestamp) -> Renewal {
        let Renewal { ended, next } = self.renewed(attempt, made_at);
        let armament = Armament { armed_at: made_at, reference: Some(reference) };
        Renewal { ended, next: next.moved_to(PaymentState::Unresolved(armament)) }
    }

    /// This attempt back from review, to be looked at anew. For a person to decide.
    pub fn released(&self) -> Transition {
        let state = self.state.armament().cloned().map_or(PaymentState::Preparing, PaymentState::Unresolved);
        Transition { payment: self.moved_to(state), replaces: &["REVIEW"], evidence: Evidence::default() }
    }
}
