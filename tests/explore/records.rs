//! The records of the request topic that a case is about, and how they are read.

use order_payments::domain::idempotency::IdempotencyKey;
use order_payments::domain::money::Money;
use order_payments::domain::order::Order;
use order_payments::domain::request::{Origin, Past, PaymentRequest};
use order_payments::domain::timestamp::Timestamp;

use crate::explore::scenario::{START, Scenario};

/// Nobody may read it but the storage and the provider.
pub(crate) const CANARY: &str = "canary";

/// A record, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) request: PaymentRequest,
    pub(crate) standing: Standing,
    /// Whether an earlier life of the database has read it.
    is_reread: bool,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Unread,
    /// Its offset is done.
    Done,
    /// It was dead-lettered, and its offset is done.
    Dead,
}

impl Record {
    /// The records of a scenario.
    pub(crate) fn of(scenario: &Scenario) -> Vec<Self> {
        let amounts = ["12.34"].into_iter().chain(scenario.second_record);
        amounts.map(|amount| Self::new(scenario, amount)).collect()
    }

    fn new(scenario: &Scenario, amount: &str) -> Self {
        let email = format!("{CANARY}@private.example").parse().expect("an address");
        let total = Money::parse(amount, "EUR").expect("an amount");
        let order = Order::new("ord_1".parse().expect("an id"), email, total);
        let payment_method = scenario.method.parse().expect("a token");
        let origin = Origin { event_id: Some("evt_1".to_owned()), requested_at: Some(START), ..Origin::default() };
        let request = PaymentRequest { order, payment_method, customer: None, origin };
        Self { request, standing: Standing::Unread, is_reread: scenario.foreign_cents.is_some() }
    }

    /// The request as it is read now: an old one, and one that was read before the database was restored,
    /// have a past that is not known.
    pub(crate) fn read(&self, now: Timestamp) -> PaymentRequest {
        let is_old = now.since(START) >= IdempotencyKey::WINDOW;
        let past = if self.is_reread || is_old { Past::Unknown { since: Some(START) } } else { Past::Known };
        let mut request = self.request.clone();
        request.origin.past = past;
        request
    }

    /// The database was restored: it is read again.
    pub(crate) fn forget(&mut self) {
        self.standing = Standing::Unread;
        self.is_reread = true;
    }
}
