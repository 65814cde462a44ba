//! Brings a payment provider of your own and keeps everything else.
//!
//! ```sh
//! cargo run --example own_gateway
//! ```
//!
//! The provider here is a piggy bank in memory. What makes it fit to take money is the contract in
//! `ports::payment_gateway`: preparing moves nothing, charging twice under one name is one charge,
//! and only what is certain is called declined. Hold yours to `tests/contract/payment_gateway.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use order_payments::adapters::kafka::requests::{RequestProducer, RequestRecord};
use order_payments::adapters::system::SystemClock;
use order_payments::app::{self, Adapters, App};
use order_payments::config::{Needs, Settings};
use order_payments::domain::evidence::Exchanges;
use order_payments::domain::payment::{Armed, Payment};
use order_payments::domain::refund::{Refund, RefundId};
use order_payments::domain::request::ProviderToken;
use order_payments::ports::clock::Clock;
use order_payments::ports::payment_gateway::{
    Cancellation, Capabilities, Charge, GatewayError, PaymentGateway, Preparation, Refunding, Sighting,
};

/// What is in the bank, by the name that `prepare` gave.
#[derive(Default)]
struct PiggyBank {
    slots: Mutex<HashMap<String, Slot>>,
    refunds: Mutex<HashMap<RefundId, ProviderToken>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Reserved,
    Filled,
    Closed,
}

impl PiggyBank {
    /// The name is made of the order and the attempt: preparing twice prepares once.
    fn name(payment: &Payment) -> ProviderToken {
        let name = format!("piggy:{}:{}", payment.order().id(), payment.attempt.number());
        name.parse().expect("an order id is visible ASCII and short")
    }

    fn slot(&self, reference: &ProviderToken) -> Option<Slot> {
        self.slots.lock().expect("never poisoned").get(reference.as_str()).copied()
    }

    fn put(&self, reference: &ProviderToken, slot: Slot) {
        self.slots.lock().expect("never poisoned").insert(reference.to_string(), slot);
    }
}

#[async_trait]
impl PaymentGateway for PiggyBank {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            prepares: true,
            looks_up_by_reference: true,
            looks_up_by_order: true,
            cancels: true,
            // Preparing again under the same name is the same object, so no list is needed to begin anew.
            lists: false,
            key_window: Duration::MAX,
        }
    }

    async fn prepare(&self, payment: &Payment, _: &mut Exchanges) -> Result<Preparation, GatewayError> {
        let reference = Self::name(payment);
        if self.slot(&reference).is_none() {
            self.put(&reference, Slot::Reserved);
        }
        Ok(Preparation::Prepared(reference))
    }

    async fn charge(&self, armed: &Armed, _: &mut Exchanges) -> Result<Charge, GatewayError> {
        let reference = Self::name(armed.payment());
        if self.slot(&reference) == Some(Slot::Closed) {
            return Ok(Charge::Void);
        }
        self.put(&reference, Slot::Filled);
        println!("clink: {} for order {}", armed.payment().order().total_amount(), armed.payment().order().id());
        Ok(Charge::Approved(reference))
    }

    async fn look_up(&self, payment: &Payment, _: &mut Exchanges) -> Result<Sighting, GatewayError> {
        let reference = Self::name(payment);
        Ok(match self.slot(&reference) {
            Some(Slot::Filled) => Sighting::Answered(Charge::Approved(reference)),
            Some(Slot::Closed) => Sighting::Answered(Charge::Void),
            Some(Slot::Reserved) => Sighting::Unconfirmed(reference),
            None => Sighting::NotFound,
        })
    }

    async fn cancel(
        &self,
        _: &Payment,
        reference: &ProviderToken,
        _: &mut Exchanges,
    ) -> Result<Cancellation, GatewayError> {
        if self.slot(reference) == Some(Slot::Filled) {
            return Ok(Cancellation::Succeeded(reference.clone()));
        }
        self.put(reference, Slot::Closed);
        Ok(Cancellation::Canceled)
    }

    async fn refund(&self, refund: &Refund, _: &mut Exchanges) -> Result<Refunding, GatewayError> {
        let name: ProviderToken = format!("coins:{}", refund.id).parse().expect("a UUID is visible ASCII and short");
        self.refunds.lock().expect("never poisoned").insert(refund.id, name.clone());
        Ok(Refunding::Succeeded(name))
    }

    async fn look_up_refund(&self, refund: &Refund, _: &mut Exchanges) -> Result<Option<Refunding>, GatewayError> {
        Ok(self.refunds.lock().expect("never poisoned").get(&refund.id).cloned().map(Refunding::Succeeded))
    }

    async fn probe(&self) -> Result<(), GatewayError> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let chosen = [("kafka.brokers", "embedded"), ("database.url", "memory:"), ("gateway.kind", "simulator")];
    let chosen = chosen.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = Settings::load(None, &chosen, [], Needs::Everything)?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = app::open_store(&settings.database, &clock).await?;
    let orders = Arc::clone(&store.orders);
    let app = App::assemble(&settings, Adapters { store, gateway: Arc::new(PiggyBank::default()), clock })?;

    let body = br#"{"order_id":"o-1","customer_email":"ada@example.com","total_amount":"12.50","currency":"EUR","payment_method":"coins"}"#;
    let request = RequestRecord { key: "o-1".to_owned(), headers: Vec::new(), payload: body.to_vec() };
    RequestProducer::new(app.kafka())?.send(&request)?.confirm().await?;

    let paid = async {
        let mut glances = tokio::time::interval(Duration::from_millis(50));
        while !orders.tally().await.is_ok_and(|tally| tally.paid == 1) {
            glances.tick().await;
        }
    };
    app.run(paid).await?;
    println!("order o-1 is paid, and payment-paid was published");
    Ok(())
}
