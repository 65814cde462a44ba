//! Tests of the provider without HTTP, by subject, on a bench that owns its time.

mod faults;
mod intents;
mod keys;
mod listing;
mod properties;
mod refunds;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::adapters::memory::clock::ManualClock;
use crate::adapters::simulator::provider::{Provider, ProviderConfig};
use crate::adapters::simulator::request::{Answer, Reply, Request};
use crate::domain::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A form that makes and charges an intent for order o-1.
const PAY: &str = "amount=1250&currency=eur&payment_method=pm_card_visa&confirm=true&metadata%5Border_id%5D=o-1";
/// A form that makes an intent for order o-1 and charges nothing.
const PREPARE: &str = "amount=1250&currency=eur&payment_method=pm_card_visa&metadata[order_id]=o-1";

struct Bench {
    provider: Provider,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        Self::with(ProviderConfig::default())
    }

    fn with(config: ProviderConfig) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        Self { provider: Provider::new(config, Arc::clone(&clock) as _), clock }
    }

    fn reply(&self, path: &str, body: &str, key: Option<&str>) -> Reply {
        self.provider.handle(&Request::post(path, body, key))
    }

    fn answer(&self, path: &str, body: &str, key: &str) -> Answer {
        self.reply(path, body, Some(key)).answer.expect("an answer")
    }

    fn post(&self, path: &str, body: &str) -> (u16, Value) {
        parsed(&self.reply(path, body, None).answer.expect("an answer"))
    }

    fn get(&self, path: &str, query: &str) -> (u16, Value) {
        parsed(&self.provider.handle(&Request::get(path, query)).answer.expect("an answer"))
    }

    /// Makes an intent; its id.
    fn intent(&self, form: &str) -> String {
        let (status, intent) = self.post("/v1/payment_intents", form);
        assert_eq!(status, 200, "{intent}");
        text(&intent["id"])
    }

    fn confirm(&self, id: &str) -> (u16, Value) {
        self.post(&format!("/v1/payment_intents/{id}/confirm"), "")
    }

    fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }
}

fn parsed(answer: &Answer) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
