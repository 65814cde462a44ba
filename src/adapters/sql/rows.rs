//! The tables' rows and what they mean: the one place where columns become domain values and back.
//!
//! Both directions are total: what the domain can say has a row, and a row that says nothing the
//! domain knows is reported with its order and column, never guessed at.

use std::sync::Arc;

use sqlx::FromRow;
use uuid::Uuid;

use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::text::storable;
use crate::domain::attempt::Attempt;
use crate::domain::money::Money;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::outcome::{EventId, FailureCategory, FailureReason, OutcomeKind};
use crate::domain::payment::{Armament, ChargeFlow, Payment, PaymentState};
use crate::domain::request::{Assumed, Origin, Past, PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{PaidAt, PaidOrder, RepositoryError, StoredOrder, Tally, Waiting};

/// A row of `orders`.
#[derive(Clone, FromRow)]
pub struct OrderRow {
    pub(crate) id: String,
    pub(crate) customer_email: String,
    /// A decimal at the currency's scale, as text: exact in either database.
    pub(crate) total_amount: String,
    pub(crate) currency: String,
    pub(crate) status: String,
}

/// A row of `payments`, but for its key's order.
#[derive(Clone, FromRow)]
pub struct PaymentRow {
    pub(crate) attempt: i64,
    pub(crate) flow: String,
    pub(crate) payment_method: String,
    pub(crate) customer: Option<String>,
    pub(crate) begun_at: Moment,
    pub(crate) event_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) requested_at: Option<Moment>,
    #[sqlx(flatten)]
    pub(crate) state: StateRow,
}

/// The columns of `payments` that say how far the attempt is.
#[derive(Clone, Default, FromRow)]
pub struct StateRow {
    pub(crate) state: String,
    pub(crate) reference: Option<String>,
    pub(crate) armed_at: Option<Moment>,
    pub(crate) reason_code: Option<String>,
    pub(crate) reason_category: Option<String>,
    pub(crate) reason_message: Option<String>,
    pub(crate) finding: Option<String>,
}

/// An order and, where there is one, an attempt to pay it.
pub struct StoredRow {
    pub(crate) order: OrderRow,
    pub(crate) payment: Option<PaymentRow>,
}

impl OrderRow {
    /// The row of this order.
    pub fn of(order: &Order) -> Self {
        Self {
            id: order.id().to_string(),
            customer_email: order.customer_email().expose().to_owned(),
            total_amount: order.total_amount().amount().to_string(),
            currency: order.total_amount().currency().code().to_owned(),
            status: order.status().as_str().to_owned(),
        }
    }

    /// The order of this row.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(&self) -> Result<Order, RepositoryError> {
        let column = Columns { order_id: &self.id };
        let id = self.id.parse().map_err(|error| column.corrupt("id", error))?;
        // The address itself stays out of the error: it is the customer's.
        let email = self.customer_email.parse().map_err(|error| column.corrupt("customer_email", error))?;
        let total = Money::parse(&self.total_amount, &self.currency)
            .map_err(|error| column.corrupt("total_amount, currency", error))?;
        let status = column.named("status", &self.status, OrderStatus::from_name)?;
        Ok(Order::restore(id, email, total, status))
    }
}

impl PaymentRow {
    /// The row of this attempt.
    pub fn of(payment: &Payment) -> Self {
        let request = &payment.request;
        Self {
            attempt: i64::from(payment.attempt.number()),
            flow: payment.flow.as_str().to_owned(),
            payment_method: request.payment_method.to_string(),
            customer: request.customer.as_ref().map(ToString::to_string),
            begun_at: Moment(payment.begun_at),
            event_id: request.origin.event_id.clone(),
            correlation_id: request.origin.correlation_id.clone(),
            traceparent: request.origin.traceparent.clone(),
            requested_at: request.origin.requested_at.map(Moment),
            state: StateRow::of(&payment.state),
        }
    }

    /// The attempt of this row to pay this order.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(self, order: Order) -> Result<Payment, RepositoryError> {
        let id = order.id().clone();
        let column = Columns { order_id: id.as_str() };
        let attempt = u32::try_from(self.attempt).ok().and_then(Attempt::numbered);
        let attempt = attempt.ok_or_else(|| column.corrupt("attempt", self.attempt))?;
        let flow = column.named("flow", &self.flow, ChargeFlow::from_name)?;
        let state = self.state.read(&column)?;
        let payment_method = column.token("payment_method", Some(self.payment_method))?;
        let customer = column.optional_token("customer", self.customer)?;
        let origin = Origin {
            event_id: self.event_id,
            correlation_id: self.correlation_id,
            traceparent: self.traceparent,
            requested_at: self.requested_at.map(|moment| moment.0),
            past: Past::default(),
            assumed: Assumed::default(),
        };
        let request = Arc::new(PaymentRequest { order, payment_method, customer, origin });
        Ok(Payment { request, attempt, flow, begun_at: self.begun_at.0, state })
    }
}

