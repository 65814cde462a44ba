//! Stores orders with their first attempts, where they are new, and reads how far the others are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;

use crate::adapters::postgres::CONCURRENT_BATCHES;
use crate::adapters::postgres::columns::{column, into_journal};
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::load::{Loaded, latest};
use crate::adapters::sql::fault::{DatabaseFault, NOT_BEGUN, refused};
use crate::adapters::sql::group_commit::Step;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::{OrderRow, PaymentRow};
use crate::domain::attempt::Attempt;
use crate::domain::payment::{ChargeFlow, Payment};
use crate::domain::request::PaymentRequest;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{Begun, JournalEntry, RepositoryError, UNATTENDED_AFTER};

/// An order and its first attempt for each element of the arrays that [`Begin::bound`] binds.
macro_rules! input {
    () => {
        concat!(
            "unnest($1::text[], $2::text[], $3::text[], $4::text[],
                $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
                $13::text[], $14::text[], $15::text[], $16::timestamptz[])
             AS i (id, customer_email, total_amount, currency, ",
            attempt_columns!(),
            ")"
        )
    };
}

/// What is stored of a first attempt, but for its order.
macro_rules! attempt_columns {
    () => {
        "attempt, state, flow, payment_method, customer, begun_at, armed_at, due_at, \
         event_id, correlation_id, traceparent, requested_at"
    };
}

/// The step `begin`.
pub(in crate::adapters::postgres) struct Begin {
    pub(in crate::adapters::postgres) pool: Connections,
}

/// One call of it.
pub(in crate::adapters::postgres) struct Asked {
    request: PaymentRequest,
    /// What is stored where the order is new.
    first: Payment,
    now: Timestamp,
}

/// A statement whose input is bound; answers with the ids of the orders that it has stored something of.
type Stored<'call> = QueryScalar<'call, Postgres, String, PgArguments>;

/// An order and its first attempt as they would be stored.
struct First {
    order: OrderRow,
    payment: PaymentRow,
    due: Timestamp,
}

#[async_trait]
impl Step for Begin {
    type Request = Asked;
    type Answer = Begun;

    const CONCURRENT: usize = CONCURRENT_BATCHES;

    fn key(asked: &Asked) -> &str {
        asked.request.order.id().as_str()
    }

    async fn execute(&self, batch: &[Arc<Asked>]) -> Result<Vec<Result<Begun, RepositoryError>>, DatabaseFault> {
        let firsts: Vec<_> = batch.iter().map(|asked| First::of(asked)).collect();
        let new = self.store_new(&firsts).await?;
        let mut met = self.meet(batch, &new).await?;
        let answer = |asked: &Arc<Asked>| {
            let id = asked.request.order.id();
            if new.contains(id.as_str()) {
                return Ok(Begun::first(asked.first.clone(), asked.now));
            }
            let stored = met.remove(id.as_str()).unwrap_or_else(|| Err(refused(id, NOT_BEGUN)))?;
            stored.met_by(&asked.request, asked.now).ok_or_else(|| refused(id, NOT_BEGUN))
        };
        Ok(batch.iter().map(answer).collect())
    }
}

impl Begin {
    /// Stores the orders that are not there yet, and says which.
    async fn store_new(&self, firsts: &[First]) -> Result<HashSet<String>, sqlx::Error> {
        // The journal is told nothing: its first entry is read from these two rows.
        // IS TRUE keeps the planner from making a join of it: a hashed look-up serves better.
        const STATEMENT: &str = concat!(
            "WITH input AS (SELECT * FROM ",
            input!(),
            "), new_orders AS (
                INSERT INTO orders (id, customer_email, total_amount, currency, status, created_at, updated_at)
                SELECT id, customer_email, total_amount::numeric, currency, 'PENDING', now(), now() FROM input
                ON CONFLICT (id) DO NOTHING
                RETURNING id
            ), begun AS (
                INSERT INTO payments (order_id, ",
            attempt_columns!(),
            ") SELECT id, ",
            attempt_columns!(),
            " FROM input WHERE (id IN (SELECT id FROM new_orders)) IS TRUE
            ) SELECT id FROM new_orders"
        );
        Self::bound(STATEMENT, firsts).fetch_all(&self.pool).await.map(|stored| stored.into_iter().collect())
    }

