//! Stores payments that wait, each where the stored one may be replaced by it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::postgres::CONCURRENT_BATCHES;
use crate::adapters::postgres::columns::{column, into_journal};
use crate::adapters::postgres::connections::Connections;
use crate::adapters::sql::fault::DatabaseFault;
use crate::adapters::sql::group_commit::Step;
use crate::adapters::sql::journal_rows::EvidenceRow;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::StateRow;
use crate::domain::payment::Transition;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// The step `park`.
pub(in crate::adapters::postgres) struct Park {
    pub(in crate::adapters::postgres) pool: Connections,
}

/// One call of it.
pub(in crate::adapters::postgres) struct Waiting {
    pub(in crate::adapters::postgres) transition: Transition,
    pub(in crate::adapters::postgres) due: Option<Timestamp>,
}

#[async_trait]
impl Step for Park {
    type Request = Waiting;
    type Answer = ();

    const CONCURRENT: usize = CONCURRENT_BATCHES;

    fn key(waiting: &Waiting) -> &str {
        waiting.transition.payment.order().id().as_str()
    }

    async fn execute(&self, batch: &[Arc<Waiting>]) -> Result<Vec<Result<(), RepositoryError>>, DatabaseFault> {
        const STATEMENT: &str = concat!(
            "WITH parked AS (
                UPDATE payments p SET state = i.state, reference = coalesce(i.reference, p.reference), armed_at = i.armed_at,
                    due_at = CASE WHEN i.rests THEN NULL ELSE coalesce(i.due_at, p.due_at, now()) END,
                    reason_code = i.reason_code, reason_category = i.reason_category, reason_message = i.reason_message,
                    finding = i.finding, version = p.version + 1,
                    waits_as = CASE WHEN i.state IN ('UNRESOLVED', 'FENCING', 'ABANDONING', 'REVIEW') THEN i.state END
                FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                        $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[],
                        $13::text[], $14::text[], $15::text[], $16::text[])
                    AS i (order_id, attempt, state, replaces, reference, armed_at,
                        due_at, reason_code, reason_category, reason_message, finding, rests,
                        subject, exchanges, actor, note)
                WHERE p.order_id = i.order_id AND p.attempt = i.attempt
                    AND p.state = ANY (string_to_array(i.replaces, ','))
                    AND EXISTS (SELECT FROM orders o WHERE o.id = i.order_id AND coalesce(o.status, '') NOT IN ('PAID', 'FAILED'))
                RETURNING p.order_id, i.subject, p.version, p.state, i.exchanges, i.actor, i.note
            ) ",
            into_journal!("parked")
        );
        let states: Vec<_> = batch.iter().map(|waiting| StateRow::of(&waiting.transition.payment.state)).collect();
        let evidence: Vec<_> = batch.iter().map(|waiting| EvidenceRow::of(&waiting.transition.evidence)).collect();
        sqlx::query(STATEMENT)
            .bind(column(batch, |waiting| Self::key(waiting)))
            .bind(column(batch, |waiting| i64::from(waiting.transition.payment.attempt.number())))
            .bind(column(&states, |state| state.state.as_str()))
            .bind(column(batch, |waiting| waiting.transition.replaces.join(",")))
            .bind(column(&states, |state| state.reference.as_deref()))
            .bind(column(&states, |state| state.armed_at))
            .bind(column(batch, |waiting| waiting.due.map(Moment)))
            .bind(column(&states, |state| state.reason_code.as_deref()))
            .bind(column(&states, |state| state.reason_category.as_deref()))
            .bind(column(&states, |state| state.reason_message.as_deref()))
            .bind(column(&states, |state| state.finding.as_deref()))
            .bind(column(batch, |waiting| waiting.transition.payment.state.rests()))
            .bind(column(batch, |waiting| JournalEntry::subject_of_payment(waiting.transition.payment.attempt)))
            .bind(column(&evidence, |evidence| evidence.exchanges.as_deref()))
            .bind(column(&evidence, |evidence| evidence.actor.as_deref()))
            .bind(column(&evidence, |evidence| evidence.note.as_deref()))
            .execute(&self.pool)
            .await?;
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}
