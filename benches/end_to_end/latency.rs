//! Requests by schedule, whether or not earlier ones are answered: how long from the moment a request was
//! meant to be sent until a reader of committed records has its outcome, beyond what the gateway took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use order_payments::adapters::simulator::ledger::Totals;
use rdkafka::producer::FutureProducer;
use serde::Serialize;
use tokio::time::sleep_until;

use crate::arrivals::{Pattern, Zipf, payable, repetitions};
use crate::chaos::checker::judge;
use crate::chaos::load::{hand_over, order_id};
use crate::options::Options;
use crate::reader::{Reader, Told};
use crate::report::{Run, millis};
use crate::servers::Servers;
use crate::stage::{PATIENCE, Stage, send, stop};
use crate::statistics::{Percentiles, number};
use crate::support::kafka::Topics;

/// Orders before the schedule begins: when they are settled the service is ready.
const PILOTS: usize = 50;

/// Keys to draw from, for each record: about half of the records then name an order anew.
const KEYS_PER_RECORD: u32 = 10;

/// How long one call to the gateway takes here.
pub(crate) const GATEWAY_MS: u64 = 50;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    charge_flow: &'static str,
    arrivals: &'static str,
    records: usize,
    /// Records that named an order which had been asked for before.
    repeated: usize,
    /// What the gateway took of every order's time; left out of the others.
    gateway: Duration,
    p50: Duration,
    p95: Duration,
    p99: Duration,
    max: Duration,
    wrongs: Vec<String>,
}

impl Run for Measured {
    const COLUMNS: (&'static [&'static str], &'static [&'static str]) =
        (&["flow", "arrivals"], &["records", "repeated", "p50 ms", "p95 ms", "p99 ms", "max ms", "gateway's own ms"]);

    fn labels(&self) -> Vec<String> {
        vec![self.charge_flow.to_owned(), self.arrivals.to_owned()]
    }

    fn figures(&self) -> Vec<String> {
        let times = [self.p50, self.p95, self.p99, self.max, self.gateway].map(millis);
        [self.records.to_string(), self.repeated.to_string()].into_iter().chain(times).collect()
    }

    fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}

/// Runs one flow under one pattern of arrivals.
pub(crate) async fn measure(
    servers: &Servers,
    options: &Options,
    charge_flow: &'static str,
    pattern: Pattern,
) -> Measured {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let records = options.rate.saturating_mul(options.seconds);
    let zipf = Zipf::over(records.saturating_mul(KEYS_PER_RECORD));
    let orders: Vec<_> = (0..records).map(|_| payable(zipf.draw(&mut random))).collect();
    let moments = pattern.moments(orders.len(), f64::from(options.rate), &mut random);
    let pilots: Vec<_> = (0..PILOTS).map(|pilot| payable(zipf.ranks() + pilot)).collect();
    let repeated = repetitions(&orders);

    let stage = Stage::set(servers, options, charge_flow, GATEWAY_MS).await;
    let topics = &stage.setup.topics;
    let reader = Reader::start(topics);
    let instances = stage.start(1);
    send(topics, &pilots).await;
    reader.wait_for(PILOTS, PATIENCE).await;
    let meant = send_on_time(topics, &moments, &orders).await;
    reader.wait_for(PILOTS + orders.len() - repeated, PATIENCE).await;
    stop(instances).await;

    let gateway = Duration::from_millis(GATEWAY_MS * if charge_flow == "one-step" { 1 } else { 2 });
    let Percentiles { p50, p95, p99, max } = Percentiles::of(latencies(&reader.finish(), &meant, gateway));
    let evidence = stage.evidence(orders.iter().chain(&pilots).copied()).await;
    let mut wrongs = judge(&evidence).wrongs();
    wrongs.extend(asked_again(&evidence.ledger.totals, PILOTS + orders.len() - repeated));
    stage.strike().await;
    let (arrivals, records) = (pattern.name(), orders.len());
    Measured { charge_flow, arrivals, records, repeated, gateway, p50, p95, p99, max, wrongs }
}

/// Sends each request at its moment; returns when each order was meant to be asked for first.
async fn send_on_time(topics: &Topics, moments: &[Duration], orders: &[usize]) -> BTreeMap<String, Instant> {
    let producer: FutureProducer = topics
        .client()
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create()
        .expect("a lawful configuration");
    let start = Instant::now();
    let (mut deliveries, mut meant) = (Vec::new(), BTreeMap::new());
    for (moment, order) in moments.iter().zip(orders) {
        sleep_until((start + *moment).into()).await;
        deliveries.push(hand_over(&producer, &topics.requests, *order));
        meant.entry(order_id(*order)).or_insert(start + *moment);
    }
    for delivery in deliveries {
        delivery.await.expect("the producer lives").expect("the broker takes it");
    }
    meant
}

fn latencies(told: &[Told], meant: &BTreeMap<String, Instant>, gateway: Duration) -> Vec<Duration> {
    let latency = |(order, at): &Told| Some(at.saturating_duration_since(*meant.get(order)?).saturating_sub(gateway));
    told.iter().filter_map(latency).collect()
}

/// A repeated request must be met by what is stored: the gateway is asked once for every order.
fn asked_again(totals: &Totals, orders: usize) -> Option<String> {
    let is_once = number(orders).total_cmp(&f64::from(u32::try_from(totals.intents).unwrap_or(u32::MAX))).is_eq();
    let again = totals.replays + totals.conflicts;
    (!is_once || again > 0)
        .then(|| format!("{} intents for {orders} orders, {again} of their requests repeated", totals.intents))
}
