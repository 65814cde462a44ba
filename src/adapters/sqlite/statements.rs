//! The statements of a payment's steps, one row at a time.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqliteExecutor};

use crate::adapters::sql::fault::{DatabaseFault, unavailable};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::outbox_rows::EventRow;
use crate::adapters::sql::rows::{OrderRow, PaymentRow, StateRow, StoredRow};
use crate::adapters::sql::stored_columns;
use crate::adapters::sqlite::journal;
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId};
use crate::domain::outcome::EventId;
use crate::domain::payment::Payment;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError, StoredOrder};
use crate::ports::outbox::{OutcomeEvent, Published};

/// The moment now by the machine's clock, in microseconds with the resolution of a millisecond.
macro_rules! now {
    () => {
        "CAST(unixepoch('subsec') * 1000000 AS integer)"
    };
}
pub(in crate::adapters::sqlite) use now;

/// An order with its latest attempt.
pub(in crate::adapters::sqlite) async fn latest(
    db: impl SqliteExecutor<'_>,
    id: &OrderId,
) -> Result<Option<StoredOrder>, RepositoryError> {
    const STATEMENT: &str = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM orders o LEFT JOIN payments p ON p.order_id = o.id
            AND p.attempt = (SELECT max(attempt) FROM payments WHERE order_id = o.id)
          WHERE o.id = ?"
    );
    let row = sqlx::query(STATEMENT).bind(id.as_str()).fetch_optional(db).await.map_err(unavailable)?;
    row.map(|row| stored(&row).map_err(unavailable)?.read()).transpose()
}

/// That attempt to pay an order.
pub(in crate::adapters::sqlite) async fn attempt(
    db: impl SqliteExecutor<'_>,
    id: &OrderId,
    attempt: Attempt,
) -> Result<Option<Payment>, RepositoryError> {
    const STATEMENT: &str = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.id = ? AND p.attempt = ?"
    );
    let query = sqlx::query(STATEMENT).bind(id.as_str()).bind(i64::from(attempt.number()));
    let row = query.fetch_optional(db).await.map_err(unavailable)?;
    let stored = row.map(|row| stored(&row).map_err(unavailable)?.read()).transpose()?;
    Ok(stored.and_then(|stored| stored.payment))
}

/// A row of `stored_columns!`.
pub(in crate::adapters::sqlite) fn stored(row: &SqliteRow) -> Result<StoredRow, sqlx::Error> {
    let attempt: Option<i64> = row.try_get("attempt")?;
    let payment = attempt.map(|_| PaymentRow::from_row(row)).transpose()?;
    Ok(StoredRow { order: OrderRow::from_row(row)?, payment })
}

/// Adds an order that is new.
pub(in crate::adapters::sqlite) async fn insert_order(
    db: &mut SqliteConnection,
    order: &Order,
) -> Result<(), RepositoryError> {
    const STATEMENT: &str = concat!(
        "INSERT INTO orders (id, customer_email, total_amount, currency, status, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ",
        now!(),
        ", ",
        now!(),
        ")"
    );
    let row = OrderRow::of(order);
    let query = sqlx::query(STATEMENT).bind(&row.id).bind(row.customer_email).bind(row.total_amount);
    let inserted = query.bind(row.currency).bind(row.status).execute(db).await;
    inserted.map(|_| ()).map_err(|error| DatabaseFault::from(error).about(&row.id))
}

