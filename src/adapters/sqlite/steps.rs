//! The steps of a payment as changes to the file: read, decide, write, in one savepoint.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::adapters::sql::fault::{NOT_BEGUN, NOT_PENDING, refused, unavailable};
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::{StoredRow, readable_payments};
use crate::adapters::sql::stored_columns;
use crate::adapters::sqlite::statements::{
    attempt, has_event, insert_event, insert_order, insert_payment, latest, stored, update_order, update_payment,
};
use crate::adapters::sqlite::writer::Write;
use crate::adapters::wire::outcome::encode;
use crate::domain::evidence::Evidence;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal, Settlement, Transition};
use crate::domain::request::{PaymentRequest, ProviderToken};
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::answers::opposite_event;
use crate::ports::order_repository::{Begun, Renewing, RepositoryError, Settling, Standing, UNATTENDED_AFTER};

/// `save`.
pub(in crate::adapters::sqlite) struct Save(pub(in crate::adapters::sqlite) Order);

#[async_trait]
impl Write for Save {
    type Answer = ();

    fn order_id(&self) -> Option<&str> {
        Some(self.0.id().as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<(), RepositoryError> {
        let Self(order) = self;
        match latest(&mut *db, order.id()).await? {
            Some(stored) if stored.answers_save_of(order) => Ok(()),
            Some(_) => Err(RepositoryError::Conflict { order_id: order.id().to_string() }),
            None if order.status() == OrderStatus::Pending => insert_order(db, order).await,
            None => Err(refused(order.id(), NOT_PENDING)),
        }
    }
}

/// `begin`.
pub(in crate::adapters::sqlite) struct Begin {
    pub(in crate::adapters::sqlite) request: PaymentRequest,
    pub(in crate::adapters::sqlite) flow: ChargeFlow,
    pub(in crate::adapters::sqlite) now: Timestamp,
}

#[async_trait]
impl Write for Begin {
    type Answer = Begun;

    fn order_id(&self) -> Option<&str> {
        Some(self.request.order.id().as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Begun, RepositoryError> {
        let order = if let Some(stored) = latest(&mut *db, self.request.order.id()).await? {
            if let Some(begun) = stored.met_by(&self.request, self.now) {
                return Ok(begun);
            }
            stored.order
        } else {
            let order = self.request.order.unsettled();
            insert_order(&mut *db, &order).await?;
            order
        };
        let payment = Payment::first(Arc::new(self.request.decided_for(order)), self.flow, self.now);
        insert_payment(db, &payment, self.now.plus(UNATTENDED_AFTER)).await?;
        Ok(Begun::first(payment, self.now))
    }
}

/// `arm`.
pub(in crate::adapters::sqlite) struct Arm {
    pub(in crate::adapters::sqlite) payment: Payment,
    pub(in crate::adapters::sqlite) reference: ProviderToken,
    pub(in crate::adapters::sqlite) now: Timestamp,
    pub(in crate::adapters::sqlite) evidence: Evidence,
}

#[async_trait]
impl Write for Arm {
    type Answer = Standing;

    fn order_id(&self) -> Option<&str> {
        Some(self.payment.order().id().as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Standing, RepositoryError> {
        let id = self.payment.order().id();
        let stored = attempt(&mut *db, id, self.payment.attempt).await?;
        if let Some(payment) = stored
            && payment.state == PaymentState::Preparing
            && payment.order().status() == OrderStatus::Pending
        {
            let armed = payment.armed(self.reference.clone(), self.now);
            update_payment(db, armed.payment(), None, &self.evidence).await?;
            return Ok(Standing::Armed(armed));
        }
        let latest = latest(db, id).await?.and_then(|stored| stored.payment);
        Ok(Standing::of(latest.ok_or_else(|| refused(id, NOT_BEGUN))?, self.now))
    }
}

/// `settle`.
pub(in crate::adapters::sqlite) struct Settle(pub(in crate::adapters::sqlite) Settlement);

#[async_trait]
impl Write for Settle {
    type Answer = Settling;

    fn order_id(&self) -> Option<&str> {
        Some(self.0.outcome.order.id().as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Settling, RepositoryError> {
        let Self(settlement) = self;
        let (order, payment) = (&settlement.outcome.order, &settlement.payment);
        let stored = attempt(&mut *db, order.id(), payment.attempt).await?;
        let stored = stored.ok_or_else(|| refused(order.id(), NOT_BEGUN))?;
        if !is_one_of(&stored, settlement.replaces) || has_event(&mut *db, opposite_event(settlement)).await? {
            return Ok(Settling::met_by(settlement, &stored));
        }
        update_order(&mut *db, order).await?;
        update_payment(&mut *db, payment, None, &settlement.evidence).await?;
        insert_event(db, &encode(&settlement.outcome), None).await?;
        Ok(Settling::Stored)
    }
}

/// `park`.
pub(in crate::adapters::sqlite) struct Park {
    pub(in crate::adapters::sqlite) transition: Transition,
    pub(in crate::adapters::sqlite) due: Option<Timestamp>,
}

#[async_trait]
impl Write for Park {
    type Answer = ();

    fn order_id(&self) -> Option<&str> {
        Some(self.transition.payment.order().id().as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<(), RepositoryError> {
        let Transition { payment, replaces, evidence } = &self.transition;
        match attempt(&mut *db, payment.order().id(), payment.attempt).await? {
            Some(stored) if is_one_of(&stored, replaces) => update_payment(db, payment, self.due, evidence).await,
            _ => Ok(()),
        }
    }
}

/// `renew`.
pub(in crate::adapters::sqlite) struct Renew(pub(in crate::adapters::sqlite) Renewal);

#[async_trait]
impl Write for Renew {
    type Answer = Renewing;

    fn order_id(&self) -> Option<&str> {
        Some(self.0.next.order().id().as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Renewing, RepositoryError> {
        let Self(renewal) = self;
        let Renewal { ended: Transition { payment, replaces, evidence }, next } = renewal;
        let id = next.order().id();
        let latest = latest(&mut *db, id).await?.ok_or_else(|| refused(id, NOT_BEGUN))?.payment;
        let ended = attempt(&mut *db, id, payment.attempt).await?;
        let begun = attempt(&mut *db, id, next.attempt).await?;
        if ended.as_ref().zip(begun).is_some_and(|(ended, begun)| renewal.is_stored_as(ended, &begun)) {
            return Ok(Renewing::Stored);
        }
        let is_latest = latest.is_some_and(|latest| latest.attempt == payment.attempt && next.attempt > latest.attempt);
        if !is_latest || !ended.is_some_and(|ended| is_one_of(&ended, replaces)) {
            return Ok(Renewing::MovedOn);
        }
        update_payment(&mut *db, payment, None, evidence).await?;
        insert_payment(db, next, renewal.due()).await?;
        Ok(Renewing::Stored)
    }
}

/// `hasten`.
pub(in crate::adapters::sqlite) struct Hasten {
    pub(in crate::adapters::sqlite) id: OrderId,
    pub(in crate::adapters::sqlite) now: Timestamp,
}

#[async_trait]
impl Write for Hasten {
    type Answer = bool;

    fn order_id(&self) -> Option<&str> {
        Some(self.id.as_str())
    }

    async fn apply(&self, db: &mut SqliteConnection) -> Result<bool, RepositoryError> {
        const STATEMENT: &str = "
            UPDATE payments SET due_at = min(coalesce(due_at, ?2), ?2)
            WHERE order_id = ?1 AND attempt = (SELECT max(attempt) FROM payments WHERE order_id = ?1)
                AND state NOT IN ('SUCCEEDED', 'CANCELED', 'ABANDONED', 'REVIEW')";
        let query = sqlx::query(STATEMENT).bind(self.id.as_str()).bind(Moment(self.now));
        query.execute(&mut *db).await.map_err(unavailable)?;
        let known = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM orders WHERE id = ?)").bind(self.id.as_str());
        known.fetch_one(db).await.map_err(unavailable)
    }
}

fn is_one_of(stored: &Payment, states: &[&str]) -> bool {
    stored.order().status() == OrderStatus::Pending && states.contains(&stored.state.name())
}

/// `claim_due`.
pub(in crate::adapters::sqlite) struct ClaimDue {
    pub(in crate::adapters::sqlite) now: Timestamp,
    pub(in crate::adapters::sqlite) lease: Duration,
    pub(in crate::adapters::sqlite) limit: i64,
}

#[async_trait]
impl Write for ClaimDue {
    type Answer = Vec<Payment>;

    async fn apply(&self, db: &mut SqliteConnection) -> Result<Vec<Payment>, RepositoryError> {
        const DUE: &str = concat!(
            "SELECT ",
            stored_columns!(),
            " FROM payments p JOIN orders o ON o.id = p.order_id
              WHERE p.due_at <= ? ORDER BY p.due_at, p.order_id LIMIT ?"
        );
        const PUT_OFF: &str = "UPDATE payments SET due_at = ? WHERE order_id = ? AND attempt = ?";
        let due = sqlx::query(DUE).bind(Moment(self.now)).bind(self.limit).fetch_all(&mut *db).await;
        let rows: Result<Vec<StoredRow>, _> = due.map_err(unavailable)?.iter().map(stored).collect();
        let rows = rows.map_err(unavailable)?;
        for row in &rows {
            let attempt = row.payment.as_ref().map(|payment| payment.attempt);
            let put_off =
                sqlx::query(PUT_OFF).bind(Moment(self.now.plus(self.lease))).bind(&row.order.id).bind(attempt);
            put_off.execute(&mut *db).await.map_err(unavailable)?;
        }
        Ok(readable_payments(rows))
    }
}
