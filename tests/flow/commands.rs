//! What an operator does by hand: refunds, the gate, reconciliation, reviews. The real program, and what
//! it has done as the provider's own ledger has it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::memory::clock::ManualClock;
use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::adapters::simulator::ledger::OrderEntry;
use order_payments::adapters::simulator::request::Request;
use order_payments::adapters::simulator::server::{Simulator, SimulatorConfig};
use order_payments::adapters::sql::config::Config;
use order_payments::adapters::system::SystemClock;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::payment::ChargeFlow;
use order_payments::domain::request::{Origin, PaymentRequest};
use order_payments::ports::clock::Clock;
use order_payments::ports::order_repository::{Begun, OrderRepository, Standing};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::process::Command;

use crate::flow::Stage;
use crate::flow::operation::get;
use crate::support::eventually;
use crate::support::postgres::Database;

const PATIENCE: Duration = Duration::from_mins(1);
const BY_ADA: [&str; 4] = ["--actor", "ada", "--reason", "one of two came back"];

/// Where an operator sits: a database and a gateway, no Kafka.
struct Desk<'a> {
    database: &'a Database,
    simulator: &'a Simulator,
}

/// What a command has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Desk<'_> {
    async fn call(&self, line: &str) -> Said {
        self.call_with(line, &[]).await
    }

    /// Calls the program, with words that have spaces at the end.
    async fn call_with(&self, line: &str, words: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_order-payments"))
            .args(line.split_whitespace())
            .args(words)
            .env("ORDER_PAYMENTS__DATABASE__URL", &self.database.url)
            .env("ORDER_PAYMENTS__GATEWAY__STRIPE__API_BASE", self.simulator.url())
            .env("ORDER_PAYMENTS__GATEWAY__STRIPE__API_KEY", "sk_test_canary")
            .stdin(Stdio::null())
            .output()
            .await
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn ledger_of(&self, order_id: &str) -> OrderEntry {
        self.simulator.provider().ledger().orders.get(order_id).cloned().unwrap_or_default()
    }
}

