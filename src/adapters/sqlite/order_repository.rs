//! The repository's contract, call by call: changes go to the writer, questions to a reader.

use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::rows::{ends_of, tally_of, told_of, waiting_of};
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::sqlite::journal::of_order;
use crate::adapters::sqlite::lists::{Which, page};
use crate::adapters::sqlite::paid::paid_since;
use crate::adapters::sqlite::statements::latest;
use crate::adapters::sqlite::steps::{Arm, Begin, ClaimDue, Hasten, Park, Renew, Save, Settle};
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId};
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::{ChargeFlow, Payment, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, PaidAt, PaidOrder, Renewing, Repository, RepositoryError, Settling, Standing,
    StoredOrder, Tally, Waiting,
};

#[async_trait]
impl Repository<Order, OrderId> for SqliteOrderRepository {
    async fn save(&self, order: &Order) -> Result<(), RepositoryError> {
        self.write(Save(order.clone())).await
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, RepositoryError> {
        Ok(self.find(id).await?.map(|stored| stored.order))
    }
}

#[async_trait]
impl OrderRepository for SqliteOrderRepository {
    async fn begin(
        &self,
        request: &PaymentRequest,
        flow: ChargeFlow,
        now: Timestamp,
    ) -> Result<Begun, RepositoryError> {
        self.write(Begin { request: request.clone(), flow, now }).await
    }

    async fn arm(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        now: Timestamp,
        evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        let (payment, reference, evidence) = (payment.clone(), reference.clone(), evidence.clone());
        self.write(Arm { payment, reference, now, evidence }).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settling, RepositoryError> {
        self.write(Settle(settlement.clone())).await
    }

    async fn park(&self, transition: &Transition, due: Option<Timestamp>) -> Result<(), RepositoryError> {
        self.write(Park { transition: transition.clone(), due }).await
    }

    async fn claim_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Payment>, RepositoryError> {
        self.write(ClaimDue { now, lease, limit: i64::try_from(limit).unwrap_or(i64::MAX) }).await
    }

    async fn find(&self, id: &OrderId) -> Result<Option<StoredOrder>, RepositoryError> {
        latest(&self.pool, id).await
    }

    async fn list(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        page(&self.pool, &Which::All, after, limit).await
    }

    async fn tally(&self) -> Result<Tally, RepositoryError> {
        let counts = sqlx::query_as("SELECT status, count(*) FROM orders GROUP BY status").fetch_all(&self.pool).await;
        Ok(tally_of(&counts.map_err(unavailable)?))
    }

    async fn renew(&self, renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        self.write(Renew(renewal.clone())).await
    }

    async fn told(&self, id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        let [(_, one), (_, other)] = ends_of(id);
        let query = sqlx::query_scalar("SELECT event_id FROM outbox WHERE event_id IN (?, ?)").bind(one).bind(other);
        Ok(told_of(id, &query.fetch_all(&self.pool).await.map_err(unavailable)?))
    }

    async fn hasten(&self, id: &OrderId, now: Timestamp) -> Result<bool, RepositoryError> {
        self.write(Hasten { id: id.clone(), now }).await
    }

    async fn waiting(&self) -> Result<Waiting, RepositoryError> {
        const STATEMENT: &str = "
            SELECT state, count(*) FROM payments
            WHERE state IN ('UNRESOLVED', 'FENCING', 'ABANDONING', 'REVIEW') GROUP BY state";
        let counts = sqlx::query_as(STATEMENT).fetch_all(&self.pool).await;
        Ok(waiting_of(&counts.map_err(unavailable)?))
    }

    async fn under_review(&self, after: Option<&OrderId>, limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        page(&self.pool, &Which::UnderReview, after, limit).await
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
        of_order(&self.pool, id.as_str()).await
    }
}
