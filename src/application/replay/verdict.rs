//! The words for what is foreseen of a record and for what has come of it. Pure.

use std::fmt;

/// What would become of a record, were it handled as if it came anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Its order is PAID: nothing would happen.
    AlreadyPaid,
    /// Its order is FAILED: nothing would happen.
    AlreadyFailed,
    /// Its order waits for the gateway: the service's own reconciliation goes on with it.
    Waits,
    /// Its order waits for a person.
    UnderReview,
    /// Its order was met half-way: its payment would be carried on.
    Resumed,
    /// Its order is unknown here: it would be looked up at the gateway, then charged.
    Unknown,
    /// A record before it in the same selection asks for the same order, which is unknown here.
    Repeats,
    /// An order of its id has other terms: it would be refused.
    Contradicts,
    /// An event of another type: it is skipped.
    Skipped,
    /// Its order's row cannot be read, perhaps because a newer version has written it: nothing is done about it.
    Unreadable,
    /// It can never be paid as it is, for the reason of this name.
    Rejected(&'static str),
}

impl Verdict {
    /// The verdict's name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyPaid => "already_paid",
            Self::AlreadyFailed => "already_failed",
            Self::Waits => "waits",
            Self::UnderReview => "under_review",
            Self::Resumed => "resumed",
            Self::Unknown => "unknown",
            Self::Repeats => "repeats",
            Self::Contradicts => "contradicts",
            Self::Skipped => "skipped",
            Self::Unreadable => "unreadable",
            Self::Rejected(reason) => reason,
        }
    }

    /// What `process` would do about it, in a few words.
    pub const fn would(self) -> &'static str {
        match self {
            Self::AlreadyPaid | Self::AlreadyFailed | Self::Skipped => "nothing",
            Self::Waits => "left to the service",
            Self::UnderReview | Self::Unreadable => "left to a person",
            Self::Resumed => "carried on, and perhaps charged",
            Self::Unknown => "looked up, then charged",
            Self::Repeats => "as the record before it",
            Self::Contradicts | Self::Rejected(_) => "refused",
        }
    }

    /// Whether handling it anew could move money.
    pub const fn may_charge(self) -> bool {
        matches!(self, Self::Unknown | Self::Resumed)
    }

    /// Whether its order may still get an outcome.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Resumed | Self::Repeats | Self::Waits)
    }

    /// Whether its order has an outcome.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::AlreadyPaid | Self::AlreadyFailed)
    }
}

impl Verdict {
    const ALL: [Self; 10] = [
        Self::AlreadyPaid,
        Self::AlreadyFailed,
        Self::Waits,
        Self::UnderReview,
        Self::Resumed,
        Self::Unknown,
        Self::Repeats,
        Self::Contradicts,
        Self::Skipped,
        Self::Unreadable,
    ];

    /// The verdict of that name in a report; the reasons of rejections are `reasons`.
    pub fn of(name: &str, reasons: &[&'static str]) -> Option<Self> {
        let rejected = || reasons.iter().find(|reason| **reason == name).map(|reason| Self::Rejected(reason));
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == name).or_else(rejected)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What has come of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    /// Nothing was done: it is so.
    Found(Verdict),
    /// Its order is PAID since.
    Paid,
    /// Its order has FAILED since.
    Failed,
    /// Its order's outcome was sent again.
    Republished,
    /// Its order's history was removed, and its outcome with it.
    Pruned,
    /// Its order's outcome was not published yet: the service will.
    LeftToRelay,
    /// Its order is unknown here, and the gateway has nothing of it.
    NotAtGateway,
    /// Its order is unknown here, and the gateway has something of it that settles nothing.
    AtGateway,
    /// The world was at fault: to be tried again.
    NotNow,
}

impl Deed {
    /// The deed's name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found(verdict) => verdict.as_str(),
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Republished => "republished",
            Self::Pruned => "pruned",
            Self::LeftToRelay => "left_to_relay",
            Self::NotAtGateway => "not_at_gateway",
            Self::AtGateway => "at_gateway",
            Self::NotNow => NOT_NOW,
        }
    }

    /// The deed of that name in a report; the reasons of rejections are `reasons`.
    pub fn of(name: &str, reasons: &[&'static str]) -> Option<Self> {
        let own = [
            Self::Paid,
            Self::Failed,
            Self::Republished,
            Self::Pruned,
            Self::LeftToRelay,
            Self::NotAtGateway,
            Self::AtGateway,
            Self::NotNow,
        ];
        let found = || Verdict::of(name, reasons).map(Self::Found);
        own.into_iter().find(|deed| deed.as_str() == name).or_else(found)
    }

    /// Whether a person should look, though it is as foreseen.
    pub const fn needs_a_look(self) -> bool {
        matches!(self, Self::Pruned | Self::Found(Verdict::Unreadable))
    }

    /// Whether this is what was foreseen. The gateway decides whether what is charged is paid, and whoever
    /// else handles an order meanwhile may be faster: that much is open.
    pub fn is_as(self, foreseen: Verdict) -> bool {
        use Verdict::{AlreadyFailed, AlreadyPaid, Repeats, Resumed, UnderReview, Unknown, Waits};
        let is_open = matches!(foreseen, Resumed | Unknown | Repeats | Waits);
        match self {
            Self::Found(found) if found == foreseen => true,
            Self::Found(AlreadyPaid | AlreadyFailed | Waits | UnderReview) | Self::Paid | Self::Failed => is_open,
            Self::Republished | Self::Pruned | Self::LeftToRelay => foreseen.is_settled(),
            Self::NotAtGateway | Self::AtGateway => matches!(foreseen, Unknown | Repeats),
            Self::Found(_) | Self::NotNow => false,
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The name of the deed that is to be tried again.
pub const NOT_NOW: &str = "not_now";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_foreseen_as_settled_comes_true_only_as_that() {
        for verdict in [Verdict::AlreadyPaid, Verdict::AlreadyFailed, Verdict::Contradicts, Verdict::Skipped] {
            assert!(Deed::Found(verdict).is_as(verdict));
            assert!(!Deed::Paid.is_as(verdict) && !Deed::Failed.is_as(verdict), "{verdict} was charged");
        }
        assert!(!Deed::Found(Verdict::AlreadyFailed).is_as(Verdict::AlreadyPaid));
        assert!(!Deed::Found(Verdict::Contradicts).is_as(Verdict::Unknown));
        assert!(!Deed::NotNow.is_as(Verdict::Unknown));
    }

    #[test]
    fn every_name_of_a_report_is_read_back_as_what_was_written() {
        for verdict in Verdict::ALL.into_iter().chain([Verdict::Rejected("contract")]) {
            assert_eq!(Verdict::of(verdict.as_str(), &["contract"]), Some(verdict));
            assert_eq!(Deed::of(verdict.as_str(), &["contract"]), Some(Deed::Found(verdict)));
        }
        for deed in [Deed::Paid, Deed::Failed, Deed::Republished, Deed::Pruned, Deed::NotAtGateway, Deed::NotNow] {
            assert_eq!(Deed::of(deed.as_str(), &[]), Some(deed));
        }
        assert_eq!((Verdict::of("contract", &[]), Deed::of("lost", &[])), (None, None));
    }

    #[test]
    fn the_unknown_may_end_in_every_way_that_charging_has() {
        for deed in [Deed::Paid, Deed::Failed, Deed::Found(Verdict::Waits), Deed::NotAtGateway, Deed::AtGateway] {
            assert!(deed.is_as(Verdict::Unknown), "{deed}");
        }
    }
}
