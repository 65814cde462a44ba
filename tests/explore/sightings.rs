//! What a whole run must have seen at least once: a run that never came there has proved little.

/// Something that must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sighting {
    UnknownTurnedOutPaid,
    NextAttemptPaid,
    FencingTurnedOutPaid,
    LateChargeAfterLook,
    Orphan,
    KeyInUse,
    StickyErrorWithEffect,
    RaceLost,
    AmbiguousCommit,
    OutcomesAdopted,
    LaterAttemptTakenUp,
    ZombieFenced,
    GateClosed,
    RefundBounced,
    ToldCancellation,
}

impl Sighting {
    pub(crate) const ALL: [Self; 15] = [
        Self::UnknownTurnedOutPaid,
        Self::NextAttemptPaid,
        Self::FencingTurnedOutPaid,
        Self::LateChargeAfterLook,
        Self::Orphan,
        Self::KeyInUse,
        Self::StickyErrorWithEffect,
        Self::RaceLost,
        Self::AmbiguousCommit,
        Self::OutcomesAdopted,
        Self::LaterAttemptTakenUp,
        Self::ZombieFenced,
        Self::GateClosed,
        Self::RefundBounced,
        Self::ToldCancellation,
    ];

    /// In words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::UnknownTurnedOutPaid => "an unknown answer that turned out to be a payment",
            Self::NextAttemptPaid => "an unknown answer that was given up, and the next attempt paid",
            Self::FencingTurnedOutPaid => "a declined payment that turned out to be paid when it was fenced",
            Self::LateChargeAfterLook => "a charge that arrived after it had been looked for",
            Self::Orphan => "an object at the provider that nobody will charge",
            Self::KeyInUse => "a key that was in use (409)",
            Self::StickyErrorWithEffect => "a stored 500 that hid a success",
            Self::RaceLost => "a compare-and-set that was lost to another worker",
            Self::AmbiguousCommit => "a commit whose answer was lost, found to have been made",
            Self::OutcomesAdopted => "a relay that took over outcomes it found on the topic",
            Self::LaterAttemptTakenUp => "a restored database that took up the second attempt",
            Self::ZombieFenced => "a relay that woke up and was fenced",
            Self::GateClosed => "credentials that were refused (401)",
            Self::RefundBounced => "a refund that bounced",
            Self::ToldCancellation => "a payment that somebody else canceled, and told why",
        }
    }
}

/// What has been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sightings(u32);

impl Sightings {
    pub(crate) fn add(&mut self, sighting: Sighting) {
        self.0 |= 1 << sighting as u32;
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) const fn has(self, sighting: Sighting) -> bool {
        self.0 & (1 << sighting as u32) != 0
    }
}
