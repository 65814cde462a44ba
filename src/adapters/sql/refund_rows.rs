//! A refund as a row of `refunds`: the one place where its columns become domain values and back.

use rust_decimal::Decimal;
use sqlx::FromRow;
use uuid::Uuid;

use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::Columns;
use crate::adapters::sql::text::storable;
use crate::domain::money::Money;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::domain::refund::{Refund, RefundId, RefundPurpose, RefundState, Sending};
use crate::ports::order_repository::RepositoryError;

/// Told to those who go on with a refund that was never requested in this database.
pub const NOT_REQUESTED: &str = "no such refund was requested here";

/// The columns that [`RefundRow`] is read from.
macro_rules! refund_columns {
    () => {
        "id, order_id, reference, CAST(amount AS text) AS amount, currency, purpose, requested_by, requested_at, \
         state, sending_number, sending_since, name, reason_code, reason_category, reason_message"
    };
}
pub(in crate::adapters) use refund_columns;

/// A row of `refunds`.
#[derive(Clone, FromRow)]
pub struct RefundRow {
    pub(crate) id: Uuid,
    pub(crate) order_id: String,
    pub(crate) reference: String,
    /// A decimal at the currency's scale, as text: exact in either database.
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) purpose: String,
    pub(crate) requested_by: String,
    pub(crate) requested_at: Moment,
    #[sqlx(flatten)]
    pub(crate) state: RefundStateRow,
}

/// The columns of `refunds` that say how far the refund is.
#[derive(Clone, Default, FromRow)]
pub struct RefundStateRow {
    pub(crate) state: String,
    pub(crate) sending_number: Option<i64>,
    pub(crate) sending_since: Option<Moment>,
    pub(crate) name: Option<String>,
    pub(crate) reason_code: Option<String>,
    pub(crate) reason_category: Option<String>,
    pub(crate) reason_message: Option<String>,
}

impl RefundRow {
    /// The row of this refund.
    pub fn of(refund: &Refund) -> Self {
        Self {
            id: refund.id.as_uuid(),
            order_id: refund.order_id.to_string(),
            reference: refund.reference.to_string(),
            amount: refund.amount.amount().to_string(),
            currency: refund.amount.currency().code().to_owned(),
            purpose: refund.purpose.as_str().to_owned(),
            requested_by: storable(&refund.requested_by).into_owned(),
            requested_at: Moment(refund.requested_at),
            state: RefundStateRow::of(&refund.state),
        }
    }

    /// The refund of this row.
    ///
    /// # Errors
    /// [`RepositoryError::Corrupt`], naming the column.
    pub fn read(self) -> Result<Refund, RepositoryError> {
        let column = Columns { order_id: &self.order_id };
        let amount = Money::parse(&self.amount, &self.currency)
            .map_err(|error| column.corrupt("refunds.amount, currency", error))?;
        Ok(Refund {
            id: RefundId::from_uuid(self.id),
            order_id: self.order_id.parse().map_err(|error| column.corrupt("refunds.order_id", error))?,
            reference: column.token("refunds.reference", Some(self.reference))?,
            amount,
            purpose: column.named("refunds.purpose", &self.purpose, RefundPurpose::from_name)?,
            requested_by: self.requested_by,
            requested_at: self.requested_at.0,
            state: self.state.read(&column)?,
        })
    }
}

impl RefundStateRow {
    /// The columns of this state; those that it has no value for are null.
    pub fn of(state: &RefundState) -> Self {
        let row = Self { state: state.name().to_owned(), ..Self::default() };
        match state {
            RefundState::Requested => row,
            RefundState::Sending(sending) => {
                let (number, since) = (i64::from(sending.number), Moment(sending.since));
                Self { sending_number: Some(number), sending_since: Some(since), ..row }
            }
            RefundState::Pending(name) | RefundState::Succeeded(name) => Self { name: Some(name.to_string()), ..row },
            RefundState::Failed { name, reason } => Self {
                name: name.as_ref().map(ToString::to_string),
                reason_code: Some(storable(&reason.code).into_owned()),
                reason_category: Some(reason.category.as_str().to_owned()),
                reason_message: Some(storable(&reason.message).into_owned()),
                ..row
            },
        }
    }

    fn read(self, column: &Columns<'_>) -> Result<RefundState, RepositoryError> {
        Ok(match self.state.as_str() {
            "REQUESTED" => RefundState::Requested,
            "SENDING" => {
                let number = column.present("refunds.sending_number", self.sending_number)?;
                let number = u32::try_from(number).map_err(|error| column.corrupt("refunds.sending_number", error))?;
                let since = column.present("refunds.sending_since", self.sending_since)?.0;
                RefundState::Sending(Sending { number, since })
            }
            "PENDING" => RefundState::Pending(column.token("refunds.name", self.name)?),
            "SUCCEEDED" => RefundState::Succeeded(column.token("refunds.name", self.name)?),
            "FAILED" => {
                let name = column.optional_token("refunds.name", self.name.clone())?;
                RefundState::Failed { name, reason: self.reason(column)? }
            }
            unknown => return Err(column.corrupt("refunds.state", format_args!("{unknown:?} is not known"))),
        })
    }

    fn reason(self, column: &Columns<'_>) -> Result<FailureReason, RepositoryError> {
        let category = column.present("refunds.reason_category", self.reason_category)?;
        Ok(FailureReason {
            code: column.present("refunds.reason_code", self.reason_code)?,
            category: column.named("refunds.reason_category", &category, FailureCategory::from_name)?,
            message: column.present("refunds.reason_message", self.reason_message)?,
        })
    }
}

/// The sum of these amounts, as they are stored.
///
/// # Errors
/// [`RepositoryError::Corrupt`] where one is no decimal.
pub fn sum_of(amounts: &[String], order_id: &str) -> Result<Decimal, RepositoryError> {
    let column = Columns { order_id };
    let amount = |text: &String| Decimal::from_str_exact(text).map_err(|error| column.corrupt("refunds.amount", error));
    amounts.iter().map(amount).sum()
}

/// The refunds of these rows. One that cannot be read is reported and left out: it must not keep the
/// others from being looked at.
pub fn readable_refunds(rows: Vec<RefundRow>) -> Vec<Refund> {
    let read = |row: RefundRow| {
        let id = row.id;
        let report = |error: &RepositoryError| {
            tracing::error!(refund.id = %id, %error, "refund {id} is left alone until someone has looked at its row");
        };
        row.read().inspect_err(report).ok()
    };
    rows.into_iter().filter_map(read).collect()
}
