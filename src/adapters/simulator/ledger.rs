//! The ledger: what the provider truly did, whatever it answered. For tests, the demo and checkers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::adapters::simulator::book::Book;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::intent::{Intent, RefundStatus, Status};
use crate::adapters::simulator::keys::Keys;
use crate::adapters::simulator::request::Operation;

/// Everything that the provider did, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The sums.
    pub totals: Totals,
    /// Orders with more than one successful charge: must be empty.
    pub double_charged: Vec<String>,
    /// By order id; intents without one stand under the empty name.
    pub orders: BTreeMap<String, OrderEntry>,
    /// By idempotency key.
    pub keys: BTreeMap<String, KeyEntry>,
}

/// The sums of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that arrived, by operation.
    pub requests: BTreeMap<Operation, u64>,
    /// Creations, confirmations and refunds that were asked for without an idempotency key.
    pub without_key: u64,
    /// First answers that were given once more.
    pub replays: u64,
    /// Keys that met their own request still being executed.
    pub conflicts: u64,
    /// Keys that came with other parameters or for another endpoint.
    pub mismatches: u64,
    /// Faults that struck.
    pub faults: BTreeMap<Fault, u64>,
    /// Payment intents made.
    pub intents: u64,
    /// Successful charges.
    pub charges: u64,
    /// Declined charges.
    pub declines: u64,
    /// Refunds that did not fail.
    pub refunds: u64,
    /// Orders with more than one successful charge.
    pub double_charged: u64,
}

/// What was done for one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEntry {
    /// Its intents, oldest first.
    pub intents: Vec<IntentEntry>,
    /// Its successful charges.
    pub successes: u64,
    /// Minor units taken, over all intents.
    pub charged: u64,
    /// Minor units given back, over all intents.
    pub refunded: u64,
}

/// One intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentEntry {
    /// `pi_…`
    pub id: String,
    /// Minor units to be taken.
    pub amount: u64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Where it stands.
    pub status: Status,
    /// Minor units taken.
    pub amount_received: u64,
    /// Minor units given back.
    pub refunded: u64,
    /// Confirmations that the provider carried out.
    pub confirmations: u32,
    /// Its refunds, oldest first.
    pub refunds: Vec<RefundEntry>,
}

/// One refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundEntry {
    /// `re_…`
    pub id: String,
    /// Minor units.
    pub amount: u64,
    /// Where it stands.
    pub status: RefundStatus,
    /// The caller's own name for it.
    pub refund_id: Option<String>,
}

/// One idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The endpoint of its first use.
    pub path: String,
    /// Digests of endpoint and body, each once, in the order seen: more than one is a client's mistake.
    pub bodies: Vec<String>,
    /// Requests that carried it.
    pub uses: u64,
    /// First use, in microseconds since 1970.
    pub first_seen_us: i64,
    /// Last use, in microseconds since 1970.
    pub last_seen_us: i64,
}

/// Counts as they grow; becomes [`Totals`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: [u64; Operation::ALL.len()],
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) without_key: u64,
    pub(crate) replays: u64,
    pub(crate) conflicts: u64,
    pub(crate) mismatches: u64,
}

pub(crate) fn ledger(book: &Book, keys: &Keys, tally: &Tally) -> Ledger {
    let mut orders: BTreeMap<String, OrderEntry> = BTreeMap::new();
    for (name, entry) in entries(book) {
        let order = orders.entry(name).or_default();
        order.successes += u64::from(entry.status == Status::Succeeded);
        order.charged += entry.amount_received;
        order.refunded += entry.refunded;
        order.intents.push(entry);
    }
    let doubled = orders.iter().filter(|(name, order)| !name.is_empty() && order.successes > 1);
    let double_charged = doubled.map(|(name, _)| name.clone()).collect();
    let keys = keys.iter().map(|(key, record)| {
        let bodies = record.bodies.iter().map(|digest| format!("{digest:016x}")).collect();
        let (first_seen_us, last_seen_us) = (record.first_seen.as_micros(), record.last_seen.as_micros());
        (key.clone(), KeyEntry { path: record.path.clone(), bodies, uses: record.uses, first_seen_us, last_seen_us })
    });
    Ledger { totals: totals(book, tally), double_charged, orders, keys: keys.collect() }
}

pub(crate) fn totals(book: &Book, tally: &Tally) -> Totals {
    let requests = Operation::ALL.into_iter().map(|operation| (operation, tally.requests[operation as usize]));
    let kept = book.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed);
    Totals {
        requests: requests.filter(|(_, count)| *count > 0).collect(),
        without_key: tally.without_key,
        replays: tally.replays,
        conflicts: tally.conflicts,
        mismatches: tally.mismatches,
        faults: tally.faults.clone(),
        intents: book.intents.len() as u64,
        charges: book.charges,
        declines: book.declines,
        refunds: kept.count() as u64,
        double_charged: double_charged(book),
    }
}

fn double_charged(book: &Book) -> u64 {
    let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
    let succeeded = book.intents.iter().filter(|intent| intent.status == Status::Succeeded);
    for order_id in succeeded.filter_map(Intent::order_id) {
        if !once.insert(order_id) {
            more.insert(order_id);
        }
    }
    more.len() as u64
}

fn entries(book: &Book) -> impl Iterator<Item = (String, IntentEntry)> {
    let mut refunds: BTreeMap<&str, Vec<RefundEntry>> = BTreeMap::new();
    for refund in &book.refunds {
        let refund_id = refund.metadata.get("refund_id").cloned();
        let entry = RefundEntry { id: refund.id.clone(), amount: refund.amount, status: refund.status, refund_id };
        refunds.entry(&refund.payment_intent).or_default().push(entry);
    }
    book.intents.iter().map(move |intent| {
        let entry = IntentEntry {
            id: intent.id.clone(),
            amount: intent.amount,
            currency: intent.currency.clone(),
            status: intent.status,
            amount_received: intent.amount_received,
            refunded: intent.refunded,
            confirmations: intent.confirmations,
            refunds: refunds.remove(intent.id.as_str()).unwrap_or_default(),
        };
        (intent.order_id().unwrap_or_default().to_owned(), entry)
    })
}
