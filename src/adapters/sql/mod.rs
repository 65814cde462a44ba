//! What the SQL databases share: rows and their meaning, group commit, configuration and errors.
//! Speaks to no database itself.

pub mod config;
pub mod fault;
pub mod finding_rows;
pub mod gate_rows;
pub mod group_commit;
pub mod journal_rows;
pub mod moment;
pub mod outbox_rows;
pub mod refund_rows;
pub mod rows;
pub mod text;

/// The columns that [`rows::StoredRow`] is read from: `o` is an order, `p` its attempt or nulls.
macro_rules! stored_columns {
    () => {
        "o.id, o.customer_email, CAST(o.total_amount AS text) AS total_amount, o.currency, o.status, \
         p.attempt, p.state, p.flow, p.payment_method, p.customer, p.reference, p.begun_at, p.armed_at, \
         p.reason_code, p.reason_category, p.reason_message, p.finding, \
         p.event_id, p.correlation_id, p.traceparent, p.requested_at"
    };
}
pub(in crate::adapters) use stored_columns;