fn requested(order_id: &str) -> (String, Option<Vec<u8>>) {
    let body = format!(
        r#"{{"order_id":"{order_id}","customer_email":"ada@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_card_visa"}}"#
    );
    (order_id.to_owned(), Some(body.into_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_is_refunded_in_parts_and_never_beyond_what_it_paid() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = Desk { database: &stage.setup.database, simulator: &stage.simulator };
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1")]).await;
    stage.settled(1, PATIENCE).await;

    for (line, code, told) in [
        ("refund o-1 --yes --amount 12.51", 5, "12.50 EUR left"),
        ("refund o-1 --yes --amount 0", 5, "more than zero"),
        ("refund o-1 --yes --amount -1", 5, "more than zero"),
        ("refund o-1 --yes --amount 1.001", 5, "more decimals"),
        ("refund o-2 --yes --amount 1", 3, "not known"),
        ("refund o-1 --amount 1", 1, "--yes"),
    ] {
        let said = desk.call_with(line, &BY_ADA).await;
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert!(said.err.contains(told) && said.out.is_empty(), "{line}: {said:?}");
    }
    assert_eq!(desk.call("refunds o-1 --json").await.json(), Value::Array(Vec::new()));

    let first = desk.call_with("refund o-1 --yes --amount 5 --wait --json", &BY_ADA).await;
    assert_eq!((first.code, &first.json()["state"]), (Some(0), &Value::from("SUCCEEDED")), "{first:?}");
    let id = first.json()["refund_id"].as_str().expect("a name").to_owned();
    let again = desk.call_with(&format!("refund o-1 --yes --amount 5 --refund-id {id} --json"), &BY_ADA).await;
    assert_eq!((again.code, &again.json()["refund_id"]), (Some(0), &Value::from(id.clone())), "{again:?}");
    let other = desk.call_with(&format!("refund o-1 --yes --amount 6 --refund-id {id}"), &BY_ADA).await;
    assert_eq!(other.code, Some(5), "{other:?}");
    let second = desk.call_with("refund o-1 --yes --amount 7 --wait --json", &BY_ADA).await;
    assert_eq!((second.code, &second.json()["state"]), (Some(0), &Value::from("SUCCEEDED")), "{second:?}");
    let beyond = desk.call_with("refund o-1 --yes --amount 0.51", &BY_ADA).await;
    assert_eq!((beyond.code, beyond.err.contains("0.50 EUR left")), (Some(5), true), "{beyond:?}");

    assert_eq!(desk.ledger_of("o-1").refunded, 1_200);
    eventually("an outcome of each refund", PATIENCE, async || {
        let outcomes = stage.setup.topics.read(&stage.setup.topics.outcomes);
        let refunded = outcomes.iter().filter(|seen| seen.header("ce_type") == Some("payment-refunded")).count();
        (refunded == 2).then_some(())
    })
    .await;
    service.stop().await;
    let unsent = desk.call_with("refund o-1 --yes --wait=1s", &BY_ADA).await;
    assert_eq!((unsent.code, unsent.out.contains("REQUESTED")), (Some(6), true), "{unsent:?}");
    let order = desk.call("orders get o-1 --journal --json").await;
    let reasons = order.json()["journal"].as_array().expect("a journal").iter().filter(is_adas).count();
    assert_eq!((reasons, order.out.contains("ada@example.com")), (3, false), "{order:?}");
}

fn is_adas(entry: &&Value) -> bool {
    entry["actor"] == "ada" && entry["note"] == "one of two came back"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_closed_by_hand_keeps_orders_unpaid_until_it_is_opened() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = Desk { database: &stage.setup.database, simulator: &stage.simulator };
    assert_eq!(desk.call("gate status").await.code, Some(0));
    let closed = desk.call("gate close --actor ada --reason maintenance").await;
    assert_eq!(closed.code, Some(0), "{closed:?}");
    let refused = desk.call("reconcile").await;
    assert_eq!((refused.code, refused.err.contains("maintenance")), (Some(1), true), "{refused:?}");

    let service = stage.setup.start();
    let address = service.http_address().await;
    eventually("the service having seen its gate", PATIENCE, async || {
        let (_, metrics) = get(&format!("{address}/metrics")).await;
        metrics.contains("order_payments_gate_open 0").then_some(())
    })
    .await;
    stage.setup.topics.send(&[requested("o-1")]).await;
    eventually("the service having met the order", PATIENCE, async || {
        let (_, metrics) = get(&format!("{address}/metrics")).await;
        metrics.contains("order_payments_consumer_lag_records").then_some(())
    })
    .await;
    let status = desk.call("gate status --json").await;
    assert_eq!((status.code, &status.json()["closed"]["actor"]), (Some(4), &Value::from("ada")), "{status:?}");
    assert_eq!(desk.ledger_of("o-1"), OrderEntry::default(), "something was sent through a closed gate");
    assert_eq!(stage.setup.database.settled().await, 0);

    let opened = desk.call("gate open --actor ada --reason over").await;
    assert_eq!(opened.code, Some(0), "{opened:?}");
    stage.settled(1, PATIENCE).await;
    service.stop().await;
    stage.account().await.assert_balanced(1);
    let gate = desk.call("gate status --json").await.json();
    let changes = gate["changes"].as_array().expect("changes");
    let told: Vec<_> = changes.iter().map(|change| (change["state"].as_str(), change["note"].as_str())).collect();
    assert_eq!(told, [(Some("CLOSED"), Some("maintenance")), (Some("OPEN"), Some("over"))]);
    let journal = desk.call("orders get o-1 --journal --json").await.json();
    for entry in journal["journal"].as_array().expect("a journal") {
        let is_sent = entry["exchanges"].as_array().is_some_and(|exchanges| !exchanges.is_empty());
        assert!(!is_sent || recorded(entry) > recorded(&changes[1]), "sent before it was opened: {entry}");
    }
}

fn recorded(entry: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(entry["recorded_at"].as_str().expect("a moment"), &Rfc3339).expect("RFC 3339")
}

/// A gateway whose charges are an hour old, and an empty database.
async fn an_hour_ago() -> (Database, Simulator, Arc<ManualClock>) {
    const HOUR: Duration = Duration::from_hours(1);
    let clock = Arc::new(ManualClock::at(SystemClock.now().minus(HOUR)));
    let simulator = Simulator::start(SimulatorConfig::default(), clock.clone()).await.expect("a free port");
    let database = Database::create().await;
    (database, simulator, clock)
}

/// Makes a charge object as the service would, behind its back; its name.
fn made_at(simulator: &Simulator, order_id: &str, and: &str) -> String {
    let body = format!(
        "amount=1250&currency=eur&payment_method=pm_card_visa&metadata[order_id]={order_id}&metadata[attempt]=1{and}"
    );
    let reply = simulator.provider().handle(&Request::post("/v1/payment_intents", &body, Some(order_id)));
    let intent: Value = serde_json::from_slice(&reply.answer.expect("an answer").body).expect("JSON");
    intent["id"].as_str().unwrap_or_else(|| panic!("no name: {intent}")).to_owned()
}

const CHARGED: &str = "&confirm=true&off_session=true&error_on_requires_action=true";

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_by_a_dry_run_and_kept_until_a_person_has_ended_it() {
    let (database, simulator, clock) = an_hour_ago().await;
    let desk = Desk { database: &database, simulator: &simulator };
    assert_eq!(desk.call("migrate").await.code, Some(0));
    assert_eq!(desk.call("reconcile").await.code, Some(0));
    let reference = made_at(&simulator, "o-unknown", CHARGED);
    clock.advance(Duration::from_hours(1));

    let dry = desk.call("reconcile --dry-run --json").await;
    assert_eq!((dry.code, &dry.json()["findings_by_kind"]["UNKNOWN_ORDER"]), (Some(4), &Value::from(1)), "{dry:?}");
    assert_eq!(desk.call("review list --json").await.json()["findings"], Value::Array(Vec::new()));
    let later = desk.call("reconcile --since 30m").await;
    assert_eq!(later.code, Some(0), "{later:?}");
    for _ in 0..2 {
        let found = desk.call("reconcile --since 2h").await;
        assert_eq!((found.code, found.out.contains(&reference)), (Some(4), true), "{found:?}");
    }
    let listed = desk.call("review list --json").await.json();
    let findings = listed["findings"].as_array().expect("findings");
    assert_eq!((findings.len(), &findings[0]["payment_reference"]), (1, &Value::from(reference)), "{listed}");
    assert_eq!(desk.call("review show o-unknown").await.code, Some(0));

    let resolve = format!("review resolve --finding {}", findings[0]["finding_id"].as_str().expect("a name"));
    assert_eq!(desk.call_with(&resolve, &BY_ADA).await.code, Some(0));
    assert_eq!(desk.call_with(&resolve, &BY_ADA).await.code, Some(3), "it is ended once");
    let ended = desk.call("reconcile --json").await;
    assert_eq!((ended.code, &ended.json()["ended_before"]), (Some(0), &Value::from(1)), "{ended:?}");
}

/// Puts an order under review whose charge object the gateway has as `and` says; that object's name.
async fn under_review(desk: &Desk<'_>, order_id: &str, and: &str) -> String {
    let url = desk.database.url.clone().into();
    let orders = PostgresOrderRepository::connect(&Config { url, max_connections: 2 }).await.expect("it is migrated");
    let (now, reference) = (SystemClock.now(), made_at(desk.simulator, order_id, and));
    let total = Money::parse("12.50", "EUR").expect("an amount");
    let email = "ada@example.com".parse().expect("an address");
    let order = Order::new(order_id.parse().expect("an id"), email, total);
    let payment_method = "pm_card_visa".parse().expect("a token");
    let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
    let begun = orders.begin(&request, ChargeFlow::TwoStep, now).await.expect("it is stored");
    let Begun::Prepare(payment) = begun else { panic!("it was known: {begun:?}") };
    let object = reference.parse().expect("a token");
    let standing = orders.arm(&payment, &object, now, &Evidence::default()).await.expect("it is stored");
    let Standing::Armed(armed) = standing else { panic!("it was moved on: {standing:?}") };
    let review = armed.payment().under_review("planted by a test".to_owned());
    orders.park(&review, None).await.expect("it is stored");
    reference
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_ends_as_a_person_says_where_the_gateway_bears_it_out() {
    let (database, simulator, clock) = an_hour_ago().await;
    let desk = Desk { database: &database, simulator: &simulator };
    assert_eq!(desk.call("migrate").await.code, Some(0));
    clock.advance(Duration::from_hours(1));
    let charged = under_review(&desk, "o-charged", CHARGED).await;
    under_review(&desk, "o-open", "").await;
    under_review(&desk, "o-retried", "").await;
    let listed = desk.call("review list").await;
    assert!(listed.out.contains("orders under review: 3") && listed.out.contains("planted by a test"), "{listed:?}");

    for (line, code) in [
        ("review resolve o-charged --failed --yes", 5),
        ("review resolve o-charged --paid pi_other --yes", 5),
        ("review resolve o-open --paid pi_other --yes", 5),
        ("review resolve o-unknown --failed --yes", 3),
        ("review resolve o-open --failed", 1),
    ] {
        let said = desk.call_with(line, &BY_ADA).await;
        assert_eq!((said.code, said.err.contains("nothing was")), (Some(code), true), "{line}: {said:?}");
    }
    let waiting = desk.call("review list --json").await.json();
    assert_eq!(waiting["orders"].as_array().map(Vec::len), Some(3), "a refused decision changes nothing: {waiting}");

    let paid = desk.call_with(&format!("review resolve o-charged --paid {charged} --yes --json"), &BY_ADA).await;
    assert_eq!((paid.code, &paid.json()["status"]), (Some(0), &Value::from("PAID")), "{paid:?}");
    let failed = desk.call_with("review resolve o-open --failed --yes --json", &BY_ADA).await;
    assert_eq!((failed.code, &failed.json()["status"]), (Some(0), &Value::from("FAILED")), "{failed:?}");
    let retried = desk.call_with("review resolve o-retried --retry", &BY_ADA).await;
    assert_eq!(retried.code, Some(0), "{retried:?}");
    let reconciled = desk.call("reconcile --json").await;
    assert_eq!((reconciled.code, &reconciled.json()["due"]["settled"]), (Some(0), &Value::from(1)), "{reconciled:?}");

    let statuses = database.statuses().await;
    assert_eq!((statuses.get("PAID"), statuses.get("FAILED"), statuses.len()), (Some(&2), Some(&1), 2));
    let successes = ["o-charged", "o-open", "o-retried"].map(|order_id| desk.ledger_of(order_id).successes);
    assert_eq!(successes, [1, 0, 1]);
    let shown = desk.call("review show o-open --json").await.json();
    assert!(shown["journal"].as_array().expect("a journal").iter().any(|entry| is_adas(&entry)), "{shown}");
    let again = desk.call_with("review resolve o-open --failed --yes", &BY_ADA).await;
    assert_eq!(again.code, Some(5), "it is under review no more: {again:?}");
}