impl StateRow {
    /// The columns of this state; those that it has no value for are null.
    pub fn of(state: &PaymentState) -> Self {
        let row = Self { state: state.name().to_owned(), ..Self::default() };
        match state {
            PaymentState::Preparing => row,
            PaymentState::Confirming(armament)
            | PaymentState::Unresolved(armament)
            | PaymentState::Abandoning(armament) => row.armed(armament),
            PaymentState::Abandoned { reference } => {
                Self { reference: reference.as_ref().map(ToString::to_string), ..row }
            }
            PaymentState::Fencing { armament, reason } => row.armed(armament).because(reason),
            PaymentState::Succeeded { reference } => Self { reference: Some(reference.to_string()), ..row },
            PaymentState::Canceled { reference, reason } => {
                Self { reference: reference.as_ref().map(ToString::to_string), ..row }.because(reason)
            }
            PaymentState::Review { armament: Some(armament), finding } => {
                Self { finding: Some(storable(finding).into_owned()), ..row }.armed(armament)
            }
            PaymentState::Review { armament: None, finding } => {
                Self { finding: Some(storable(finding).into_owned()), ..row }
            }
        }
    }

    fn armed(self, armament: &Armament) -> Self {
        let reference = armament.reference.as_ref().map(ToString::to_string);
        Self { armed_at: Some(Moment(armament.armed_at)), reference, ..self }
    }

    fn because(self, reason: &FailureReason) -> Self {
        Self {
            reason_code: Some(storable(&reason.code).into_owned()),
            reason_category: Some(reason.category.as_str().to_owned()),
            reason_message: Some(storable(&reason.message).into_owned()),
            ..self
        }
    }

    fn read(self, column: &Columns<'_>) -> Result<PaymentState, RepositoryError> {
        let name = self.state.clone();
        Ok(match name.as_str() {
            "PREPARING" => PaymentState::Preparing,
            "CONFIRMING" => PaymentState::Confirming(self.armament(column)?),
            "UNRESOLVED" => PaymentState::Unresolved(self.armament(column)?),
            "ABANDONING" => PaymentState::Abandoning(self.armament(column)?),
            "ABANDONED" => PaymentState::Abandoned { reference: column.optional_token("reference", self.reference)? },
            "FENCING" => {
                PaymentState::Fencing { armament: self.clone().armament(column)?, reason: self.reason(column)? }
            }
            "SUCCEEDED" => PaymentState::Succeeded { reference: column.token("reference", self.reference)? },
            "CANCELED" => {
                let reference = column.optional_token("reference", self.reference.clone())?;
                PaymentState::Canceled { reference, reason: self.reason(column)? }
            }
            "REVIEW" => {
                let finding = column.present("finding", self.finding.clone())?;
                let armament = self.armed_at.is_some().then(|| self.armament(column)).transpose()?;
                PaymentState::Review { armament, finding }
            }
            unknown => return Err(column.corrupt("state", unknown)),
        })
    }

    fn armament(self, column: &Columns<'_>) -> Result<Armament, RepositoryError> {
        let armed_at = column.present("armed_at", self.armed_at)?.0;
        Ok(Armament { armed_at, reference: column.optional_token("reference", self.reference)? })
    }

    fn reason(self, column: &Columns<'_>) -> Result<FailureReason, RepositoryError> {
        let category = column.present("reason_category", self.reason_category)?;
        Ok(FailureReason {
            code: column.present("reason_code", self.reason_code)?,
            category: column.named("reason_category", &category, FailureCategory::from_name)?,
            message: column.present("reason_message", self.reason_message)?,
        })
    }
}

impl StoredRow {
    /// The order and attempt of this row.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(self) -> Result<StoredOrder, RepositoryError> {
        let order = self.order.read()?;
        let payment = self.payment.map(|payment| payment.read(order.clone())).transpose()?;
        Ok(StoredOrder { order, payment })
    }
}

/// Reads single columns and names them where they cannot be read.
pub(in crate::adapters::sql) struct Columns<'row> {
    pub(in crate::adapters::sql) order_id: &'row str,
}

