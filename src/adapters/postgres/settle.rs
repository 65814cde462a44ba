//! Settles orders: order, payment and outcome in one statement, each for those that were PENDING.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::postgres::CONCURRENT_BATCHES;
use crate::adapters::postgres::columns::{column, into_journal};
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::load::{Loaded, attempts};
use crate::adapters::sql::fault::{DatabaseFault, NOT_BEGUN, refused};
use crate::adapters::sql::group_commit::Step;
use crate::adapters::sql::journal_rows::EvidenceRow;
use crate::adapters::sql::outbox_rows::EventRow;
use crate::adapters::sql::rows::StateRow;
use crate::adapters::wire::outcome::encode;
use crate::domain::payment::Settlement;
use crate::ports::order_repository::answers::opposite_event;
use crate::ports::order_repository::{JournalEntry, RepositoryError, Settling};

/// The step `settle`.
pub(in crate::adapters::postgres) struct Settle {
    pub(in crate::adapters::postgres) pool: Connections,
}

/// A settlement's rows.
struct End<'call> {
    settlement: &'call Settlement,
    state: StateRow,
    event: EventRow,
    evidence: EvidenceRow<'call>,
}

#[async_trait]
impl Step for Settle {
    type Request = Settlement;
    type Answer = Settling;

    const CONCURRENT: usize = CONCURRENT_BATCHES;

    fn key(settlement: &Settlement) -> &str {
        settlement.outcome.order.id().as_str()
    }

    async fn execute(
        &self,
        batch: &[Arc<Settlement>],
    ) -> Result<Vec<Result<Settling, RepositoryError>>, DatabaseFault> {
        let moved = self.store(batch).await?;
        let mut met = self.meet(batch, &moved).await?;
        let answer = |settlement: &Arc<Settlement>| {
            let id = settlement.outcome.order.id();
            if moved.contains(id.as_str()) {
                return Ok(Settling::Stored);
            }
            let stored = met.remove(id.as_str()).unwrap_or_else(|| Err(refused(id, NOT_BEGUN)))?;
            let payment = stored.payment.ok_or_else(|| refused(id, NOT_BEGUN))?;
            Ok(Settling::met_by(settlement, &payment))
        };
        Ok(batch.iter().map(answer).collect())
    }
}

impl Settle {
    /// Moves what may be moved, and says which orders were.
    async fn store(&self, batch: &[Arc<Settlement>]) -> Result<HashSet<String>, sqlx::Error> {
        // The payment comes first: every step writes its row, so whoever moved it on since this statement
        // began is waited for and met here, where a look at the row would see it as it was before.
        // The opposite outcome is in the outbox already where it was found on the topic: an order
        // is told one end. An outcome of this very end that was found there stays as it was published.
        const STATEMENT: &str = concat!(
            "WITH input AS (
                SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::text[], $10::uuid[], $11::uuid[], $12::text[], $13::text[], $14::bytea[],
                    $15::text[], $16::text[], $17::text[], $18::text[])
                AS i (order_id, attempt, status, state, replaces, reference,
                    reason_code, reason_category, reason_message, event_id, opposite_id, event_type, headers, payload,
                    subject, exchanges, actor, note)
            ), ended AS (
                UPDATE payments p SET state = i.state, reference = i.reference, due_at = NULL, finding = NULL, waits_as = NULL,
                    reason_code = i.reason_code, reason_category = i.reason_category, reason_message = i.reason_message,
                    version = p.version + 1
                FROM input i
                WHERE p.order_id = i.order_id AND p.attempt = i.attempt
                    AND p.state = ANY (string_to_array(i.replaces, ','))
                    AND EXISTS (SELECT FROM orders o WHERE o.id = i.order_id AND coalesce(o.status, '') NOT IN ('PAID', 'FAILED'))
                    AND NOT EXISTS (SELECT FROM outbox e WHERE e.order_id = i.order_id AND e.event_id = i.opposite_id)
                RETURNING i.*, p.version
            ), moved AS (
                UPDATE orders o SET status = e.status, updated_at = now()
                FROM ended e
                WHERE o.id = e.order_id AND coalesce(o.status, '') NOT IN ('PAID', 'FAILED')
                RETURNING e.*
            ), told AS (
                INSERT INTO outbox (event_id, order_id, event_type, headers, payload, created_at)
                SELECT event_id, order_id, event_type, headers, payload, now() FROM moved
                ON CONFLICT (order_id, event_id) DO NOTHING
                RETURNING event_id, order_id, created_at
            ), queued AS (
                INSERT INTO unpublished (event_id, order_id, created_at)
                SELECT event_id, order_id, created_at FROM told
            ) ",
            into_journal!("moved"),
            " RETURNING order_id"
        );
        let ends: Vec<_> = batch.iter().map(|settlement| End::of(settlement)).collect();
        let moved: Vec<String> = sqlx::query_scalar(STATEMENT)
            .bind(column(&ends, |end| Self::key(end.settlement)))
            .bind(column(&ends, |end| i64::from(end.settlement.payment.attempt.number())))
            .bind(column(&ends, |end| end.settlement.outcome.order.status().as_str()))
            .bind(column(&ends, |end| end.state.state.as_str()))
            .bind(column(&ends, |end| end.settlement.replaces.join(",")))
            .bind(column(&ends, |end| end.state.reference.as_deref()))
            .bind(column(&ends, |end| end.state.reason_code.as_deref()))
            .bind(column(&ends, |end| end.state.reason_category.as_deref()))
            .bind(column(&ends, |end| end.state.reason_message.as_deref()))
            .bind(column(&ends, |end| end.event.event_id))
            .bind(column(&ends, |end| opposite_event(end.settlement).as_uuid()))
            .bind(column(&ends, |end| end.event.event_type.as_str()))
            .bind(column(&ends, |end| end.event.headers.as_str()))
            .bind(column(&ends, |end| end.event.payload.as_slice()))
            .bind(column(&ends, |end| JournalEntry::subject_of_payment(end.settlement.payment.attempt)))
            .bind(column(&ends, |end| end.evidence.exchanges.as_deref()))
            .bind(column(&ends, |end| end.evidence.actor.as_deref()))
            .bind(column(&ends, |end| end.evidence.note.as_deref()))
            .fetch_all(&self.pool)
            .await?;
        Ok(moved.into_iter().collect())
    }

    /// What is stored of the attempts whose orders were not moved.
    async fn meet(
        &self,
        batch: &[Arc<Settlement>],
        moved: &HashSet<String>,
    ) -> Result<HashMap<String, Loaded>, sqlx::Error> {
        let late: Vec<_> = batch.iter().filter(|settlement| !moved.contains(Self::key(settlement))).collect();
        let ids = column(&late, |settlement| Self::key(settlement));
        let numbers = column(&late, |settlement| i64::from(settlement.payment.attempt.number()));
        attempts(&self.pool, &ids, &numbers).await
    }
}

impl<'call> End<'call> {
    fn of(settlement: &'call Settlement) -> Self {
        let event = EventRow::of(&encode(&settlement.outcome));
        let evidence = EvidenceRow::of(&settlement.evidence);
        Self { settlement, state: StateRow::of(&settlement.payment.state), event, evidence }
    }
}
