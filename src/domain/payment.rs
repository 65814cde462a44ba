//! The attempt to pay an order: how far it is, and what may follow.
//!
//! ```text
//! PREPARING ──► CONFIRMING ──approved──► SUCCEEDED                       order PAID
//!     │             ├──declined──► FENCING ──canceled──► CANCELED        order FAILED
//!     │             └──unknown──► UNRESOLVED ──looked up──► SUCCEEDED | FENCING
//!     │                               └──unknown still──► ABANDONING ──canceled──► ABANDONED
//!     ├──refused──► CANCELED                                             order FAILED
//!     ├──key too old──► ABANDONED ──► attempt n+1, PREPARING             order stays PENDING
//!     └──contradiction, from any state──► REVIEW                         a person decides
//! ```
//! Whatever is being canceled may turn out to have succeeded, and is SUCCEEDED then.

mod renewing;
mod state;
mod step;

use std::sync::Arc;

use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::idempotency::{IdempotencyKey, Operation};
use crate::domain::order::{Order, OrderError};
use crate::domain::outcome::{FailureReason, Outcome, Verdict};
use crate::domain::request::{Past, PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;

pub use state::{Armament, PaymentState};
pub use step::{Renewal, Settlement, Transition};

/// How a charge is made at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChargeFlow {
    /// Make the gateway's object, store its name, then charge it: safe however long anything takes.
    TwoStep,
    /// Make and charge in one call: half the calls, safe within the life of the idempotency key.
    OneStep,
}

impl ChargeFlow {
    /// `two-step` or `one-step`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TwoStep => "two-step",
            Self::OneStep => "one-step",
        }
    }

    /// The flow of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::TwoStep, Self::OneStep].into_iter().find(|flow| flow.as_str() == name)
    }
}

/// One attempt to pay one order. A value; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What was asked for, with the order as it stands.
    pub request: Arc<PaymentRequest>,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// How the charge is made; fixed when the attempt begins.
    pub flow: ChargeFlow,
    /// When the attempt began, which is never later than the first use of its first key.
    pub begun_at: Timestamp,
    /// How far it is.
    pub state: PaymentState,
}

impl Payment {
    /// The first attempt. The one-step flow has nothing to prepare: it starts CONFIRMING.
    ///
    /// Where the order's past is unknown, an attempt of an earlier life may have used the keys of this one:
    /// it counts as begun back then, and in two steps, so that the gateway is asked before it is prepared.
    pub fn first(request: Arc<PaymentRequest>, flow: ChargeFlow, now: Timestamp) -> Self {
        let (flow, begun_at) = match request.origin.past {
            Past::Known => (flow, now),
            Past::Unknown { since } => (ChargeFlow::TwoStep, since.unwrap_or(Timestamp::EPOCH).min(now)),
        };
        let state = match flow {
            ChargeFlow::TwoStep => PaymentState::Preparing,
            ChargeFlow::OneStep => PaymentState::Confirming(Armament { armed_at: now, reference: None }),
        };
        Self { request, attempt: Attempt::FIRST, flow, begun_at, state }
    }

    /// This payment as another of its attempts, as far as the gateway is asked about that one's object.
    #[must_use]
    pub fn at(&self, attempt: Attempt) -> Self {
        Self { attempt, ..self.clone() }
    }

    /// The order to be paid.
    pub fn order(&self) -> &Order {
        &self.request.order
    }

    /// The key of a step of this attempt.
    pub fn key(&self, operation: Operation) -> IdempotencyKey {
        IdempotencyKey::of(self.order().id(), self.attempt, operation)
    }

    /// The gateway's object that may be charged, where its name is known.
    pub fn reference(&self) -> Option<&ProviderToken> {
        match &self.state {
            PaymentState::Succeeded { reference } => Some(reference),
            PaymentState::Canceled { reference, .. } | PaymentState::Abandoned { reference } => reference.as_ref(),
            state => state.armament().and_then(|armament| armament.reference.as_ref()),
        }
    }

    /// This attempt with the gateway's object named: from now on it may be charged.
    pub fn armed(&self, reference: ProviderToken, now: Timestamp) -> Armed {
        let armament = Armament { armed_at: now, reference: Some(reference) };
        Armed { payment: self.moved_to(PaymentState::Confirming(armament)), is_resumed: false }
    }

