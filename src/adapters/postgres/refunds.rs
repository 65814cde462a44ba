//! Refunds in PostgreSQL: each step a small transaction, as they are rare.

use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::postgres::PostgresOrderRepository;
use crate::adapters::postgres::columns::into_journal;
use crate::adapters::postgres::connections::Connection;
use crate::adapters::sql::fault::{DatabaseFault, refused, unavailable};
use crate::adapters::sql::journal_rows::EvidenceRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::outbox_rows::EventRow;
use crate::adapters::sql::refund_rows::{
    NOT_REQUESTED, RefundRow, RefundStateRow, readable_refunds, refund_columns, sum_of,
};
use crate::adapters::wire::refund::encode;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundId, RefundStep};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError};
use crate::ports::outbox::OutcomeEvent;
use crate::ports::refund_repository::{Advancing, RefundRepository, Requesting};

#[async_trait]
impl RefundRepository for PostgresOrderRepository {
    async fn request(&self, refund: &Refund, charged: Money) -> Result<Requesting, RepositoryError> {
        let about = |error: sqlx::Error| DatabaseFault::from(error).about(refund.order_id.as_str());
        let mut tx = self.pool.begin().await.map_err(about)?;
        lock_charge(&mut tx, refund).await.map_err(about)?;
        // Statements of their own: they see what the holder of the locks committed.
        if let Some(stored) = find(&mut tx, refund.id).await.map_err(about)? {
            return Ok(Requesting::Before(stored.read()?));
        }
        let taken = amounts_of(&mut tx, refund).await.map_err(about)?;
        if let Some(refusal) = Requesting::refused(refund, charged, sum_of(&taken, refund.order_id.as_str())?) {
            return Ok(refusal);
        }
        insert(&mut tx, refund).await.map_err(about)?;
        tx.commit().await.map_err(about)?;
        Ok(Requesting::Stored)
    }

    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        let order_id = &step.refund.order_id;
        let about = |error: sqlx::Error| DatabaseFault::from(error).about(order_id.as_str());
        let mut tx = self.pool.begin().await.map_err(about)?;
        let stored = lock(&mut tx, step.refund.id).await.map_err(about)?;
        let stored = stored.ok_or_else(|| refused(order_id, NOT_REQUESTED))?.read()?;
        if !step.may_replace(&stored) {
            return Ok(Advancing::MovedOn);
        }
        update(&mut tx, step, due).await.map_err(about)?;
        if let Some(outcome) = &step.outcome {
            tell(&mut tx, &encode(outcome)).await.map_err(about)?;
        }
        tx.commit().await.map_err(about)?;
        Ok(Advancing::Stored)
    }

    async fn claim_due_refunds(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError> {
        const STATEMENT: &str = concat!(
            "WITH due AS (
                SELECT id, due_at FROM refunds WHERE due_at <= $1
                ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE refunds r SET due_at = $3 FROM due d WHERE r.id = d.id RETURNING r.*, d.due_at AS was_due_at
            ) SELECT ",
            refund_columns!(),
            " FROM claimed ORDER BY was_due_at, id"
        );
        let query = sqlx::query_as(STATEMENT).bind(Moment(now)).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = query.bind(Moment(now.plus(lease))).fetch_all(&self.pool).await;
        Ok(readable_refunds(rows.map_err(unavailable)?))
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, RepositoryError> {
        let mut db = self.pool.acquire().await.map_err(unavailable)?;
        find(&mut db, id).await.map_err(unavailable)?.map(RefundRow::read).transpose()
    }

    async fn refunds_of(&self, order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError> {
        const STATEMENT: &str =
            concat!("SELECT ", refund_columns!(), " FROM refunds WHERE order_id = $1 ORDER BY requested_at, id");
        let rows = sqlx::query_as(STATEMENT).bind(order_id.as_str()).fetch_all(&self.pool).await;
        Ok(readable_refunds(rows.map_err(unavailable)?))
    }

    async fn hasten_refund(&self, id: RefundId, now: Timestamp) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            WITH hastened AS (
                UPDATE refunds SET due_at = least(due_at, $2) WHERE id = $1 AND state <> 'FAILED'
            ) SELECT EXISTS (SELECT FROM refunds WHERE id = $1)";
        let query = sqlx::query_scalar(STATEMENT).bind(id.as_uuid()).bind(Moment(now));
        query.fetch_one(&self.pool).await.map_err(unavailable)
    }
}

/// Lets one request at a time add to what is taken of a charge.
///
/// The order's row is the lock wherever there is one; the name of the charge is another, for charges whose
/// order is not known here and for those that two orders name.
async fn lock_charge(db: &mut Connection, refund: &Refund) -> Result<(), sqlx::Error> {
    const ORDER: &str = "SELECT FROM orders WHERE id = $1 FOR UPDATE";
    const CHARGE: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    sqlx::query(ORDER).bind(refund.order_id.as_str()).execute(&mut *db).await?;
    sqlx::query(CHARGE).bind(refund.reference.as_str()).execute(db).await?;
    Ok(())
}

