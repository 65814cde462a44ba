//! Signed deliveries, over HTTP, to a store in memory: what is due afterwards, and what a person is told.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use ring::hmac;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::adapters::http::server::{Check, HttpServer, Vitals};
use crate::adapters::memory::clock::ManualClock;
use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::payment::ChargeFlow;
use crate::domain::refund::{Refund, RefundId, RefundPurpose, RefundState};
use crate::domain::request::{Origin, PaymentRequest};
use crate::ports::order_repository::{Begun, Standing};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const SECRET: &str = "whsec_canary";
const LEASE: Duration = Duration::from_hours(1);

struct Silent;

impl Vitals for Silent {
    fn liveness(&self) -> Vec<Check> {
        Vec::new()
    }

    fn readiness(&self) -> Vec<Check> {
        Vec::new()
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

struct Stage {
    store: Store,
    url: String,
    client: Client,
    _running: JoinSet<std::io::Result<()>>,
}

impl Stage {
    async fn new() -> Self {
        // An error says that another test of this process has installed it already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
        let store = Store::of(MemoryOrderRepository::new(Arc::clone(&clock)));
        let receiver = StripeWebhooks::new(SECRET.into(), store.clone(), clock);
        let server = HttpServer::bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let server = server.with_webhooks(Arc::new(receiver));
        let (url, mut running) = (format!("http://{}/webhooks/stripe", server.address()), JoinSet::new());
        running.spawn(server.run(Arc::new(Silent), CancellationToken::new()));
        let client = Client::builder().timeout(Duration::from_secs(20)).build().expect("TLS has its provider");
        Self { store, url, client, _running: running }
    }

    /// Delivers an event, signed with that secret; the status of the answer.
    async fn deliver(&self, event: &Value, secret: &str) -> u16 {
        let (time, body) = (NOW.as_micros() / 1_000_000, event.to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let tag: Vec<_> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = self.client.post(&self.url).header("Stripe-Signature", format!("t={time},v1={}", tag.concat()));
        request.body(body).send().await.expect("an answer").status().as_u16()
    }

    /// Orders whose payments are due now, taken so that they are not for a while.
    async fn due(&self) -> Vec<String> {
        let due = self.store.orders.claim_due(NOW, LEASE, 10).await.expect("claimed");
        due.iter().map(|payment| payment.order().id().to_string()).collect()
    }

    /// An order whose payment waits for an answer, to be looked at in an hour.
    async fn waiting(&self, id: &str) {
        let (email, amount) = ("ada@example.com".parse().expect("an address"), Money::parse("12.50", "EUR"));
        let order = Order::new(id.parse().expect("an id"), email, amount.expect("an amount"));
        let payment_method = "pm_card_visa".parse().expect("a token");
        let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
        let begun = self.store.orders.begin(&request, ChargeFlow::OneStep, NOW).await.expect("begun");
        let Begun::Met(Standing::Armed(armed)) = begun else { panic!("{begun:?}") };
        self.store.orders.park(&armed.payment().unresolved(), Some(NOW.plus(LEASE))).await.expect("parked");
    }
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"id": "evt_1", "object": "event", "type": kind, "data": {"object": object}})
}

fn succeeded(order_id: &str) -> Value {
    let metadata = json!({"order_id": order_id, "attempt": "1"});
    event("payment_intent.succeeded", &json!({"id": "pi_1", "object": "payment_intent", "metadata": metadata}))
}

#[tokio::test]
async fn a_waiting_payment_is_due_once_the_provider_tells_of_it() {
    let stage = Stage::new().await;
    stage.waiting("o-1").await;
    assert!(stage.due().await.is_empty());
    assert_eq!(stage.deliver(&succeeded("o-1"), SECRET).await, 200);
    assert_eq!(stage.due().await, ["o-1"]);
    assert!(stage.store.findings.open_findings(10).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_refund_is_due_once_the_provider_tells_of_it() {
    let stage = Stage::new().await;
    let refund = Refund {
        id: RefundId::from_uuid(Uuid::from_u128(1)),
        order_id: "o-1".parse().expect("an id"),
        reference: "pi_1".parse().expect("a token"),
        amount: Money::parse("5", "EUR").expect("an amount"),
        purpose: RefundPurpose::Requested,
        requested_by: "ada".to_owned(),
        requested_at: NOW,
        state: RefundState::Requested,
    };
    stage.waiting("o-1").await;
    stage.store.refunds.request(&refund, Money::parse("12.50", "EUR").expect("an amount")).await.expect("stored");
    assert_eq!(stage.store.refunds.claim_due_refunds(NOW, LEASE, 10).await.expect("claimed").len(), 1);
    let metadata = json!({"refund_id": refund.id.to_string()});
    let failed = event("refund.failed", &json!({"id": "re_1", "payment_intent": "pi_1", "metadata": metadata}));
    assert_eq!(stage.deliver(&failed, SECRET).await, 200);
    assert_eq!(stage.store.refunds.claim_due_refunds(NOW, LEASE, 10).await.expect("claimed").len(), 1);
}

#[tokio::test]
async fn a_refund_that_is_not_known_here_is_found_once_where_its_order_is_told() {
    let stage = Stage::new().await;
    let id = RefundId::from_uuid(Uuid::from_u128(1)).to_string();
    for metadata in [json!({"refund_id": id}), json!({"order_id": "o-1"})] {
        let told = event("refund.created", &json!({"id": "re_1", "payment_intent": "pi_1", "metadata": metadata}));
        assert_eq!(stage.deliver(&told, SECRET).await, 200);
        assert!(stage.store.findings.open_findings(10).await.expect("read").is_empty(), "{metadata}");
    }
    let metadata = json!({"refund_id": id, "order_id": "o-1"});
    let told = event("refund.created", &json!({"id": "re_1", "payment_intent": "pi_1", "metadata": metadata}));
    for _twice in 0..2 {
        assert_eq!(stage.deliver(&told, SECRET).await, 200);
    }
    let [finding] = stage.store.findings.open_findings(10).await.expect("read").try_into().expect("one finding");
    assert_eq!((finding.kind, finding.order_id.as_str()), (FindingKind::RefundDiffers, "o-1"));
    assert!(finding.detail.contains(&id), "{}", finding.detail);
}

#[tokio::test]
async fn an_order_that_is_not_known_here_is_found_once_however_often_it_is_told_of() {
    let stage = Stage::new().await;
    for _twice in 0..2 {
        assert_eq!(stage.deliver(&succeeded("o-9"), SECRET).await, 200);
    }
    let [finding] = stage.store.findings.open_findings(10).await.expect("read").try_into().expect("one finding");
    assert_eq!((finding.kind, finding.order_id.as_str()), (FindingKind::UnknownOrder, "o-9"));
    assert_eq!(finding.reference, Some("pi_1".parse().expect("a token")));
    assert!(stage.due().await.is_empty());
}

#[tokio::test]
async fn what_is_not_the_providers_changes_nothing() {
    let stage = Stage::new().await;
    stage.waiting("o-1").await;
    for order_id in ["o-1", "o-9"] {
        assert_eq!(stage.deliver(&succeeded(order_id), "whsec_guessed").await, 400);
    }
    assert!(stage.due().await.is_empty());
    assert!(stage.store.findings.open_findings(10).await.expect("read").is_empty());
}

#[tokio::test]
async fn what_concerns_nothing_of_ours_is_taken_and_forgotten() {
    let stage = Stage::new().await;
    assert_eq!(stage.deliver(&event("customer.created", &json!({"id": "cus_1"})), SECRET).await, 200);
    assert!(stage.store.findings.open_findings(10).await.expect("read").is_empty());
}