/// Adds an attempt that is new, with its first entry in the journal.
pub(in crate::adapters::sqlite) async fn insert_payment(
    db: &mut SqliteConnection,
    payment: &Payment,
    due: Timestamp,
) -> Result<(), RepositoryError> {
    const STATEMENT: &str = "
        INSERT INTO payments (order_id, attempt, state, flow, payment_method, customer, reference, begun_at,
            armed_at, due_at, event_id, correlation_id, traceparent, requested_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING version";
    let (id, row) = (payment.order().id().as_str(), PaymentRow::of(payment));
    let version = sqlx::query_scalar(STATEMENT)
        .bind(id)
        .bind(row.attempt)
        .bind(row.state.state)
        .bind(row.flow)
        .bind(row.payment_method)
        .bind(row.customer)
        .bind(row.state.reference)
        .bind(row.begun_at)
        .bind(row.state.armed_at)
        .bind(Moment(due))
        .bind(row.event_id)
        .bind(row.correlation_id)
        .bind(row.traceparent)
        .bind(row.requested_at)
        .fetch_one(&mut *db)
        .await
        .map_err(|error| DatabaseFault::from(error).about(id))?;
    let subject = JournalEntry::subject_of_payment(payment.attempt);
    journal::insert(db, id, &subject, version, payment.state.name(), &Evidence::default()).await
}

/// Stores how far an attempt is, with an entry in the journal, and when it is to be looked at again: as
/// before, where no date is given.
pub(in crate::adapters::sqlite) async fn update_payment(
    db: &mut SqliteConnection,
    payment: &Payment,
    due: Option<Timestamp>,
    evidence: &Evidence,
) -> Result<(), RepositoryError> {
    // Since when it may have been charged stays on the books when the payment ends. What rests is not due;
    // anything else never stops to be.
    const STATEMENT: &str = concat!(
        "UPDATE payments SET state = ?1, reference = ?2,
            armed_at = iif(?1 IN ('SUCCEEDED', 'CANCELED', 'ABANDONED'), armed_at, ?3),
            due_at = iif(?11, NULL, coalesce(?4, due_at, ",
        now!(),
        ")),
            reason_code = ?5, reason_category = ?6, reason_message = ?7, finding = ?8, version = version + 1
         WHERE order_id = ?9 AND attempt = ?10 RETURNING version"
    );
    let (id, state) = (payment.order().id().as_str(), StateRow::of(&payment.state));
    let version = sqlx::query_scalar(STATEMENT)
        .bind(state.state)
        .bind(state.reference)
        .bind(state.armed_at)
        .bind(due.map(Moment))
        .bind(state.reason_code)
        .bind(state.reason_category)
        .bind(state.reason_message)
        .bind(state.finding)
        .bind(id)
        .bind(i64::from(payment.attempt.number()))
        .bind(payment.state.rests())
        .fetch_one(&mut *db)
        .await
        .map_err(|error| DatabaseFault::from(error).about(id))?;
    let subject = JournalEntry::subject_of_payment(payment.attempt);
    journal::insert(db, id, &subject, version, payment.state.name(), evidence).await
}

/// Stores the end of an order.
pub(in crate::adapters::sqlite) async fn update_order(
    db: &mut SqliteConnection,
    order: &Order,
) -> Result<(), RepositoryError> {
    const STATEMENT: &str = concat!("UPDATE orders SET status = ?, updated_at = ", now!(), " WHERE id = ?");
    let query = sqlx::query(STATEMENT).bind(order.status().as_str()).bind(order.id().as_str());
    let updated = query.execute(db).await;
    updated.map(|_| ()).map_err(|error| DatabaseFault::from(error).about(order.id().as_str()))
}

/// Whether this event is in the outbox, published or not.
pub(in crate::adapters::sqlite) async fn has_event(
    db: &mut SqliteConnection,
    id: EventId,
) -> Result<bool, RepositoryError> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM outbox WHERE event_id = ?)").bind(id.as_uuid());
    found.fetch_one(db).await.map_err(unavailable)
}

/// Adds an event to the outbox, unless it is there; says whether it was added.
pub(in crate::adapters::sqlite) async fn insert_event(
    db: &mut SqliteConnection,
    event: &OutcomeEvent,
    published: Option<Published>,
) -> Result<bool, RepositoryError> {
    const STATEMENT: &str = concat!(
        r#"INSERT INTO outbox
            (event_id, order_id, event_type, headers, payload, created_at, published_at, "partition", "offset")
         VALUES (?1, ?2, ?3, ?4, ?5, "#,
        now!(),
        ", iif(?6 IS NULL, NULL, ",
        now!(),
        "), ?6, ?7) ON CONFLICT (event_id) DO NOTHING"
    );
    let row = EventRow::of(event);
    let inserted = sqlx::query(STATEMENT)
        .bind(row.event_id)
        .bind(&row.order_id)
        .bind(row.event_type)
        .bind(row.headers)
        .bind(row.payload)
        .bind(published.map(|published| published.partition))
        .bind(published.map(|published| published.offset))
        .execute(db)
        .await;
    inserted.map(|done| done.rows_affected() == 1).map_err(|error| DatabaseFault::from(error).about(&row.order_id))
}
