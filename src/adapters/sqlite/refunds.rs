//! Refunds in the file: read, decide, write, in one savepoint.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{SqliteConnection, SqliteExecutor};

use crate::adapters::sql::fault::{DatabaseFault, refused, unavailable};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::refund_rows::{
    NOT_REQUESTED, RefundRow, RefundStateRow, readable_refunds, refund_columns, sum_of,
};
use crate::adapters::sqlite::statements::insert_event;
use crate::adapters::sqlite::writer::Write;
use crate::adapters::sqlite::{SqliteOrderRepository, journal};
use crate::adapters::wire::refund::encode;
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundId, RefundStep};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError};
use crate::ports::refund_repository::{Advancing, RefundRepository, Requesting};

#[async_trait]
impl RefundRepository for SqliteOrderRepository {
    async fn request(&self, refund: &Refund, charged: Money) -> Result<Requesting, RepositoryError> {
        self.write(Request { refund: refund.clone(), charged }).await
    }

    async fn advance(&self, step: &RefundStep, due: Option<Timestamp>) -> Result<Advancing, RepositoryError> {
        self.write(Advance { step: step.clone(), due }).await
    }

    async fn claim_due_refunds(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Refund>, RepositoryError> {
        self.write(ClaimDueRefunds { now, lease, limit: i64::try_from(limit).unwrap_or(i64::MAX) }).await
    }

    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, RepositoryError> {
        find(&self.pool, id).await
    }

    async fn refunds_of(&self, order_id: &OrderId) -> Result<Vec<Refund>, RepositoryError> {
        const STATEMENT: &str =
            concat!("SELECT ", refund_columns!(), " FROM refunds WHERE order_id = ? ORDER BY requested_at, id");
        let rows = sqlx::query_as(STATEMENT).bind(order_id.as_str()).fetch_all(&self.pool).await;
        Ok(readable_refunds(rows.map_err(unavailable)?))
    }

    async fn hasten_refund(&self, id: RefundId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.write(HastenRefund { id, now }).await
    }
}

async fn find(db: impl SqliteExecutor<'_>, id: RefundId) -> Result<Option<Refund>, RepositoryError> {
    const STATEMENT: &str = concat!("SELECT ", refund_columns!(), " FROM refunds WHERE id = ?");
    let row: Result<Option<RefundRow>, _> = sqlx::query_as(STATEMENT).bind(id.as_uuid()).fetch_optional(db).await;
    row.map_err(unavailable)?.map(RefundRow::read).transpose()
}

struct Request {
    refund: Refund,
    charged: Money,
}

#[async_trait]
impl Write for Request {
    type Answer = Requesting;

    fn order_id(&self) -> Option<&str> {
        Some(self.refund.order_id.as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Requesting, RepositoryError> {
        const TAKEN: &str = "SELECT amount FROM refunds WHERE reference = ? AND state <> 'FAILED'";
        let Self { refund, charged } = self;
        if let Some(stored) = find(&mut *db, refund.id).await? {
            return Ok(Requesting::Before(stored));
        }
        let taken = sqlx::query_scalar(TAKEN).bind(refund.reference.as_str()).fetch_all(&mut *db).await;
        let taken: Vec<String> = taken.map_err(unavailable)?;
        if let Some(refusal) = Requesting::refused(refund, *charged, sum_of(&taken, refund.order_id.as_str())?) {
            return Ok(refusal);
        }
        insert(db, refund).await?;
        Ok(Requesting::Stored)
    }
}

async fn insert(db: &mut SqliteConnection, refund: &Refund) -> Result<(), RepositoryError> {
    const STATEMENT: &str = "
        INSERT INTO refunds (id, version, order_id, reference, amount, currency, purpose,
            requested_by, requested_at, state, due_at)
        VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?8) RETURNING version";
    let row = RefundRow::of(refund);
    let version = sqlx::query_scalar(STATEMENT)
        .bind(row.id)
        .bind(&row.order_id)
        .bind(row.reference)
        .bind(row.amount)
        .bind(row.currency)
        .bind(row.purpose)
        .bind(row.requested_by)
        .bind(row.requested_at)
        .bind(&row.state.state)
        .fetch_one(&mut *db)
        .await
        .map_err(|error| DatabaseFault::from(error).about(&row.order_id))?;
    let subject = JournalEntry::subject_of_refund(refund.id);
    journal::insert(db, &row.order_id, &subject, version, &row.state.state, &refund.asked_for()).await
}

struct Advance {
    step: RefundStep,
    due: Option<Timestamp>,
}

#[async_trait]
impl Write for Advance {
    type Answer = Advancing;

