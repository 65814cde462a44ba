//! What a dead letter would be, were its record sent now: by the very decoder of the service, and by the store.

use serde::Serialize;

use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::cli::dead_letters::desk::Found;
use crate::cli::safe;
use crate::domain::order::OrderStatus;
use crate::domain::request::PaymentRequest;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::Begun;
use crate::ports::store::Store;

/// What would become of it.
#[derive(Debug, Serialize)]
#[serde(tag = "would_be", rename_all = "snake_case")]
pub(super) enum Today {
    /// Refused once more.
    Refused { reason: &'static str, message: String },
    /// Skipped: it is not for us.
    OtherType { event_type: String },
    /// Taken for a request.
    Request { order_id: String, total_amount: String, currency: &'static str, order: Known },
}

/// What is known here of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Known {
    /// Nothing: it would be charged.
    Unknown,
    /// It is PENDING: the request would add nothing.
    Pending,
    /// It is PAID: the request would add nothing.
    Paid,
    /// It is FAILED: the request would add nothing.
    Failed,
    /// It is known with other terms: the request would be refused as a contradiction.
    Contradicts,
}

impl Today {
    /// # Errors
    /// Where the storage does not answer.
    pub(super) async fn of(
        found: &Found,
        options: &DecodeOptions,
        store: &Store,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let request = match found.record.decode(false, options, now) {
            Err(rejection) => {
                return Ok(Self::Refused { reason: rejection.reason.as_str(), message: rejection.message });
            }
            Ok(Decoded::OtherType(event_type)) => return Ok(Self::OtherType { event_type: safe::text(&event_type) }),
            Ok(Decoded::Request(request)) => request,
        };
        let total = request.order.total_amount();
        Ok(Self::Request {
            order_id: request.order.id().to_string(),
            total_amount: total.amount().to_string(),
            currency: total.currency().code(),
            order: Known::of(&request, store, now).await?,
        })
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Refused { reason, message } => format!("still refused, {reason}: {}", safe::text(message)),
            Self::OtherType { event_type } => format!("an event of type {event_type:?}, which is skipped"),
            Self::Request { order_id, total_amount, currency, order } => {
                format!("a request for order {order_id}, {total_amount} {currency}: {}", order.sentence())
            }
        }
    }
}

impl Known {
    async fn of(request: &PaymentRequest, store: &Store, now: Timestamp) -> anyhow::Result<Self> {
        let Some(stored) = store.orders.find(request.order.id()).await? else { return Ok(Self::Unknown) };
        if matches!(stored.met_by(request, now), Some(Begun::Contradicts(_))) {
            return Ok(Self::Contradicts);
        }
        Ok(match stored.order.status() {
            OrderStatus::Pending => Self::Pending,
            OrderStatus::Paid => Self::Paid,
            OrderStatus::Failed => Self::Failed,
        })
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Unknown => "unknown here, so it would be charged",
            Self::Pending => "PENDING here, so it would change nothing",
            Self::Paid => "PAID here, so it would change nothing",
            Self::Failed => "FAILED here, so it would change nothing",
            Self::Contradicts => "known here with other terms, so it would be refused as a contradiction",
        }
    }
}

/// What many letters would be.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Forecast {
    pub(super) requests: usize,
    pub(super) refused_again: usize,
    pub(super) other_types: usize,
}

impl Forecast {
    pub(super) fn of(letters: &[Found], options: &DecodeOptions, now: Timestamp) -> Self {
        let mut forecast = Self::default();
        for found in letters {
            match found.record.decode(false, options, now) {
                Ok(Decoded::Request(_)) => forecast.requests += 1,
                Ok(Decoded::OtherType(_)) => forecast.other_types += 1,
                Err(_) => forecast.refused_again += 1,
            }
        }
        forecast
    }
}
