//! Stores references, each where its attempt has none yet, and reads what is stored for the others.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::adapters::postgres::CONCURRENT_BATCHES;
use crate::adapters::postgres::columns::{column, into_journal};
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::load::latest;
use crate::adapters::sql::fault::{DatabaseFault, NOT_BEGUN, refused};
use crate::adapters::sql::group_commit::Step;
use crate::adapters::sql::journal_rows::EvidenceRow;
use crate::adapters::sql::moment::Moment;
use crate::domain::evidence::Evidence;
use crate::domain::payment::{Payment, PaymentState};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RepositoryError, Standing};

/// The step `arm`.
pub(in crate::adapters::postgres) struct Arm {
    pub(in crate::adapters::postgres) pool: Connections,
}

/// One call of it.
pub(in crate::adapters::postgres) struct Prepared {
    pub(in crate::adapters::postgres) payment: Payment,
    pub(in crate::adapters::postgres) reference: ProviderToken,
    pub(in crate::adapters::postgres) now: Timestamp,
    pub(in crate::adapters::postgres) evidence: Evidence,
}

#[async_trait]
impl Step for Arm {
    type Request = Prepared;
    type Answer = Standing;

    const CONCURRENT: usize = CONCURRENT_BATCHES;

    fn key(prepared: &Prepared) -> &str {
        prepared.payment.order().id().as_str()
    }

    async fn execute(&self, batch: &[Arc<Prepared>]) -> Result<Vec<Result<Standing, RepositoryError>>, DatabaseFault> {
        let won = self.store(batch).await?;
        let late: Vec<_> = batch.iter().map(|prepared| Self::key(prepared)).filter(|id| !won.contains(*id)).collect();
        let mut met = latest(&self.pool, &late).await?;
        let answer = |prepared: &Arc<Prepared>| {
            let id = prepared.payment.order().id();
            if won.contains(id.as_str()) {
                return Ok(Standing::Armed(prepared.payment.armed(prepared.reference.clone(), prepared.now)));
            }
            let stored = met.remove(id.as_str()).unwrap_or_else(|| Err(refused(id, NOT_BEGUN)))?;
            let payment = stored.payment.ok_or_else(|| refused(id, NOT_BEGUN))?;
            Ok(Standing::of(payment, prepared.now))
        };
        Ok(batch.iter().map(answer).collect())
    }
}

impl Arm {
    /// The compare-and-set; says whose reference is stored now.
    async fn store(&self, batch: &[Arc<Prepared>]) -> Result<HashSet<String>, sqlx::Error> {
        // The expected state is part of the input, PENDING is what is not settled, and the status is wrapped,
        // because a planner would start from what it takes for rare instead of the keys: an equality that it has
        // no statistics of, a status that it has seen no other of (measured: 1 ms an order, after 1,000 of them).
        const STATEMENT: &str = concat!(
            "WITH armed AS (
                UPDATE payments p SET state = 'CONFIRMING', reference = i.reference, armed_at = i.armed_at,
                    version = p.version + 1
                FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[],
                        $6::text[], $7::text[], $8::text[], $9::text[])
                    AS i (order_id, attempt, expected, reference, armed_at, subject, exchanges, actor, note)
                WHERE p.order_id = i.order_id AND p.attempt = i.attempt AND p.state = i.expected
                    AND EXISTS (SELECT FROM orders o WHERE o.id = i.order_id AND coalesce(o.status, '') NOT IN ('PAID', 'FAILED'))
                RETURNING p.order_id, i.subject, p.version, p.state, i.exchanges, i.actor, i.note
            ) ",
            into_journal!("armed"),
            " RETURNING order_id"
        );
        let evidence: Vec<_> = batch.iter().map(|prepared| EvidenceRow::of(&prepared.evidence)).collect();
        let won: Vec<String> = sqlx::query_scalar(STATEMENT)
            .bind(column(batch, |prepared| Self::key(prepared)))
            .bind(column(batch, |prepared| i64::from(prepared.payment.attempt.number())))
            .bind(column(batch, |_| PaymentState::Preparing.name()))
            .bind(column(batch, |prepared| prepared.reference.as_str()))
            .bind(column(batch, |prepared| Moment(prepared.now)))
            .bind(column(batch, |prepared| JournalEntry::subject_of_payment(prepared.payment.attempt)))
            .bind(column(&evidence, |evidence| evidence.exchanges.as_deref()))
            .bind(column(&evidence, |evidence| evidence.actor.as_deref()))
            .bind(column(&evidence, |evidence| evidence.note.as_deref()))
            .fetch_all(&self.pool)
            .await?;
        Ok(won.into_iter().collect())
    }
}