    fn order_id(&self) -> Option<&str> {
        Some(self.step.refund.order_id.as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Advancing, RepositoryError> {
        let refund = &self.step.refund;
        let stored = find(&mut *db, refund.id).await?;
        if !self.step.may_replace(&stored.ok_or_else(|| refused(&refund.order_id, NOT_REQUESTED))?) {
            return Ok(Advancing::MovedOn);
        }
        update(&mut *db, &self.step, self.due).await?;
        if let Some(outcome) = &self.step.outcome {
            insert_event(db, &encode(outcome), None).await?;
        }
        Ok(Advancing::Stored)
    }
}

async fn update(db: &mut SqliteConnection, step: &RefundStep, due: Option<Timestamp>) -> Result<(), RepositoryError> {
    const STATEMENT: &str = "
        UPDATE refunds SET state = ?, sending_number = ?, sending_since = ?, name = ?,
            reason_code = ?, reason_category = ?, reason_message = ?, due_at = ?, version = version + 1
        WHERE id = ? RETURNING version";
    let (refund, state) = (&step.refund, RefundStateRow::of(&step.refund.state));
    let order_id = refund.order_id.as_str();
    let version = sqlx::query_scalar(STATEMENT)
        .bind(&state.state)
        .bind(state.sending_number)
        .bind(state.sending_since)
        .bind(state.name)
        .bind(state.reason_code)
        .bind(state.reason_category)
        .bind(state.reason_message)
        .bind(due.map(Moment))
        .bind(refund.id.as_uuid())
        .fetch_one(&mut *db)
        .await
        .map_err(|error| DatabaseFault::from(error).about(order_id))?;
    let subject = JournalEntry::subject_of_refund(refund.id);
    journal::insert(db, order_id, &subject, version, &state.state, &step.evidence).await
}

struct ClaimDueRefunds {
    now: Timestamp,
    lease: Duration,
    limit: i64,
}

#[async_trait]
impl Write for ClaimDueRefunds {
    type Answer = Vec<Refund>;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Vec<Refund>, RepositoryError> {
        const DUE: &str =
            concat!("SELECT ", refund_columns!(), " FROM refunds WHERE due_at <= ? ORDER BY due_at, id LIMIT ?");
        const PUT_OFF: &str = "UPDATE refunds SET due_at = ? WHERE id = ?";
        let due = sqlx::query_as(DUE).bind(Moment(self.now)).bind(self.limit).fetch_all(&mut *db).await;
        let rows: Vec<RefundRow> = due.map_err(unavailable)?;
        for row in &rows {
            let put_off = sqlx::query(PUT_OFF).bind(Moment(self.now.plus(self.lease))).bind(row.id);
            put_off.execute(&mut *db).await.map_err(unavailable)?;
        }
        Ok(readable_refunds(rows))
    }
}

struct HastenRefund {
    id: RefundId,
    now: Timestamp,
}

#[async_trait]
impl Write for HastenRefund {
    type Answer = bool;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            UPDATE refunds SET due_at = min(coalesce(due_at, ?2), ?2) WHERE id = ?1 AND state <> 'FAILED'";
        let query = sqlx::query(STATEMENT).bind(self.id.as_uuid()).bind(Moment(self.now));
        query.execute(&mut *db).await.map_err(unavailable)?;
        let known = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM refunds WHERE id = ?)").bind(self.id.as_uuid());
        known.fetch_one(db).await.map_err(unavailable)
    }
}
