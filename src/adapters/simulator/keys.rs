//! The idempotency store, as Stripe's v1 keeps it: the first answer of a key, errors and 500s included.
//!
//! <https://docs.stripe.com/api/idempotent_requests>. An answer is forgotten after 24 hours; that the
//! key was seen, and with which bodies, is never forgotten: the ledger tells it.

use std::collections::HashMap;
use std::time::Duration;

use crate::adapters::simulator::chance;
use crate::adapters::simulator::form;
use crate::adapters::simulator::request::{Answer, Request};
use crate::domain::timestamp::Timestamp;

/// How long an answer is kept. Stripe promises at least this; the simulator keeps no longer.
pub(crate) const RETENTION: Duration = Duration::from_hours(24);

/// The most characters of a key.
pub(crate) const MAX_KEY_LENGTH: usize = 255;

/// What is known of one key.
#[derive(Debug)]
pub(crate) struct KeyRecord {
    pub(crate) path: String,
    pub(crate) bodies: Vec<u64>,
    pub(crate) uses: u64,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    path: String,
    parameters: u64,
    answer: Answer,
    since: Timestamp,
    busy_until: Timestamp,
}

/// What the store says to a request with a key.
#[derive(Debug)]
pub(crate) enum Meeting {
    /// To be executed.
    New,
    /// Executed before: this was the answer.
    Known(Answer),
    /// Still being executed.
    InUse,
    /// Used for another endpoint before.
    OtherEndpoint,
    /// Used with other parameters before.
    OtherParameters,
}

/// Every key that was ever seen.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<String, KeyRecord>);

impl Keys {
    /// Notes that a key arrived, whatever becomes of its request.
    pub(crate) fn note(&mut self, key: &str, request: &Request<'_>, now: Timestamp) {
        let body = chance::digest(0, &[request.path.as_bytes(), request.body]);
        if let Some(record) = self.0.get_mut(key) {
            record.uses += 1;
            record.last_seen = now;
            if !record.bodies.contains(&body) {
                record.bodies.push(body);
            }
            return;
        }
        let path = request.path.to_owned();
        let record = KeyRecord { path, bodies: vec![body], uses: 1, first_seen: now, last_seen: now, kept: None };
        self.0.insert(key.to_owned(), record);
    }

    /// What is known of this key; forgets what is older than [`RETENTION`].
    pub(crate) fn meet(&mut self, key: &str, request: &Request<'_>, now: Timestamp) -> Meeting {
        let Some(record) = self.0.get_mut(key) else { return Meeting::New };
        if record.kept.as_ref().is_some_and(|kept| now.since(kept.since) >= RETENTION) {
            record.kept = None;
        }
        match &record.kept {
            None => Meeting::New,
            Some(kept) if now < kept.busy_until => Meeting::InUse,
            Some(kept) if kept.path != request.path => Meeting::OtherEndpoint,
            Some(kept) if kept.parameters != parameters(request) => Meeting::OtherParameters,
            Some(kept) => Meeting::Known(Answer { replayed: true, ..kept.answer.clone() }),
        }
    }

    /// Keeps the first answer of a key that was noted; the key is in use until `busy_until`.
    pub(crate) fn keep(
        &mut self,
        key: &str,
        request: &Request<'_>,
        answer: &Answer,
        now: Timestamp,
        busy_until: Timestamp,
    ) {
        if let Some(record) = self.0.get_mut(key) {
            let (path, parameters) = (request.path.to_owned(), parameters(request));
            record.kept = Some(Kept { path, parameters, answer: answer.clone(), since: now, busy_until });
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &KeyRecord)> {
        self.0.iter()
    }
}

/// The API's version is a parameter too: with another one, the same body is another request.
fn parameters(request: &Request<'_>) -> u64 {
    form::print_of(request.body) ^ chance::digest(0, &[request.api_version.unwrap_or_default().as_bytes()])
}
