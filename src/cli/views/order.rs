//! Orders, and how far their payments are.

use comfy_table::Table;
use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::print;
use crate::domain::payment::{Payment, PaymentState};
use crate::ports::order_repository::StoredOrder;

/// An order as commands show it. No e-mail address.
#[derive(Debug, Serialize)]
pub(crate) struct OrderView {
    pub(crate) order_id: String,
    pub(crate) status: &'static str,
    total_amount: String,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentView>,
}

#[derive(Debug, Serialize)]
struct PaymentView {
    state: &'static str,
    attempt: u32,
    flow: &'static str,
    begun_at: String,
    reference: Option<String>,
    note: Option<String>,
}

impl OrderView {
    pub(crate) fn of(stored: &StoredOrder) -> Self {
        let total = stored.order.total_amount();
        Self {
            order_id: stored.order.id().to_string(),
            status: stored.order.status().as_str(),
            total_amount: total.amount().to_string(),
            currency: total.currency().code(),
            payment: stored.payment.as_ref().map(PaymentView::of),
        }
    }
}

impl PaymentView {
    fn of(payment: &Payment) -> Self {
        Self {
            state: payment.state.name(),
            attempt: payment.attempt.number(),
            flow: payment.flow.as_str(),
            begun_at: rfc3339(payment.begun_at),
            reference: payment.reference().map(ToString::to_string),
            note: match &payment.state {
                PaymentState::Fencing { reason, .. } | PaymentState::Canceled { reason, .. } => {
                    Some(format!("{}: {}", reason.code, reason.message))
                }
                PaymentState::Review { finding, .. } => Some(finding.clone()),
                _ => None,
            },
        }
    }
}

/// A row for each order.
pub(crate) fn table(views: &[OrderView]) -> Table {
    let mut table = print::table(&["order", "status", "amount", "payment", "attempt", "reference", "note"]);
    for view in views {
        let payment = view.payment.as_ref();
        table.add_row([
            view.order_id.clone(),
            view.status.to_owned(),
            format!("{} {}", view.total_amount, view.currency),
            payment.map_or_else(String::new, |payment| payment.state.to_owned()),
            payment.map_or_else(String::new, |payment| payment.attempt.to_string()),
            payment.and_then(|payment| payment.reference.clone()).unwrap_or_default(),
            payment.and_then(|payment| payment.note.clone()).unwrap_or_default(),
        ]);
    }
    print::narrow(&mut table, 6);
    table
}