impl Columns<'_> {
    pub(in crate::adapters::sql) fn corrupt(&self, column: &str, what: impl std::fmt::Display) -> RepositoryError {
        RepositoryError::Corrupt { order_id: self.order_id.to_owned(), problem: format!("{column}: {what}") }
    }

    pub(in crate::adapters::sql) fn present<T>(&self, column: &str, value: Option<T>) -> Result<T, RepositoryError> {
        value.ok_or_else(|| self.corrupt(column, "is null"))
    }

    pub(in crate::adapters::sql) fn named<T>(
        &self,
        column: &str,
        name: &str,
        known: fn(&str) -> Option<T>,
    ) -> Result<T, RepositoryError> {
        known(name).ok_or_else(|| self.corrupt(column, format_args!("{name:?} is not known")))
    }

    pub(in crate::adapters::sql) fn token(
        &self,
        column: &str,
        text: Option<String>,
    ) -> Result<ProviderToken, RepositoryError> {
        self.present(column, text)?.parse().map_err(|error| self.corrupt(column, error))
    }

    pub(in crate::adapters::sql) fn optional_token(
        &self,
        column: &str,
        text: Option<String>,
    ) -> Result<Option<ProviderToken>, RepositoryError> {
        text.map(|text| self.token(column, Some(text))).transpose()
    }
}

/// The payments of these rows. One that cannot be read is reported and left out: it must not keep
/// the others from being looked at.
pub fn readable_payments(rows: Vec<StoredRow>) -> Vec<Payment> {
    let read = |row: StoredRow| match row.read() {
        Ok(stored) => stored.payment,
        Err(error) => {
            tracing::error!(%error, "a due payment is left alone until someone has looked at its row");
            None
        }
    };
    rows.into_iter().filter_map(read).collect()
}

/// The orders of these rows. One that cannot be read is reported and left out: it must not hide the others.
pub fn readable_orders(rows: Vec<StoredRow>) -> Vec<StoredOrder> {
    let report = |error: &RepositoryError| {
        tracing::error!(%error, "an order is left out of a list until someone has looked at its row");
    };
    rows.into_iter().filter_map(|row| row.read().inspect_err(report).ok()).collect()
}

/// A PAID order and when it was settled.
pub struct PaidRow {
    pub(crate) settled_at: Moment,
    pub(crate) stored: StoredRow,
}

impl PaidRow {
    /// Where the next page goes on behind, as its statement takes it.
    pub fn place(&self) -> (Timestamp, String) {
        (self.settled_at.0, self.stored.order.id.clone())
    }
}

/// Where a page goes on behind, as its statement takes it: no id is empty, so all of `since` come after it.
pub fn next_of(since: Timestamp, after: Option<&PaidAt>) -> (Timestamp, String) {
    let behind = after.filter(|after| after.settled_at >= since);
    behind.map_or_else(|| (since, String::new()), |after| (after.settled_at, after.id.to_string()))
}

/// The orders of these rows. One that cannot be read is reported and left out: it must not hide the others.
pub fn readable_paid(rows: Vec<PaidRow>) -> Vec<PaidOrder> {
    let paid = |row: PaidRow| {
        let stored = readable_orders(vec![row.stored]).pop()?;
        let at = PaidAt { settled_at: row.settled_at.0, id: stored.order.id().clone() };
        Some(PaidOrder { at, stored })
    };
    rows.into_iter().filter_map(paid).collect()
}

/// The states of attempts that are held up, by count.
pub fn waiting_of(counts: &[(String, i64)]) -> Waiting {
    let mut waiting = Waiting::default();
    for (state, count) in counts {
        match state.as_str() {
            "REVIEW" => waiting.under_review += count.unsigned_abs(),
            _ => waiting.unresolved += count.unsigned_abs(),
        }
    }
    waiting
}

/// Which end of its order the outbox holds, where these events of it are there.
pub fn told_of(order_id: &OrderId, events: &[Uuid]) -> Option<OutcomeKind> {
    ends_of(order_id).into_iter().find(|(_, id)| events.contains(id)).map(|(kind, _)| kind)
}

/// Both ends that an order may have, with the ids of their events.
pub fn ends_of(order_id: &OrderId) -> [(OutcomeKind, Uuid); 2] {
    [OutcomeKind::Paid, OutcomeKind::Failed].map(|kind| (kind, EventId::of(order_id, kind).as_uuid()))
}

/// The tally of these counts by status.
pub fn tally_of(counts: &[(String, i64)]) -> Tally {
    let count = |status: OrderStatus| {
        let counted = counts.iter().find(|(name, _)| name == status.as_str());
        counted.map_or(0, |(_, count)| count.unsigned_abs())
    };
    Tally { pending: count(OrderStatus::Pending), paid: count(OrderStatus::Paid), failed: count(OrderStatus::Failed) }
}
