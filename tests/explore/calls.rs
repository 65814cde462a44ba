//! The calls that the application makes through its ports, and what may lawfully befall each of them.

use order_payments::adapters::simulator::faults::Fault;

use crate::explore::plan::Action;

/// A method of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    Begin,
    Arm,
    Settle,
    Park,
    Renew,
    Hasten,
    ClaimDue,
    RequestRefund,
    AdvanceRefund,
    ClaimDueRefunds,
    HastenRefund,
    Report,
    ResolveFinding,
    ChangeGate,
    Lead,
    Resign,
    MarkPublished,
    Adopt,
    /// Any question to the storage that changes nothing, by its method's name.
    Read(&'static str),
    Prepare,
    Charge,
    LookUp,
    Cancel,
    Refund,
    LookUpRefund,
    Charges,
    Refunds,
    Probe,
    TakeOver,
    Tail,
    Publish,
}

/// How many of the lawful faults are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Every one.
    All,
    /// One of each kind: two faults that do the same to the world and tell the application the same are one.
    Kinds,
}

impl Call {
    /// The method's name, as the timeline shows it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Begin => "orders.begin",
            Self::Arm => "orders.arm",
            Self::Settle => "orders.settle",
            Self::Park => "orders.park",
            Self::Renew => "orders.renew",
            Self::Hasten => "orders.hasten",
            Self::ClaimDue => "orders.claim_due",
            Self::RequestRefund => "refunds.request",
            Self::AdvanceRefund => "refunds.advance",
            Self::ClaimDueRefunds => "refunds.claim_due",
            Self::HastenRefund => "refunds.hasten",
            Self::Report => "findings.report",
            Self::ResolveFinding => "findings.resolve",
            Self::ChangeGate => "gates.change",
            Self::Lead => "outbox.lead",
            Self::Resign => "outbox.resign",
            Self::MarkPublished => "outbox.mark_published",
            Self::Adopt => "outbox.adopt",
            Self::Read(name) => name,
            Self::Prepare => "gateway.prepare",
            Self::Charge => "gateway.charge",
            Self::LookUp => "gateway.look_up",
            Self::Cancel => "gateway.cancel",
            Self::Refund => "gateway.refund",
            Self::LookUpRefund => "gateway.look_up_refund",
            Self::Charges => "gateway.charges",
            Self::Refunds => "gateway.refunds",
            Self::Probe => "gateway.probe",
            Self::TakeOver => "publisher.take_over",
            Self::Tail => "publisher.tail",
            Self::Publish => "publisher.publish",
        }
    }

    /// Whether it is answered by the payment provider.
    pub(crate) const fn is_of_gateway(self) -> bool {
        matches!(
            self,
            Self::Prepare
                | Self::Charge
                | Self::LookUp
                | Self::Cancel
                | Self::Refund
                | Self::LookUpRefund
                | Self::Charges
                | Self::Refunds
                | Self::Probe
        )
    }

    /// Whether it may change something at the provider.
    const fn acts_at_gateway(self) -> bool {
        matches!(self, Self::Prepare | Self::Charge | Self::Cancel | Self::Refund)
    }

    /// Whether the world outside of the database may differ after it.
    pub(crate) const fn shows_outside(self) -> bool {
        // What is settled is published at the end of the round.
        self.acts_at_gateway() || matches!(self, Self::Publish | Self::Settle)
    }

    /// Whether the database may differ after it.
    pub(crate) const fn stores(self) -> bool {
        !self.is_of_gateway() && !matches!(self, Self::Read(_) | Self::TakeOver | Self::Tail | Self::Publish)
    }

    /// What may befall this call, but for what stops the clock for all: see [`Action`].
    pub(crate) fn lawful(self, range: Range) -> Vec<Action> {
        use Action::{CrashAfter, CrashBefore, NapAfter, NapBefore, SleepAfter, SleepBefore};

        let mut actions = vec![CrashBefore, CrashAfter, NapBefore, SleepBefore];
        match self {
            Self::Read(_) | Self::Tail => actions.push(Action::FailBefore),
            Self::Publish | Self::TakeOver => {
                actions.extend([NapAfter, SleepAfter, Action::FailBefore, Action::DoubtBefore, Action::FailAfter]);
                actions.extend((self == Self::Publish).then_some(Action::Refuse));
            }
            call if call.is_of_gateway() => actions.extend(call.lawful_answers(range)),
            call => {
                actions.extend([NapAfter, SleepAfter, Action::FailBefore, Action::FailAfter]);
                if range == Range::All && call.may_be_refused() {
                    actions.push(Action::Refuse);
                }
            }
        }
        actions
    }

    const fn may_be_refused(self) -> bool {
        matches!(self, Self::Begin | Self::Arm | Self::Settle | Self::Park | Self::Renew | Self::AdvanceRefund)
    }

    fn lawful_answers(self, range: Range) -> Vec<Action> {
        let mut actions = [Fault::CutBefore, Fault::RateLimited, Fault::Unauthorized].map(Action::Answer).to_vec();
        if range == Range::All {
            let alike = [Fault::ErrorBefore, Fault::Conflict, Fault::Garbage, Fault::Timeout];
            actions.extend(alike.map(Action::Answer));
            actions.extend([Action::Contradict, Action::Reject]);
        }
        if self.acts_at_gateway() {
            actions.extend([Action::NapAfter, Action::SleepAfter]);
            let acting = [Fault::CutAfter, Fault::ErrorBeforeSticky, Fault::ErrorAfterSticky, Fault::Late];
            actions.extend(acting.map(Action::Answer));
            actions.push(Action::Later);
            if range == Range::All {
                actions.push(Action::Answer(Fault::ErrorAfter));
            }
        }
        actions
    }
}
