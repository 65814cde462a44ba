//! What is seen of a call, and what was asked by it. Values only: no I/O.

use std::time::Duration;

use crate::adapters::stripe::rate::Endpoint;
use crate::adapters::stripe::wire::ApiError;
use crate::domain::request::ProviderToken;

/// What came back.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// No answer.
    Failed {
        /// How far the request got.
        failure: Failure,
        /// For a person.
        detail: String,
    },
    /// An answer, readable or not.
    Answered(Answer),
}

/// How a call failed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request could not be put together; nothing was sent.
    NotBuilt,
    /// No connection was made; nothing was sent.
    NotConnected,
    /// The server's certificate is not to be trusted; nothing was sent.
    Certificate,
    /// The connection was made and the answer lost: the request may have been executed.
    Lost,
}

/// An HTTP answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Stripe-Should-Retry`, which overrules the status where it is given.
    pub(crate) should_retry: Option<bool>,
    /// `Idempotent-Replayed`: the stored answer of an earlier request.
    pub(crate) replayed: bool,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) request_id: Option<String>,
    /// Empty where it was too long or cut off.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Status, type, code and request id: enough for Stripe's support, nothing that is private.
    pub(crate) fn describe(&self, error: Option<&ApiError<'_>>) -> String {
        use std::fmt::Write as _;

        use crate::adapters::stripe::declines::published;
        let mut text = format!("status {}", self.status);
        for (name, value) in [("type", error.map(ApiError::kind)), ("code", error.map(ApiError::cause))] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = write!(text, ", {name} {}", published(value)); // Writing to a string cannot fail.
            }
        }
        if let Some(id) = &self.request_id {
            let _ = write!(text, ", request {}", published(id));
        }
        text
    }
}

/// What was asked, so far as its answer is judged by it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// Something about one intent.
    Intent(Step, Expected<'a>),
    /// The intents that name an order.
    Search(Expected<'a>),
    /// Money back.
    Refund(ExpectedRefund<'a>),
    /// A page of the refunds of a charge: whether this money was given back before.
    Refunds(ExpectedRefund<'a>),
    /// A page of the intents of a stretch of time.
    List {
        /// The mode of our key, where the key tells it.
        livemode: Option<bool>,
    },
    /// A page of the refunds of a stretch of time.
    ListRefunds,
    /// Whether we are let in.
    Probe,
}

impl Asked<'_> {
    /// The name under which its calls are measured and noted.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Intent(Step::Prepare, _) => "prepare",
            Self::Intent(Step::Charge, _) => "charge",
            Self::Intent(Step::LookUp, _) => "look_up",
            Self::Intent(Step::Cancel, _) => "cancel",
            Self::Search(_) => "search",
            Self::Refund(_) => "refund",
            Self::Refunds(_) => "look_up_refund",
            Self::List { .. } => "charges",
            Self::ListRefunds => "refunds",
            Self::Probe => "probe",
        }
    }

    /// Which of the provider's limits the call counts towards.
    pub(crate) const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Intent(Step::Charge, Expected { reference: Some(_), .. }) => Endpoint::Confirm,
            Self::Intent(Step::Prepare | Step::Charge, _) => Endpoint::Create,
            Self::Intent(Step::Cancel, _) => Endpoint::Cancel,
            Self::Intent(Step::LookUp, _) | Self::Refunds(_) => Endpoint::Retrieve,
            Self::Search(_) => Endpoint::Search,
            Self::List { .. } | Self::ListRefunds | Self::Probe => Endpoint::List,
            Self::Refund(_) => Endpoint::Refund,
        }
    }

    /// The object that the request named, which Stripe must therefore know.
    pub(crate) fn reference(&self) -> Option<&ProviderToken> {
        match self {
            Self::Intent(_, expected) => expected.reference,
            Self::Refund(expected) | Self::Refunds(expected) => Some(expected.reference),
            Self::Search(_) | Self::List { .. } | Self::ListRefunds | Self::Probe => None,
        }
    }
}

/// What was asked of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make it.
    Prepare,
    /// Charge it, or make and charge it.
    Charge,
    /// Show it.
    LookUp,
    /// Cancel it.
    Cancel,
}

/// What an intent must say to be the one that was asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) units: i64,
    pub(crate) currency: &'a str,
    pub(crate) order_id: &'a str,
    pub(crate) attempt: u32,
    /// The mode of our key, where the key tells it.
    pub(crate) livemode: Option<bool>,
    pub(crate) reference: Option<&'a ProviderToken>,
}

/// What a refund must say to be the one that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedRefund<'a> {
    pub(crate) units: i64,
    pub(crate) currency: &'a str,
    pub(crate) reference: &'a ProviderToken,
    pub(crate) refund_id: &'a str,
}