    /// Stores the first attempts of orders that were saved without one, each with its entry in the journal:
    /// when it was begun cannot be told from its order.
    async fn store_attempts(&self, firsts: &[First]) -> Result<(), sqlx::Error> {
        const STATEMENT: &str = concat!(
            "WITH begun AS (
                INSERT INTO payments (order_id, ",
            attempt_columns!(),
            ") SELECT id, ",
            attempt_columns!(),
            " FROM ",
            input!(),
            " ON CONFLICT (order_id, attempt) DO NOTHING ",
            "RETURNING order_id, $17::text AS subject, version, state,
                NULL::text AS exchanges, NULL::text AS actor, NULL::text AS note) ",
            into_journal!("begun"),
            " RETURNING order_id"
        );
        let subject = JournalEntry::subject_of_payment(Attempt::FIRST);
        Self::bound(STATEMENT, firsts).bind(subject).fetch_all(&self.pool).await.map(|_| ())
    }

    fn bound<'call>(statement: &'static str, firsts: &'call [First]) -> Stored<'call> {
        sqlx::query_scalar(statement)
            .bind(column(firsts, |first| first.order.id.as_str()))
            .bind(column(firsts, |first| first.order.customer_email.as_str()))
            .bind(column(firsts, |first| first.order.total_amount.as_str()))
            .bind(column(firsts, |first| first.order.currency.as_str()))
            .bind(column(firsts, |first| first.payment.attempt))
            .bind(column(firsts, |first| first.payment.state.state.as_str()))
            .bind(column(firsts, |first| first.payment.flow.as_str()))
            .bind(column(firsts, |first| first.payment.payment_method.as_str()))
            .bind(column(firsts, |first| first.payment.customer.as_deref()))
            .bind(column(firsts, |first| first.payment.begun_at))
            .bind(column(firsts, |first| first.payment.state.armed_at))
            .bind(column(firsts, |first| Moment(first.due)))
            .bind(column(firsts, |first| first.payment.event_id.as_deref()))
            .bind(column(firsts, |first| first.payment.correlation_id.as_deref()))
            .bind(column(firsts, |first| first.payment.traceparent.as_deref()))
            .bind(column(firsts, |first| first.payment.requested_at))
    }

    /// What is stored of the orders that are not new. A statement of its own, so that it sees what
    /// others committed while the first one waited for them.
    async fn meet(&self, batch: &[Arc<Asked>], new: &HashSet<String>) -> Result<HashMap<String, Loaded>, sqlx::Error> {
        let old: Vec<_> = batch.iter().filter(|asked| !new.contains(Self::key(asked))).collect();
        let ids: Vec<_> = old.iter().map(|asked| Self::key(asked)).collect();
        let mut met = latest(&self.pool, &ids).await?;
        let lacks_attempt = |asked: &&&Arc<Asked>| {
            let stored = met.get(Self::key(asked)).and_then(|stored| stored.as_ref().ok());
            stored.is_some_and(|stored| stored.met_by(&asked.request, asked.now).is_none())
        };
        let saved: Vec<_> = old.iter().filter(lacks_attempt).collect();
        if !saved.is_empty() {
            let firsts: Vec<_> = saved.iter().map(|asked| First::of(asked)).collect();
            self.store_attempts(&firsts).await?;
            let ids: Vec<_> = saved.iter().map(|asked| Self::key(asked)).collect();
            met.extend(latest(&self.pool, &ids).await?);
        }
        Ok(met)
    }
}

impl Asked {
    pub(in crate::adapters::postgres) fn new(request: &PaymentRequest, flow: ChargeFlow, now: Timestamp) -> Self {
        let decided = request.decided_for(request.order.unsettled());
        Self { request: request.clone(), first: Payment::first(Arc::new(decided), flow, now), now }
    }
}

impl First {
    fn of(asked: &Asked) -> Self {
        let (order, payment) = (OrderRow::of(asked.first.order()), PaymentRow::of(&asked.first));
        Self { order, payment, due: asked.now.plus(UNATTENDED_AFTER) }
    }
}
