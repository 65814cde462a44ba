//! What an operator does by hand. The real program, and what it has done as the provider's ledger has it.

mod dead_letters;
mod explain;
mod findings;
mod lint_event;
mod offsets;
mod prune;
mod replay;

use std::process::Stdio;
use std::time::Duration;

use order_payments::adapters::simulator::ledger::OrderEntry;
use order_payments::adapters::simulator::server::Simulator;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::process::Command;

use crate::flow::Stage;
use crate::support::eventually;
use crate::support::http::get;
use crate::support::kafka::{PARTITIONS, Topics};
use crate::support::postgres::Database;

const PATIENCE: Duration = Duration::from_mins(1);
const BY_ADA: [&str; 4] = ["--actor", "ada", "--reason", "one of two came back"];

/// Where an operator sits: a database and a gateway, no Kafka.
struct Desk<'a> {
    database: &'a Database,
    topics: &'a Topics,
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
            .env("ORDER_PAYMENTS__KAFKA__BROKERS", &self.topics.brokers)
            .env("ORDER_PAYMENTS__KAFKA__REQUEST_TOPIC", &self.topics.requests)
            .env("ORDER_PAYMENTS__KAFKA__OUTCOME_TOPIC", &self.topics.outcomes)
            .env("ORDER_PAYMENTS__KAFKA__DEAD_LETTER_TOPIC", &self.topics.dead_letters)
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
    let desk = Desk { database: &stage.setup.database, topics: &stage.setup.topics, simulator: &stage.simulator };
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
    let reasons = order.json()["journal"].as_array().expect("a journal").iter().filter(|entry| is_adas(entry)).count();
    assert_eq!((reasons, order.out.contains("ada@example.com")), (3, false), "{order:?}");
}

fn is_adas(entry: &Value) -> bool {
    entry["actor"] == "ada" && entry["note"] == "one of two came back"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_closed_by_hand_keeps_orders_unpaid_until_it_is_opened() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = Desk { database: &stage.setup.database, topics: &stage.setup.topics, simulator: &stage.simulator };
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
    eventually("the service having its partitions", PATIENCE, async || {
        let (_, readiness) = get(&format!("{address}/readyz")).await;
        readiness.contains(&format!("{PARTITIONS} partitions assigned")).then_some(())
    })
    .await;
    stage.setup.topics.send(&[requested("o-1")]).await;
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

#[tokio::test]
async fn a_service_that_may_not_open_as_many_connections_as_it_may_need_refuses_to_start() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 1024 && exec \"$0\" run", env!("CARGO_BIN_EXE_order-payments")])
        .env("ORDER_PAYMENTS__DATABASE__URL", "memory:")
        .env("ORDER_PAYMENTS__KAFKA__BROKERS", "embedded")
        .env("ORDER_PAYMENTS__GATEWAY__KIND", "simulator")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("processing.max_in_flight to 768 at the most"), "{told}");
}
