//! Differences between the gateway and the database, and orders under review: told, and ended by a person.

use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::memory::clock::ManualClock;
use order_payments::adapters::postgres::PostgresOrderRepository;
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

use crate::flow::commands::{BY_ADA, Desk, is_adas};
use crate::support::kafka::Topics;
use crate::support::postgres::Database;

/// A gateway whose charges are an hour old, and an empty database.
async fn an_hour_ago() -> (Database, Simulator, Arc<ManualClock>) {
    const HOUR: Duration = Duration::from_hours(1);
    let clock = Arc::new(ManualClock::at(SystemClock.now().minus(HOUR)));
    let simulator = Simulator::start(SimulatorConfig::default(), clock.clone()).expect("a free port");
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
    let topics = Topics::create().await;
    let desk = Desk { database: &database, topics: &topics, simulator: &simulator };
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
    let topics = Topics::create().await;
    let desk = Desk { database: &database, topics: &topics, simulator: &simulator };
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
    assert!(shown["journal"].as_array().expect("a journal").iter().any(is_adas), "{shown}");
    let again = desk.call_with("review resolve o-open --failed --yes", &BY_ADA).await;
    assert_eq!(again.code, Some(5), "it is under review no more: {again:?}");
}
