//! What the decorated ports report of a call, for the invariants and for the sightings.

use order_payments::domain::order::OrderStatus;
use order_payments::domain::outcome::EventId;
use order_payments::domain::payment::ChargeFlow;
use order_payments::ports::order_repository::{Renewing, Settling};
use order_payments::ports::payment_gateway::GatewayError;

use crate::explore::calls::Call;

/// Something that a call has asked for or was told.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A request is sent to the provider, for this attempt; below all mutants.
    Sent(Request),
    /// What the provider truly answered.
    Answered(Call, Class),
    /// `arm` told its caller that this reference may be charged.
    Armed(u32, String),
    /// `arm` told its caller that someone else was faster.
    NotArmed,
    /// An order is to be settled so.
    Settling(OrderStatus),
    /// What `settle` told its caller.
    Settled(Settling),
    /// What `renew` told its caller, and whether it took up an attempt of an earlier life, and which.
    Renewed(Renewing, bool, u32),
    /// Events were handed to the topic.
    Published(Vec<(EventId, Vec<u8>)>),
    /// The topic takes nothing from this publisher any more.
    Fenced,
    /// What was found on the topic at a take-over: known here, not known here.
    Adopted(u64, u64),
}

/// A request to the provider.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) call: Call,
    pub(crate) attempt: u32,
    pub(crate) flow: ChargeFlow,
    pub(crate) reference: Option<String>,
    /// The refund and the number of its key, where it is one.
    pub(crate) refund: Option<(String, u32)>,
}

/// What an answer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Fine,
    Approved,
    Declined,
    Refused,
    /// Canceled by somebody who told why.
    Canceled,
    Void,
    Unconfirmed,
    NotFound,
    Unavailable,
    Unknown,
    /// Unknown, because the key is in use.
    InUse,
    Closed,
    Rejected,
    Contradiction,
}

impl Class {
    pub(crate) fn of(error: &GatewayError) -> Self {
        match error {
            GatewayError::Unavailable { .. } => Self::Unavailable,
            GatewayError::Unknown { detail } if detail.contains("409") => Self::InUse,
            GatewayError::Unknown { .. } => Self::Unknown,
            GatewayError::Closed { .. } => Self::Closed,
            GatewayError::Rejected { .. } => Self::Rejected,
            GatewayError::Contradiction { .. } => Self::Contradiction,
        }
    }

    /// Whether nothing is known now that was not known before.
    pub(crate) const fn says_nothing(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Unknown | Self::InUse | Self::Closed | Self::Rejected | Self::Contradiction
        )
    }
}
