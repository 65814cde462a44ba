//! Gateways, each before a provider of its own, and payments to try them with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use order_payments::adapters::memory::clock::ManualClock;
use order_payments::adapters::memory::payment_gateway::SimulatedGateway;
use order_payments::adapters::simulator::faults::Faults;
use order_payments::adapters::simulator::ledger::OrderEntry;
use order_payments::adapters::simulator::provider::{Provider, ProviderConfig};
use order_payments::adapters::simulator::server::{Simulator, SimulatorConfig};
use order_payments::adapters::stripe::{Config, StripeGateway};
use order_payments::domain::evidence::Exchanges;
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::outcome::FailureReason;
use order_payments::domain::payment::{Armed, ChargeFlow, Payment};
use order_payments::domain::refund::Refund;
use order_payments::domain::request::{Origin, PaymentRequest, ProviderToken};
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::payment_gateway::{
    Cancellation, Charge, GatewayError, PaymentGateway, Preparation, Refunding, Sighting,
};
use secrecy::SecretString;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
pub(crate) const FLOWS: [ChargeFlow; 2] = [ChargeFlow::TwoStep, ChargeFlow::OneStep];

/// A gateway, and the provider that it talks to.
pub(crate) struct World {
    pub(crate) gateway: Arc<dyn PaymentGateway>,
    pub(crate) provider: Arc<Provider>,
    /// What the gateway noted of every request.
    sent: Mutex<Exchanges>,
    clock: Arc<ManualClock>,
    simulator: Option<Simulator>,
}

impl World {
    pub(crate) fn in_memory() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let provider = Arc::new(Provider::new(provider_config(), Arc::clone(&clock) as _));
        let gateway = Arc::new(SimulatedGateway::new(Arc::clone(&provider)));
        Self { gateway, provider, sent: Mutex::default(), clock, simulator: None }
    }

    pub(crate) fn over_http() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let config = SimulatorConfig { provider: provider_config(), ..SimulatorConfig::default() };
        let simulator = Simulator::start(config, Arc::clone(&clock) as _).expect("a free port");
        let gateway = StripeGateway::new(&Config {
            api_base: simulator.url().parse().expect("an address"),
            api_key: SecretString::from("sk_test_contract"),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            max_tries: 3,
            requests_per_second: 0,
        });
        let gateway = Arc::new(gateway.expect("a gateway"));
        let provider = Arc::clone(simulator.provider());
        Self { gateway, provider, sent: Mutex::default(), clock, simulator: Some(simulator) }
    }

    /// Holds the ledger against what no clause may ever cause, and stops.
    pub(crate) async fn end(self) {
        let ledger = self.provider.ledger();
        assert_eq!(ledger.totals.without_key, 0, "every change has a key");
        let mut noted: HashMap<_, (u64, Vec<_>)> = HashMap::new();
        for exchange in self.sent() {
            let (uses, digests) = noted.entry(exchange.key.unwrap_or_default()).or_default();
            *uses += 1;
            digests.push(exchange.digest);
        }
        for (key, entry) in ledger.keys.iter().filter(|(key, _)| !key.starts_with("foreign")) {
            assert_eq!(entry.bodies.len(), 1, "the key {key} came with different bytes");
            let (uses, digests) = noted.remove(key).unwrap_or_default();
            assert_eq!(uses, entry.uses, "not every request with the key {key} was noted");
            assert!(digests.iter().all(|digest| *digest == digests[0]), "the key {key} was noted with different bytes");
        }
        if let Some(simulator) = self.simulator {
            simulator.shutdown().await;
        }
    }

    /// What the provider did for this order.
    pub(crate) fn entry(&self, payment: &Payment) -> OrderEntry {
        self.provider.ledger().orders.remove(payment.order().id().as_str()).unwrap_or_default()
    }

    /// Lets the provider's time pass; what is due by then happens before its next answer.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// What the gateway noted so far, oldest first.
    pub(crate) fn sent(&self) -> Exchanges {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, sent: Exchanges) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).extend(sent);
    }

    pub(crate) async fn prepare(&self, payment: &Payment) -> Result<Preparation, GatewayError> {
        let mut sent = Exchanges::new();
        let answer = self.gateway.prepare(payment, &mut sent).await;
        self.note(sent);
        answer
    }

    pub(crate) async fn charge(&self, armed: &Armed) -> Result<Charge, GatewayError> {
        let mut sent = Exchanges::new();
        let answer = self.gateway.charge(armed, &mut sent).await;
        self.note(sent);
        answer
    }

    pub(crate) async fn look_up(&self, payment: &Payment) -> Result<Sighting, GatewayError> {
        let mut sent = Exchanges::new();
        let answer = self.gateway.look_up(payment, &mut sent).await;
        self.note(sent);
        answer
    }

    pub(crate) async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
    ) -> Result<Cancellation, GatewayError> {
        let mut sent = Exchanges::new();
        let answer = self.gateway.cancel(payment, reference, &mut sent).await;
        self.note(sent);
        answer
    }

    pub(crate) async fn refund(&self, refund: &Refund) -> Result<Refunding, GatewayError> {
        let mut sent = Exchanges::new();
        let answer = self.gateway.refund(refund, &mut sent).await;
        self.note(sent);
        answer
    }

    pub(crate) async fn look_up_refund(&self, refund: &Refund) -> Result<Option<Refunding>, GatewayError> {
        let mut sent = Exchanges::new();
        let answer = self.gateway.look_up_refund(refund, &mut sent).await;
        self.note(sent);
        answer
    }

    pub(crate) async fn prepared(&self, payment: &Payment) -> ProviderToken {
        match self.prepare(payment).await.expect("prepared") {
            Preparation::Prepared(reference) => reference,
            Preparation::Refused(reason) => panic!("refused: {reason:?}"),
        }
    }

    /// The payment with its permission to be charged.
    pub(crate) async fn armed(&self, payment: &Payment) -> Armed {
        match payment.flow {
            ChargeFlow::OneStep => payment.as_armed(NOW).expect("a one-step payment starts armed"),
            ChargeFlow::TwoStep => payment.armed(self.prepared(payment).await, NOW),
        }
    }

    pub(crate) async fn approved(&self, armed: &Armed) -> ProviderToken {
        match self.charge(armed).await.expect("charged") {
            Charge::Approved(reference) => reference,
            answer => panic!("not approved: {answer:?}"),
        }
    }

    pub(crate) async fn declined(&self, armed: &Armed) -> (ProviderToken, FailureReason) {
        match self.charge(armed).await.expect("charged") {
            Charge::Declined { reference, reason } => (reference, reason),
            answer => panic!("not declined: {answer:?}"),
        }
    }
}

/// A connection that hangs is cut after this; the gateway itself is patient.
fn provider_config() -> ProviderConfig {
    ProviderConfig { faults: Faults { hang_ms: 50, ..Faults::default() }, ..ProviderConfig::default() }
}

pub(crate) fn payment(order_id: &str, flow: ChargeFlow) -> Payment {
    payment_by(order_id, "pm_card_visa", flow)
}

pub(crate) fn payment_by(order_id: &str, payment_method: &str, flow: ChargeFlow) -> Payment {
    let email = "ada@example.com".parse().expect("an address");
    let order = Order::new(order_id.parse().expect("an id"), email, money("12.50"));
    let payment_method = payment_method.parse().expect("a token");
    let request = PaymentRequest { order, payment_method, customer: None, origin: Origin::default() };
    Payment::first(Arc::new(request), flow, NOW)
}

pub(crate) fn money(amount: &str) -> Money {
    Money::parse(amount, "EUR").expect("an amount")
}