async fn find(db: &mut Connection, id: RefundId) -> Result<Option<RefundRow>, sqlx::Error> {
    const STATEMENT: &str = concat!("SELECT ", refund_columns!(), " FROM refunds WHERE id = $1");
    sqlx::query_as(STATEMENT).bind(id.as_uuid()).fetch_optional(db).await
}

async fn lock(db: &mut Connection, id: RefundId) -> Result<Option<RefundRow>, sqlx::Error> {
    const STATEMENT: &str = concat!("SELECT ", refund_columns!(), " FROM refunds WHERE id = $1 FOR UPDATE");
    sqlx::query_as(STATEMENT).bind(id.as_uuid()).fetch_optional(db).await
}

/// What goes back of this charge already.
async fn amounts_of(db: &mut Connection, refund: &Refund) -> Result<Vec<String>, sqlx::Error> {
    const STATEMENT: &str = "SELECT amount::text FROM refunds WHERE reference = $1 AND state <> 'FAILED'";
    sqlx::query_scalar(STATEMENT).bind(refund.reference.as_str()).fetch_all(db).await
}

async fn insert(db: &mut Connection, refund: &Refund) -> Result<(), sqlx::Error> {
    const STATEMENT: &str = concat!(
        "WITH requested AS (
            INSERT INTO refunds (id, version, order_id, reference, amount, currency, purpose,
                requested_by, requested_at, state, due_at)
            VALUES ($1, 1, $2, $3, $4::text::numeric, $5, $6, $7, $8, $9, $8)
            RETURNING order_id, $10::text AS subject, version, state,
                $11::text AS exchanges, $12::text AS actor, $13::text AS note
        ) ",
        into_journal!("requested")
    );
    let (row, asked_for) = (RefundRow::of(refund), refund.asked_for());
    let evidence = EvidenceRow::of(&asked_for);
    sqlx::query(STATEMENT)
        .bind(row.id)
        .bind(row.order_id)
        .bind(row.reference)
        .bind(row.amount)
        .bind(row.currency)
        .bind(row.purpose)
        .bind(row.requested_by)
        .bind(row.requested_at)
        .bind(row.state.state)
        .bind(JournalEntry::subject_of_refund(refund.id))
        .bind(evidence.exchanges)
        .bind(evidence.actor)
        .bind(evidence.note)
        .execute(db)
        .await?;
    Ok(())
}

async fn update(db: &mut Connection, step: &RefundStep, due: Option<Timestamp>) -> Result<(), sqlx::Error> {
    const STATEMENT: &str = concat!(
        "WITH advanced AS (
            UPDATE refunds SET state = $2, sending_number = $3, sending_since = $4, name = $5,
                reason_code = $6, reason_category = $7, reason_message = $8, due_at = $9, version = version + 1
            WHERE id = $1
            RETURNING order_id, $10::text AS subject, version, state,
                $11::text AS exchanges, $12::text AS actor, $13::text AS note
        ) ",
        into_journal!("advanced")
    );
    let (state, evidence) = (RefundStateRow::of(&step.refund.state), EvidenceRow::of(&step.evidence));
    sqlx::query(STATEMENT)
        .bind(step.refund.id.as_uuid())
        .bind(state.state)
        .bind(state.sending_number)
        .bind(state.sending_since)
        .bind(state.name)
        .bind(state.reason_code)
        .bind(state.reason_category)
        .bind(state.reason_message)
        .bind(due.map(Moment))
        .bind(JournalEntry::subject_of_refund(step.refund.id))
        .bind(evidence.exchanges)
        .bind(evidence.actor)
        .bind(evidence.note)
        .execute(db)
        .await?;
    Ok(())
}

/// Adds an event to the outbox, unless it is there: one that was found on the topic stays as it was told.
async fn tell(db: &mut Connection, event: &OutcomeEvent) -> Result<(), sqlx::Error> {
    const STATEMENT: &str = "
        WITH told AS (
            INSERT INTO outbox (event_id, order_id, event_type, headers, payload, created_at)
            VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT (order_id, event_id) DO NOTHING
            RETURNING event_id, order_id, created_at
        )
        INSERT INTO unpublished (event_id, order_id, created_at) SELECT event_id, order_id, created_at FROM told";
    let row = EventRow::of(event);
    sqlx::query(STATEMENT)
        .bind(row.event_id)
        .bind(row.order_id)
        .bind(row.event_type)
        .bind(row.headers)
        .bind(row.payload)
        .execute(db)
        .await?;
    Ok(())
}
