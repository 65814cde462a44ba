//! What must be true after every step, and what must have come about in the end. Numbered and named.
//!
//! Written from the promises, not from the code: the table of lawful moves is this folder's own.

pub(crate) mod liveness;
pub(crate) mod money;
pub(crate) mod outcomes;
pub(crate) mod refunds;
pub(crate) mod requests;
pub(crate) mod states;

use std::fmt;

/// A promise: its number is its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    OneSuccess,
    MoneyBounded,
    PaidIsCharged,
    FailedIsImpossible,
    FailedHasAReason,
    StoredBeforeConfirmed,
    PermittedBeforeSent,
    OneBodyAKey,
    YoungKeys,
    OneReferenceAnAttempt,
    CanceledBeforeRenewed,
    SilenceNeverFails,
    RefusalOfUsChangesNothing,
    LawfulMoves,
    EndsAreFinal,
    JournalWithoutGaps,
    OneOutcomeASettlement,
    ToldAsSettled,
    PublishedOnce,
    SameBytes,
    RefundsStay,
    RefundsBounded,
    OneRefundAName,
    ReadBeforeDone,
    NothingPrivate,
    EverythingEnds,
    ReviewIsEarned,
    FindingIsEarned,
    OutboxDrains,
    OneVisibleOutcome,
    NoLoop,
    NothingPanics,
}

impl Invariant {
    pub(crate) const ALL: [Self; 32] = [
        Self::OneSuccess,
        Self::MoneyBounded,
        Self::PaidIsCharged,
        Self::FailedIsImpossible,
        Self::FailedHasAReason,
        Self::StoredBeforeConfirmed,
        Self::PermittedBeforeSent,
        Self::OneBodyAKey,
        Self::YoungKeys,
        Self::OneReferenceAnAttempt,
        Self::CanceledBeforeRenewed,
        Self::SilenceNeverFails,
        Self::RefusalOfUsChangesNothing,
        Self::LawfulMoves,
        Self::EndsAreFinal,
        Self::JournalWithoutGaps,
        Self::OneOutcomeASettlement,
        Self::ToldAsSettled,
        Self::PublishedOnce,
        Self::SameBytes,
        Self::RefundsStay,
        Self::RefundsBounded,
        Self::OneRefundAName,
        Self::ReadBeforeDone,
        Self::NothingPrivate,
        Self::EverythingEnds,
        Self::ReviewIsEarned,
        Self::FindingIsEarned,
        Self::OutboxDrains,
        Self::OneVisibleOutcome,
        Self::NoLoop,
        Self::NothingPanics,
    ];

    /// The promise in a sentence.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::OneSuccess => "an order has at most one charge that succeeded and was not given back",
            Self::MoneyBounded => "what was taken, less what was given back, is never more than the total",
            Self::PaidIsCharged => "a PAID order was charged under its reference, by exactly its total",
            Self::FailedIsImpossible => "whatever was confirmed for a FAILED order is canceled",
            Self::FailedHasAReason => "an order fails only after a decline, a refusal or a told cancellation",
            Self::StoredBeforeConfirmed => "only an object whose name was stored is confirmed",
            Self::PermittedBeforeSent => "a request is sent only after its permission was stored",
            Self::OneBodyAKey => "a key always comes with the same body",
            Self::YoungKeys => "no key is sent 24 hours or more after its first use",
            Self::OneReferenceAnAttempt => "the name that an attempt was armed with never changes",
            Self::CanceledBeforeRenewed => "no attempt begins before the earlier ones are canceled",
            Self::SilenceNeverFails => "no order fails by an answer that says nothing",
            Self::RefusalOfUsChangesNothing => "refused credentials change no order",
            Self::LawfulMoves => "attempts and refunds move as they may, and in no other way",
            Self::EndsAreFinal => "a settled order never changes",
            Self::JournalWithoutGaps => "the journal has no gaps, forgets nothing and ends in what is stored",
            Self::OneOutcomeASettlement => "an order is settled where its one outcome is stored, and nowhere else",
            Self::ToldAsSettled => "the topic tells what the order became",
            Self::PublishedOnce => "no event is visible twice",
            Self::SameBytes => "an event has the same bytes whenever it is seen",
            Self::RefundsStay => "no refund disappears",
            Self::RefundsBounded => "refunds never sum up to more than was charged",
            Self::OneRefundAName => "a refund is made once at the provider",
            Self::ReadBeforeDone => "an offset is done once the order is stored or dead-lettered",
            Self::NothingPrivate => "no e-mail address or secret is in an outcome, the journal or a log",
            Self::EverythingEnds => "once nothing goes wrong any more, every order and refund comes to its end",
            Self::ReviewIsEarned => "a person is asked only where something contradicts our records",
            Self::FindingIsEarned => "nothing is found to be wrong where nothing is",
            Self::OutboxDrains => "once nothing goes wrong any more, every outcome is published",
            Self::OneVisibleOutcome => "a settled order has exactly one visible outcome",
            Self::NoLoop => "no case goes on and on",
            Self::NothingPanics => "nothing panics, whatever goes wrong outside",
        }
    }

    /// `I1` and so on.
    pub(crate) const fn number(self) -> usize {
        self as usize + 1
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "I{} {self:?}", self.number())
    }
}

/// A promise that was broken, and how.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.invariant, self.invariant.sentence(), self.detail)
    }
}

/// Nothing where `holds`, else that this promise is broken.
pub(crate) fn check(invariant: Invariant, holds: bool, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { invariant, detail: detail() }) }
}
