//! Ends an attempt that nobody declined and begins the next one: a transaction of its own, as it is rare.

use crate::adapters::postgres::columns::into_journal;
use crate::adapters::postgres::connections::{Connection, Connections};
use crate::adapters::postgres::load::{attempts, latest};
use crate::adapters::sql::fault::{DatabaseFault, NOT_BEGUN, refused};
use crate::adapters::sql::journal_rows::EvidenceRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::{PaymentRow, StateRow};
use crate::domain::payment::{Payment, Renewal, Transition};
use crate::ports::order_repository::{JournalEntry, Renewing, RepositoryError};

/// The step `renew`.
pub(in crate::adapters::postgres) async fn renew(
    pool: &Connections,
    renewal: &Renewal,
) -> Result<Renewing, RepositoryError> {
    let id = renewal.next.order().id();
    let about = |error: sqlx::Error| DatabaseFault::from(error).about(id.as_str());
    if renewal.next.attempt > renewal.ended.payment.attempt && store(pool, renewal).await.map_err(about)? {
        return Ok(Renewing::Stored);
    }
    if latest(pool, &[id.as_str()]).await.map_err(about)?.is_empty() {
        return Err(refused(id, NOT_BEGUN));
    }
    let (ended, next) = (&renewal.ended.payment, &renewal.next);
    let stored = find(pool, ended).await?.zip(find(pool, next).await?);
    let is_stored = stored.is_some_and(|(ended, next)| renewal.is_stored_as(&ended, &next));
    Ok(if is_stored { Renewing::Stored } else { Renewing::MovedOn })
}

/// Both or neither; says which.
async fn store(pool: &Connections, renewal: &Renewal) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    // The row of the attempt that ends is locked from here on: who moves it on was waited for and is met
    // here, or waits and finds it ended.
    if !end(&mut tx, &renewal.ended).await? {
        return Ok(false);
    }
    begin(&mut tx, renewal).await?;
    tx.commit().await?;
    Ok(true)
}

async fn end(db: &mut Connection, ended: &Transition) -> Result<bool, sqlx::Error> {
    const STATEMENT: &str = concat!(
        "WITH ended AS (
            UPDATE payments p SET state = $3, reference = $4, due_at = NULL, finding = NULL, waits_as = NULL,
                reason_code = NULL, reason_category = NULL, reason_message = NULL, version = p.version + 1
            WHERE p.order_id = $1 AND p.attempt = $2 AND p.state = ANY ($5)
                AND EXISTS (SELECT FROM orders o WHERE o.id = $1 AND o.status NOT IN ('PAID', 'FAILED'))
                AND NOT EXISTS (SELECT FROM payments n WHERE n.order_id = $1 AND n.attempt > $2)
            RETURNING p.order_id, $6::text AS subject, p.version, p.state,
                $7::text AS exchanges, $8::text AS actor, $9::text AS note
        ) ",
        into_journal!("ended")
    );
    let Transition { payment, replaces, evidence } = ended;
    let (state, evidence) = (StateRow::of(&payment.state), EvidenceRow::of(evidence));
    let ended = sqlx::query(STATEMENT)
        .bind(payment.order().id().as_str())
        .bind(i64::from(payment.attempt.number()))
        .bind(state.state)
        .bind(state.reference)
        .bind(*replaces)
        .bind(JournalEntry::subject_of_payment(payment.attempt))
        .bind(evidence.exchanges)
        .bind(evidence.actor)
        .bind(evidence.note)
        .execute(db)
        .await?;
    Ok(ended.rows_affected() == 1)
}

async fn begin(db: &mut Connection, renewal: &Renewal) -> Result<(), sqlx::Error> {
    const STATEMENT: &str = concat!(
        "WITH begun AS (
            INSERT INTO payments (order_id, attempt, state, flow, payment_method, customer, reference,
                begun_at, armed_at, due_at, event_id, correlation_id, traceparent, requested_at, waits_as)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                CASE WHEN $3 IN ('UNRESOLVED', 'FENCING', 'ABANDONING', 'REVIEW') THEN $3 END)
            RETURNING order_id, $15::text AS subject, version, state,
                NULL::text AS exchanges, NULL::text AS actor, NULL::text AS note
        ) ",
        into_journal!("begun")
    );
    let (next, row) = (&renewal.next, PaymentRow::of(&renewal.next));
    sqlx::query(STATEMENT)
        .bind(next.order().id().as_str())
        .bind(row.attempt)
        .bind(row.state.state)
        .bind(row.flow)
        .bind(row.payment_method)
        .bind(row.customer)
        .bind(row.state.reference)
        .bind(row.begun_at)
        .bind(row.state.armed_at)
        .bind(Moment(renewal.due()))
        .bind(row.event_id)
        .bind(row.correlation_id)
        .bind(row.traceparent)
        .bind(row.requested_at)
        .bind(JournalEntry::subject_of_payment(next.attempt))
        .execute(db)
        .await?;
    Ok(())
}

/// That attempt as it is stored.
async fn find(pool: &Connections, payment: &Payment) -> Result<Option<Payment>, RepositoryError> {
    let id = payment.order().id().as_str();
    let found = attempts(pool, &[id], &[i64::from(payment.attempt.number())]).await;
    let mut found = found.map_err(|error| DatabaseFault::from(error).about(id))?;
    Ok(found.remove(id).transpose()?.and_then(|stored| stored.payment))
}