    /// This attempt as one that may be charged, where its permission is stored and its key is young.
    pub fn as_armed(&self, now: Timestamp) -> Option<Armed> {
        match &self.state {
            PaymentState::Confirming(armament) | PaymentState::Unresolved(armament)
                if IdempotencyKey::is_usable(armament.armed_at, now) =>
            {
                Some(Armed { payment: self.clone(), is_resumed: true })
            }
            _ => None,
        }
    }

    /// A first attempt that may be charged at once, as the one-step flow has it; nothing was sent yet.
    pub fn as_first_armed(&self) -> Option<Armed> {
        let is_one_step = matches!(&self.state, PaymentState::Confirming(Armament { reference: None, .. }));
        is_one_step.then(|| Armed { payment: self.clone(), is_resumed: false })
    }

    /// This attempt as it is, with more known of it.
    pub fn unchanged(&self) -> Transition {
        Transition { payment: self.clone(), replaces: self.state.own(), evidence: Evidence::default() }
    }

    /// This attempt with its answer unknown: a charge may have been made.
    pub fn unresolved(&self) -> Transition {
        match self.state.armament() {
            Some(armament) => self.becoming(PaymentState::Unresolved(armament.clone())),
            None => self.becoming(self.state.clone()), // Nothing was armed, so nothing is in doubt.
        }
    }

    /// This attempt declined: to be canceled before the order may fail.
    pub fn fencing(&self, reference: ProviderToken, reason: FailureReason) -> Transition {
        let armed_at = self.state.armament().map_or(self.begun_at, |armament| armament.armed_at);
        let armament = Armament { armed_at, reference: Some(reference) };
        self.becoming(PaymentState::Fencing { armament, reason })
    }

    /// This attempt with facts that contradict each other.
    pub fn under_review(&self, finding: String) -> Transition {
        self.becoming(PaymentState::Review { armament: self.state.armament().cloned(), finding })
    }

    /// The end: the charge succeeded.
    ///
    /// # Errors
    /// [`OrderError`] where the order is settled already.
    pub fn paid(&self, reference: ProviderToken, now: Timestamp) -> Result<Settlement, OrderError> {
        let order = self.order().mark_as_paid()?;
        let state = PaymentState::Succeeded { reference: reference.clone() };
        Ok(self.settled(order, state, Verdict::Paid { reference }, now))
    }

    /// The end: no charge was made and none can follow. The caller has seen that to be so.
    ///
    /// # Errors
    /// [`OrderError`] where the order is settled already.
    pub fn failed(&self, reason: FailureReason, now: Timestamp) -> Result<Settlement, OrderError> {
        let order = self.order().mark_as_failed()?;
        let reference = self.reference().cloned();
        let state = PaymentState::Canceled { reference: reference.clone(), reason: reason.clone() };
        Ok(self.settled(order, state, Verdict::Failed { reference, reason }, now))
    }

    fn settled(&self, order: Order, state: PaymentState, verdict: Verdict, now: Timestamp) -> Settlement {
        let origin = self.request.origin.clone();
        let outcome = Outcome { order, verdict, attempt: self.attempt, occurred_at: now, origin };
        let Transition { payment, replaces, evidence } = self.becoming(state);
        Settlement { payment, replaces, outcome, evidence }
    }

    fn becoming(&self, state: PaymentState) -> Transition {
        let replaces = self.state.replaced_by(&state);
        Transition { replaces, payment: self.moved_to(state), evidence: Evidence::default() }
    }

    fn moved_to(&self, state: PaymentState) -> Self {
        Self { state, ..self.clone() }
    }
}

/// A payment that may be charged: its permission is stored and its key is young enough.
///
/// Only a repository's answer or [`Payment::as_armed`] makes one; a gateway charges nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    payment: Payment,
    is_resumed: bool,
}

impl Armed {
    /// The payment.
    pub fn payment(&self) -> &Payment {
        &self.payment
    }

    /// Whether the charge may have been sent before, by whomever: then a refusal proves nothing.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }
}

#[cfg(test)]
mod tests;
