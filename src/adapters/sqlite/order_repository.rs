//! The repository's contract, call by call: changes go to the writer, questions to a reader.

use std::time::Duration;

use async_trait::async_trait;

use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::rows::tally_of;
use crate::adapters::sql::stored_columns;
use crate::adapters::sqlite::SqliteOrderRepository;
use crate::adapters::sqlite::statements::{latest, stored};
use crate::adapters::sqlite::steps::{Arm, Begin, ClaimDue, Park, Save, Settle};
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId};
use crate::domain::outcome::OutcomeKind;
use crate::domain::payment::{ChargeFlow, Payment, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{
    Begun, JournalEntry, OrderRepository, Renewing, Repository, RepositoryError, Settling, Standing, StoredOrder,
    Tally, Waiting as WaitingOrders,
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
        _evidence: &Evidence,
    ) -> Result<Standing, RepositoryError> {
        self.write(Arm { payment: payment.clone(), reference: reference.clone(), now }).await
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
        const STATEMENT: &str = concat!(
            "SELECT ",
            stored_columns!(),
            " FROM orders o LEFT JOIN payments p ON p.order_id = o.id
                AND p.attempt = (SELECT max(attempt) FROM payments WHERE order_id = o.id)
              WHERE o.id > ? ORDER BY o.id LIMIT ?"
        );
        let after = after.map_or("", OrderId::as_str); // No id is empty, so all come after it.
        let query = sqlx::query(STATEMENT).bind(after).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = query.fetch_all(&self.pool).await.map_err(unavailable)?;
        rows.iter().map(|row| stored(row).map_err(unavailable)?.read()).collect()
    }

    async fn tally(&self) -> Result<Tally, RepositoryError> {
        let counts = sqlx::query_as("SELECT status, count(*) FROM orders GROUP BY status").fetch_all(&self.pool).await;
        Ok(tally_of(&counts.map_err(unavailable)?))
    }

    async fn renew(&self, _renewal: &Renewal) -> Result<Renewing, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn told(&self, _id: &OrderId) -> Result<Option<OutcomeKind>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn hasten(&self, _id: &OrderId, _now: Timestamp) -> Result<bool, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn waiting(&self) -> Result<WaitingOrders, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn under_review(&self, _after: Option<&OrderId>, _limit: usize) -> Result<Vec<StoredOrder>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn paid_since(
        &self,
        _since: Timestamp,
        _after: Option<&OrderId>,
        _limit: usize,
    ) -> Result<Vec<StoredOrder>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }

    async fn journal(&self, _id: &OrderId) -> Result<Vec<JournalEntry>, RepositoryError> {
        Err(RepositoryError::Unavailable("not written yet".into()))
    }
}
