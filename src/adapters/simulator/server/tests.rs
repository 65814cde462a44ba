//! Tests over a real socket: forms, headers, statuses, cut connections, the switch.

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;

use super::*;
use crate::adapters::memory::clock::ManualClock;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::ledger::Ledger;
use crate::domain::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default(), Arc::new(ManualClock::at(NOW))).expect("a free port")
}

fn client() -> Client {
    // An error says that another test of this process has installed it already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(20)).build().expect("TLS has its provider")
}

async fn create(simulator: &Simulator, key: &str) -> reqwest::Result<reqwest::Response> {
    let form = [
        ("amount", "1250"),
        ("currency", "eur"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("metadata[order_id]", "o-1"),
    ];
    let request = client().post(format!("{}/v1/payment_intents", simulator.url())).form(&form);
    request.bearer_auth("sk_test_1").header("Idempotency-Key", key).send().await
}

#[tokio::test]
async fn a_form_becomes_a_charge() {
    let simulator = simulator();
    let answer = create(&simulator, "k").await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(!answer.headers().contains_key("idempotent-replayed"));
    let first: Value = answer.json().await.expect("JSON");
    assert_eq!(first["status"], "succeeded");
    assert_eq!(first["metadata"]["order_id"], "o-1");

    let again = create(&simulator, "k").await.expect("an answer");
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.expect("JSON"), first);

    let ledger = client().get(format!("{}/_ledger", simulator.url())).send().await.expect("an answer");
    let ledger: Ledger = ledger.json().await.expect("the ledger");
    assert_eq!(ledger, simulator.provider().ledger());
    assert_eq!(ledger.orders["o-1"].charged, 1250);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_request_without_a_secret_key_is_refused() {
    let simulator = simulator();
    let answer = client().get(format!("{}/v1/balance", simulator.url())).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_cut_connection_gives_no_answer_though_the_charge_was_made() {
    let simulator = simulator();
    simulator.provider().inject(Fault::CutAfter);
    let error = create(&simulator, "k").await.expect_err("no answer");
    assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
    assert_eq!(simulator.provider().totals().charges, 1);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_hanging_answer_does_not_hold_up_the_shutdown() {
    let simulator = simulator();
    simulator.provider().inject(Fault::Timeout);
    let provider = Arc::clone(simulator.provider());
    let stopping = async {
        while provider.totals().charges == 0 {
            tokio::task::yield_now().await;
        }
    };
    let url = simulator.url();
    let request = client().post(format!("{url}/v1/payment_intents")).bearer_auth("sk_test_1");
    let hanging = request.body("amount=1250&currency=eur&payment_method=pm_card_visa&confirm=true").send();
    let stopped = async {
        stopping.await;
        simulator.shutdown().await;
    };
    let (answer, ()) = tokio::join!(hanging, stopped);
    assert!(answer.is_err(), "cut, not answered");
    assert!(client().get(format!("{url}/_health")).send().await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_dropped_simulator_charges_nothing_over_connections_that_are_open() {
    let simulator = simulator();
    let (url, provider) = (simulator.url(), Arc::clone(simulator.provider()));
    let client = client();
    let pay = || {
        let request = client.post(format!("{url}/v1/payment_intents")).bearer_auth("sk_test_1");
        request.body("amount=1250&currency=eur&payment_method=pm_card_visa&confirm=true").send()
    };
    // Read to its end, so that the connection is kept and used again.
    pay().await.expect("an answer").bytes().await.expect("a body");
    drop(simulator);
    assert!(pay().await.is_err());
    assert_eq!(provider.totals().charges, 1);
}

#[tokio::test]
async fn a_late_request_is_cut_at_once_and_executed_when_it_is_due() {
    let clock = Arc::new(ManualClock::at(NOW));
    let simulator = Simulator::start(SimulatorConfig::default(), Arc::clone(&clock) as _).expect("a free port");
    simulator.provider().inject(Fault::Late);
    assert!(create(&simulator, "k").await.is_err());
    assert_eq!(simulator.provider().totals().charges, 0);
    clock.advance(Duration::from_millis(simulator.provider().faults().late_ms));
    let answer = create(&simulator, "k").await.expect("an answer");
    assert_eq!(answer.headers()["idempotent-replayed"], "true");
    assert_eq!(simulator.provider().totals().charges, 1);
    simulator.shutdown().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let simulator = simulator();
    let config = SimulatorConfig { listen: simulator.address(), ..SimulatorConfig::default() };
    let Err(error) = Simulator::start(config, Arc::new(ManualClock::at(NOW))) else { panic!("two listeners") };
    assert_eq!(error.to_string(), format!("the payment simulator cannot listen at {}", simulator.address()));
    simulator.shutdown().await;
}

#[tokio::test]
async fn what_the_api_does_not_know_is_refused() {
    let simulator = simulator();
    let url = simulator.url();
    let deleted = client().delete(format!("{url}/v1/payment_intents")).send().await.expect("an answer");
    assert_eq!(deleted.status(), 405);
    let unknown = client().get(format!("{url}/v1/customers")).bearer_auth("sk_test_1").send().await.expect("an answer");
    assert_eq!(unknown.status(), 404);
    let huge = client().post(format!("{url}/v1/refunds")).body(vec![b'a'; MAX_BODY_BYTES + 1]).send().await;
    assert!(huge.is_err() || huge.is_ok_and(|answer| answer.status() == 413));
    let health = client().get(format!("{url}/_health")).send().await.expect("an answer");
    assert_eq!(health.status(), 200);
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_switch_takes_a_query_or_json_and_refuses_nonsense() {
    let simulator = simulator();
    let switch = format!("{}/_faults", simulator.url());
    let set = client().post(format!("{switch}?rate_limited=1&on=create")).send().await.expect("an answer");
    assert_eq!(set.status(), 200);
    assert_eq!(create(&simulator, "k").await.expect("an answer").status(), 429);

    let json = r#"{"shares":{"error_after_sticky":1}}"#;
    client().post(&switch).body(json).send().await.expect("an answer");
    let answer = create(&simulator, "k").await.expect("an answer");
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["stripe-should-retry"], "false");

    for nonsense in ["?earthquake=1", "?timeout=2", "?timeout=x", "?on=lunch"] {
        let refused = client().post(format!("{switch}{nonsense}")).send().await.expect("an answer");
        assert_eq!(refused.status(), 400, "{nonsense}");
    }
    assert_eq!(simulator.provider().faults(), Faults::only(Fault::ErrorAfterSticky, 1.0));
    simulator.shutdown().await;
}
