//! Refunds.

use comfy_table::Table;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::print;
use crate::domain::money::Money;
use crate::domain::refund::{Refund, RefundState};

/// A refund as commands show it.
#[derive(Debug, Serialize)]
pub(crate) struct RefundView {
    refund_id: String,
    order_id: String,
    amount: String,
    currency: &'static str,
    state: &'static str,
    purpose: &'static str,
    requested_by: String,
    requested_at: String,
    /// The charge that is given back.
    payment_reference: String,
    /// The gateway's name for the refund.
    refund_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
}

#[derive(Debug, Serialize)]
struct FailureView {
    code: String,
    message: String,
}

impl RefundView {
    pub(crate) fn of(refund: &Refund) -> Self {
        let (name, failure) = match &refund.state {
            RefundState::Requested | RefundState::Sending(_) => (None, None),
            RefundState::Pending(name) | RefundState::Succeeded(name) => (Some(name), None),
            RefundState::Failed { name, reason } => {
                let failure = FailureView { code: reason.code.clone(), message: reason.message.clone() };
                (name.as_ref(), Some(failure))
            }
        };
        Self {
            refund_id: refund.id.to_string(),
            order_id: refund.order_id.to_string(),
            amount: refund.amount.amount().to_string(),
            currency: refund.amount.currency().code(),
            state: refund.state.name(),
            purpose: refund.purpose.as_str(),
            requested_by: refund.requested_by.clone(),
            requested_at: rfc3339(refund.requested_at),
            payment_reference: refund.reference.to_string(),
            refund_reference: name.map(ToString::to_string),
            failure,
        }
    }
}

/// A row for each refund.
pub(crate) fn table(refunds: &[Refund]) -> Table {
    let mut table = print::table(&["refund", "amount", "state", "asked for, by", "charge, its refund", "note"]);
    for refund in refunds {
        let view = RefundView::of(refund);
        let asked_for = print::to_the_second(refund.requested_at);
        table.add_row([
            view.refund_id,
            refund.amount.to_string(),
            view.state.to_owned(),
            format!("{asked_for}\n{}", view.requested_by),
            format!("{}\n{}", view.payment_reference, view.refund_reference.unwrap_or_default()),
            view.failure.map(|failure| format!("{}: {}", failure.code, failure.message)).unwrap_or_default(),
        ]);
    }
    print::narrow(&mut table, 5);
    table
}

/// What has gone back of a charge, or is about to.
pub(crate) fn taken_of(refunds: &[Refund]) -> Decimal {
    let counts = |refund: &&Refund| !matches!(refund.state, RefundState::Failed { .. });
    refunds.iter().filter(counts).map(|refund| refund.amount.amount()).sum()
}

/// What can still go back of a charge that took `charged`; `None` where nothing can.
pub(crate) fn left_of(charged: Money, refunds: &[Refund]) -> Option<Money> {
    Money::new(charged.amount() - taken_of(refunds), charged.currency()).ok()
}
