//! The repository's contract, call by call: the steps of a payment go to their queues, the rest is
//! one statement each.

use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::postgres::arm::Prepared;
use crate::adapters::postgres::begin::Asked;
use crate::adapters::postgres::lists::Which;
use crate::adapters::postgres::paid::paid_since;
use crate::adapters::postgres::park::Waiting;
use crate::adapters::postgres::{PostgresOrderRepository, journal, lists, load, renew};
use crate::adapters::sql::fault::{DatabaseFault, NOT_PENDING, refused, unavailable};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::{OrderRow, ends_of, readable_payments, told_of, waiting_of};
use crate::adapters::sql::stored_columns;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::{ChargeFlow, Payment, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, PaidAt, PaidOrder, Renewing, Repository, RepositoryError, Settling, Standing,
    StoredOrder, Tally, Waiting as WaitingOrders,
};

#[async_trait]
impl Repository<Order, OrderId> for PostgresOrderRepository {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        if order.status() == OrderStatus::Pending && self.insert(order).await? {
            return Ok(());
        }
        match self.find(order.id()).await? {
            Some(stored) if stored.answers_save_of(order) => Ok(()),
            Some(_) => Err(RepositoryError::Conflict { order_id: order.id().to_string() }),
            None => Err(refused(order.id(), NOT_PENDING)),
        }
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        Ok(self.find(id).await?.map(|stored| stored.order))
    }
}

#[async_trait]
impl OrderRepository for PostgresOrderRepository {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        self.begin.call(Asked::new(request, flow, now)).await
    }

    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        let (payment, reference, evidence) = (payment.clone(), reference.clone(), evidence.clone());
        self.arm.call(Prepared { payment, reference, now, evidence }).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        self.settle.call(settlement.clone()).await
    }

    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        self.park.call(Waiting { transition: transition.clone(), due }).await
    }

    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        const STATEMENT: &str = concat!(
            "WITH due AS (
                SELECT order_id, attempt, due_at FROM payments WHERE due_at <= $1
                ORDER BY due_at, order_id LIMIT $2 FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE payments p SET due_at = $3 FROM due d
                WHERE p.order_id = d.order_id AND p.attempt = d.attempt
                RETURNING p.*, d.due_at AS was_due_at
            )
            SELECT ",
            stored_columns!(),
            " FROM claimed p JOIN orders o ON o.id = p.order_id ORDER BY p.was_due_at, p.order_id"
        );
        let rows = sqlx::query(STATEMENT)
            .bind(Moment(now))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(Moment(now.plus(lease)))
            .fetch_all(&self.pool)
            .await
            .map_err(unavailable)?;
        let rows = rows.iter().map(load::stored).collect::<Result<Vec<_>, _>>().map_err(unavailable)?;
        Ok(readable_payments(rows))
    }

    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        self.find.call(id.clone()).await
    }

    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        lists::page(&self.pool, &Which::All, after, limit).await
    }

    async fn tally(&self) -> Result<Tally, RepositoryError> {
        // One pass without sorting: grouped, ten million orders take longer than a statement may (measured: 8 s).
        const STATEMENT: &str = "
            SELECT count(*) FILTER (WHERE status = 'PENDING'), count(*) FILTER (WHERE status = 'PAID'),
                count(*) FILTER (WHERE status = 'FAILED') FROM orders";
        let counts: Result<(i64, i64, i64), _> = sqlx::query_as(STATEMENT).fetch_one(&self.pool).await;
        let (pending, paid, failed) = counts.map_err(unavailable)?;
        Ok(Tally { pending: pending.unsigned_abs(), paid: paid.unsigned_abs(), failed: failed.unsigned_abs() })
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        renew::renew(&self.pool, renewal).await
    }

    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        const STATEMENT: &str = "SELECT event_id FROM outbox WHERE order_id = $1 AND event_id = ANY ($2)";
        let ends = ends_of(id).map(|(_, event_id)| event_id);
        let found = sqlx::query_scalar(STATEMENT).bind(id.as_str()).bind(ends.as_slice()).fetch_all(&self.pool).await;
        Ok(told_of(id, &found.map_err(unavailable)?))
    }

    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            WITH hastened AS (
                UPDATE payments SET due_at = least(due_at, $2)
                WHERE order_id = $1 AND attempt = (SELECT max(attempt) FROM payments WHERE order_id = $1)
                    AND state NOT IN ('SUCCEEDED', 'CANCELED', 'ABANDONED', 'REVIEW')
            ) SELECT EXISTS (SELECT FROM orders WHERE id = $1)";
        let query = sqlx::query_scalar(STATEMENT).bind(id.as_str()).bind(Moment(now));
        query.fetch_one(&self.pool).await.map_err(unavailable)
    }

    async fn waiting(&self) -> Result<WaitingOrders, RepositoryError> {
        const STATEMENT: &str = "
            SELECT waits_as, count(*) FROM payments WHERE waits_as IS NOT NULL GROUP BY waits_as";
        let counts = sqlx::query_as(STATEMENT).fetch_all(&self.pool).await;
        Ok(waiting_of(&counts.map_err(unavailable)?))
    }

    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        lists::page(&self.pool, &Which::UnderReview, after, limit).await
    }

    async fn paid_since(
        &self,
        since: Timestamp,
        after: Option<&PaidAt>,
        limit: usize,
    ) -> Result<Vec<PaidOrder>, RepositoryError> {
        paid_since(&self.pool, since, after, limit).await
    }

    async fn journal(&self, id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        journal::of_order(&self.pool, id.as_str()).await
    }
}

impl PostgresOrderRepository {
    /// Whether the order was new and is stored now.
    async fn insert(&self, order: &Order) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            INSERT INTO orders (id, customer_email, total_amount, currency, status, created_at, updated_at)
            VALUES ($1, $2, $3::text::numeric, $4, $5, now(), now())
            ON CONFLICT (id) DO NOTHING";
        let row = OrderRow::of(order);
        let inserted = sqlx::query(STATEMENT)
            .bind(&row.id)
            .bind(&row.customer_email)
            .bind(&row.total_amount)
            .bind(&row.currency)
            .bind(&row.status)
            .execute(&self.pool)
            .await
            .map_err(|error| DatabaseFault::from(error).about(&row.id))?;
        Ok(inserted.rows_affected() == 1)
    }
}
