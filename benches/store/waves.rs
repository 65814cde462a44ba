//! Orders in waves: each step for a whole wave, so that what a step costs can be told from the others.

use std::time::SystemTime;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::domain::evidence::{Evidence, Exchange};
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::payment::{Armed, ChargeFlow, Payment};
use order_payments::domain::request::{Origin, PaymentRequest};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::order_repository::{Begun, OrderRepository, Settling, Standing};
use order_payments::ports::outbox::{Outbox, Published};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Ids;
use crate::server::{Cost, Spent};

/// Orders of a wave: many batches of each step, and soon settled, as in the service.
const WAVE: usize = 5_000;

/// Outcomes that the relay publishes at a time, as `relay.batch_size`.
const PUBLISHED_AT_A_TIME: usize = 1_000;

const OUTCOME_TOPIC: &str = "payments.outcomes";

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) orders: usize,
    pub(crate) in_flight: usize,
    pub(crate) ids: Ids,
    pub(crate) flow: ChargeFlow,
}

/// What each step has cost, by its name.
#[derive(Debug, Default)]
pub(crate) struct Costs(pub(crate) Vec<(&'static str, Cost)>);

impl Costs {
    fn add(&mut self, step: &'static str, cost: Cost) {
        match self.0.iter_mut().find(|(name, _)| *name == step) {
            Some((_, sum)) => sum.add(cost),
            None => self.0.push((step, cost)),
        }
    }
}

/// Pays that many orders, wave by wave.
pub(crate) async fn measure(
    store: &PostgresOrderRepository,
    db: &mut PgConnection,
    load: &Load,
) -> anyhow::Result<Costs> {
    let mut costs = Costs::default();
    let mut offset = 0;
    let first = now().as_micros();
    for wave in (0..load.orders).step_by(WAVE) {
        let numbers = wave..(wave + WAVE).min(load.orders);
        let start = Spent::now(db).await?;
        let armed = begin(store, load, first, numbers).await?;
        let begun = Spent::now(db).await?;
        costs.add("begin", begun.since(start));
        let armed = arm(store, load, armed).await?;
        let was_armed = Spent::now(db).await?;
        costs.add("arm", was_armed.since(begun));
        settle(store, load, armed).await?;
        let settled = Spent::now(db).await?;
        costs.add("settle", settled.since(was_armed));
        relay(store, &mut offset).await?;
        costs.add("relay", Spent::now(db).await?.since(settled));
    }
    Ok(costs)
}

async fn begin(
    store: &PostgresOrderRepository,
    load: &Load,
    first: i64,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<Vec<Begun>> {
    let begin = |number| async move { store.begin(&request(load, first, number), load.flow, now()).await };
    Ok(stream::iter(numbers).map(begin).buffer_unordered(load.in_flight).try_collect().await?)
}

async fn arm(store: &PostgresOrderRepository, load: &Load, begun: Vec<Begun>) -> anyhow::Result<Vec<Armed>> {
    let arm = |begun| async move {
        let payment: Payment = match begun {
            Begun::Met(Standing::Armed(armed)) => return Ok(armed), // In one step nothing is armed.
            Begun::Prepare(payment) => payment,
            other => anyhow::bail!("an order was not new: {other:?}"),
        };
        let reference = format!("pi_{}", Uuid::new_v4().simple()).parse()?;
        match store.arm(&payment, &reference, now(), &evidence(&payment, "prepare")).await? {
            Standing::Armed(armed) => Ok(armed),
            other => anyhow::bail!("a payment was not armed: {other:?}"),
        }
    };
    stream::iter(begun).map(arm).buffer_unordered(load.in_flight).try_collect().await
}

async fn settle(store: &PostgresOrderRepository, load: &Load, armed: Vec<Armed>) -> anyhow::Result<()> {
    let settle = |armed: Armed| async move {
        let payment = armed.payment();
        let reference = match payment.reference() {
            Some(reference) => reference.clone(),
            None => format!("pi_{}", Uuid::new_v4().simple()).parse()?,
        };
        let settlement = payment.paid(reference, now())?.with(evidence(payment, "charge"));
        anyhow::ensure!(store.settle(&settlement).await? == Settling::Stored, "an order was not settled");
        Ok(())
    };
    stream::iter(armed).map(settle).buffer_unordered(load.in_flight).try_collect().await
}

async fn relay(store: &PostgresOrderRepository, offset: &mut i64) -> anyhow::Result<()> {
    loop {
        let events = store.unpublished(PUBLISHED_AT_A_TIME).await?;
        if events.is_empty() {
            return Ok(());
        }
        let mut publish = |event_id| {
            *offset += 1;
            Published { event_id, partition: i32::try_from(*offset % 6).unwrap_or_default(), offset: *offset }
        };
        let published: Vec<_> = events.iter().map(|event| publish(event.id)).collect();
        store.mark_published(OUTCOME_TOPIC, &published).await?;
    }
}

fn request(load: &Load, first: i64, number: usize) -> PaymentRequest {
    let id = match load.ids {
        Ids::Rising => format!("ord-{}", first + i64::try_from(number).expect("not that many")),
        Ids::Random => Uuid::new_v4().to_string(),
    };
    let email = format!("customer-{number}@example.com").parse().expect("an address");
    let total = Money::parse("49.90", "EUR").expect("an amount");
    let order = Order::new(id.parse().expect("an order id"), email, total);
    let origin = Origin {
        event_id: Some(Uuid::new_v4().to_string()),
        correlation_id: Some(format!("cart-{number}")),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        requested_at: Some(now()),
        ..Origin::default()
    };
    PaymentRequest { order, payment_method: "pm_card_visa".parse().expect("a token"), customer: None, origin }
}

fn evidence(payment: &Payment, operation: &'static str) -> Evidence {
    Evidence::of(vec![Exchange {
        operation,
        key: Some(format!("{}:1:{operation}", payment.order().id())),
        digest: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
        status: Some(200),
        code: None,
        request_id: Some("req_Y4gqkPbxjsXyzw".to_owned()),
        is_replayed: false,
        class: "approved",
        took_ms: 212,
    }])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no Clock port")]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).expect("a clock before the year 290000"))
}
