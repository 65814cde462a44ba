//! What is stored of an attempt at once, each with the states that it may replace and what it rests on.

use crate::domain::evidence::Evidence;
use crate::domain::outcome::Outcome;
use crate::domain::payment::Payment;

/// A step of an attempt, to be stored only where that takes nothing back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The payment as it shall be.
    pub payment: Payment,
    /// The states that the stored payment may be in: those that whoever took this step knew of.
    pub replaces: &'static [&'static str],
    /// What it rests on.
    pub evidence: Evidence,
}

impl Transition {
    /// This step, resting on that.
    #[must_use]
    pub fn with(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }
}

/// The end of an attempt that nobody declined, and the beginning of the next, to be stored as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The attempt that ends.
    pub ended: Transition,
    /// The attempt that begins.
    pub next: Payment,
}

impl Renewal {
    /// This renewal, resting on that.
    #[must_use]
    pub fn with(self, evidence: Evidence) -> Self {
        Self { ended: self.ended.with(evidence), ..self }
    }
}

/// The end of an attempt and of its order, to be stored as one: payment, order and outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The payment, SUCCEEDED or CANCELED.
    pub payment: Payment,
    /// The states that the stored payment may be in, as in [`Transition`].
    pub replaces: &'static [&'static str],
    /// The settled order and the event that tells of it.
    pub outcome: Outcome,
    /// What it rests on.
    pub evidence: Evidence,
}

impl Settlement {
    /// This end, resting on that.
    #[must_use]
    pub fn with(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    /// This end by a person's decision, which alone may replace what is under review.
    #[must_use]
    pub fn decided(self, evidence: Evidence) -> Self {
        Self { evidence, replaces: &["REVIEW"], ..self }
    }
}
