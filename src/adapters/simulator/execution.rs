//! One request on its way through the provider: what it meets, in which order.
//!
//! ```text
//! request ─► due things ─► fault? ─► authorised? ─► key known? ─► book ─► key kept ─► fault? ─► reply
//! ```
//!
//! Everything happens in one call, under the provider's lock; the reply says when it is to be sent.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::adapters::simulator::book::{Book, Circumstances, Policy};
use crate::adapters::simulator::chance;
use crate::adapters::simulator::faults::Fault;
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::keys::{Keys, MAX_KEY_LENGTH, Meeting};
use crate::adapters::simulator::ledger::{self, Ledger, Tally, Totals};
use crate::adapters::simulator::mischief::Mischief;
use crate::adapters::simulator::provider::ProviderConfig;
use crate::adapters::simulator::refusal::{Refusal, Stage};
use crate::adapters::simulator::request::{Answer, HeldRequest, Method, Operation, Reply, Request};
use crate::domain::timestamp::Timestamp;

/// Late requests that are held at the most; further ones are lost, as on a real network.
const MAX_HELD_REQUESTS: usize = 100_000;

/// Everything that the provider knows.
#[derive(Debug)]
pub(crate) struct State {
    config: ProviderConfig,
    book: Book,
    keys: Keys,
    tally: Tally,
    pub(crate) mischief: Mischief,
    held: BTreeMap<(Timestamp, u64), HeldRequest>,
    arrivals: u64,
}

impl State {
    pub(crate) fn new(config: ProviderConfig) -> Self {
        let policy = Policy { seed: config.seed, decline_share: config.decline_share };
        let mischief = Mischief::new(config.faults.clone());
        Self {
            config,
            book: Book::new(policy),
            keys: Keys::default(),
            tally: Tally::default(),
            mischief,
            held: BTreeMap::new(),
            arrivals: 0,
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        ledger::ledger(&self.book, &self.keys, &self.tally)
    }

    pub(crate) fn totals(&self) -> Totals {
        ledger::totals(&self.book, &self.tally)
    }

    pub(crate) fn fail_refund(&mut self, id: &str) -> bool {
        self.book.fail_refund(id)
    }

    pub(crate) fn handle(&mut self, request: &Request<'_>, now: Timestamp) -> Reply {
        self.run_due(now);
        let Some((operation, id)) = Operation::of(request.method, request.path) else {
            return Reply { after: Duration::ZERO, answer: Some(Refusal::unknown_route().answer()) };
        };
        self.tally.requests[operation as usize] += 1;
        self.arrivals += 1;
        match (request.method, request.idempotency_key) {
            (Method::Post, Some(key)) => self.keys.note(key, request, now),
            (Method::Post, None) if operation.needs_key() => self.tally.without_key += 1,
            (Method::Post, None) | (Method::Get, _) => {}
        }
        let identity = self.identity(request);
        let fault = self.mischief.strike(operation, request, identity);
        if let Some(fault) = fault {
            *self.tally.faults.entry(fault).or_default() += 1;
        }
        let latency = self.latency(identity, fault);
        match fault {
            Some(Fault::CutBefore) => Reply { after: latency, answer: None },
            Some(Fault::Late) => {
                self.hold(request, now);
                Reply { after: Duration::ZERO, answer: None }
            }
            fault => {
                let call = Call { request, operation, id, fault, now, latency };
                let request_id = Some(chance::name("req", chance::digest(identity, &[&self.arrivals.to_le_bytes()])));
                let answer = Answer { request_id, ..self.answer(&call) };
                spoiled(answer, fault, latency, self.mischief.faults.hang())
            }
        }
    }

    /// A number for this very request, the same whenever it is repeated.
    fn identity(&self, request: &Request<'_>) -> u64 {
        let key = request.idempotency_key.unwrap_or_default();
        chance::digest(self.config.seed, &[request.path.as_bytes(), request.query.as_bytes(), key.as_bytes()])
    }

    fn latency(&self, identity: u64, fault: Option<Fault>) -> Duration {
        let digest = chance::digest(identity, &[&self.arrivals.to_le_bytes()]);
        let latency = chance::log_normal(self.config.latency, self.config.latency_sigma, digest);
        if fault == Some(Fault::Slow) { latency + self.mischief.faults.slowness() } else { latency }
    }

    fn hold(&mut self, request: &Request<'_>, now: Timestamp) {
        if self.held.len() < MAX_HELD_REQUESTS {
            let due = now.plus(self.mischief.faults.lateness());
            self.held.insert((due, self.arrivals), HeldRequest::from(request));
        }
    }

    /// Does what is due, in the order in which it was due.
    pub(crate) fn run_due(&mut self, now: Timestamp) {
        while let Some(entry) = self.held.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((due, _), held) = entry.remove_entry();
            self.book.decide(due);
            let request = held.as_request();
            if let Some((operation, id)) = Operation::of(request.method, request.path) {
                let call = Call { request: &request, operation, id, fault: None, now: due, latency: Duration::ZERO };
                self.answer(&call); // Its sender is long gone.
            }
        }
        self.book.decide(now);
    }

    /// What the provider says before anything spoils the answer on its way.
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        let refusal = match (call.secret_key(), call.fault) {
            (None, _) | (_, Some(Fault::Unauthorized)) => Refusal::unauthorized(),
            (_, Some(Fault::RateLimited)) => Refusal::rate_limited(),
            (_, Some(Fault::Conflict)) => Refusal::key_in_use(),
            (_, Some(Fault::ErrorBefore)) => Refusal::server_error(),
            (Some(secret_key), _) => {
                let livemode = secret_key.starts_with("sk_live_");
                return match (call.request.method, call.request.idempotency_key) {
                    (Method::Post, Some(key)) => self.once(call, key, livemode),
                    _ => self.execute(call, livemode).0,
                };
            }
        };
        refusal.answer()
    }

    /// Executes a request with a key, unless the key has an answer already.
    fn once(&mut self, call: &Call<'_>, key: &str, livemode: bool) -> Answer {
        if key.is_empty() || key.len() > MAX_KEY_LENGTH {
            let message = "Idempotency keys have 1 to 255 characters.".to_owned();
            return Refusal::parameter("parameter_invalid", "idempotency_key", message).answer();
        }
        match self.keys.meet(key, call.request, call.now) {
            Meeting::Known(answer) => {
                self.tally.replays += 1;
                answer
            }
            Meeting::InUse => {
                self.tally.conflicts += 1;
                Refusal::key_in_use().answer()
            }
            Meeting::OtherEndpoint => {
                self.tally.mismatches += 1;
                Refusal::key_mismatch("for the same endpoint").answer()
            }
            Meeting::OtherParameters => {
                self.tally.mismatches += 1;
                Refusal::key_mismatch("with the same parameters").answer()
            }
            Meeting::New => {
                let (answer, stage) = self.execute(call, livemode);
                if stage == Stage::Execution {
                    self.keys.keep(key, call.request, &answer, call.now, call.now.plus(call.latency));
                }
                answer
            }
        }
    }

    /// Does what the request asks. The stage says whether an idempotency key keeps the answer.
    fn execute(&mut self, call: &Call<'_>, livemode: bool) -> (Answer, Stage) {
        let done = match call.fault {
            Some(Fault::ErrorBeforeSticky) => Err(Refusal::server_error()),
            Some(Fault::ErrorAfterSticky) => self.perform(call, livemode).and(Err(Refusal::server_error())),
            _ => self.perform(call, livemode),
        };
        match done {
            Ok(body) => (Answer::new(200, body), Stage::Execution),
            Err(refusal) => (refusal.answer(), refusal.stage),
        }
    }

    fn perform(&mut self, call: &Call<'_>, livemode: bool) -> Result<Bytes, Refusal> {
        let form = &Form::decode(call.request.parameters());
        let idempotency_key = call.request.idempotency_key.unwrap_or_default();
        let decline = call.fault == Some(Fault::Decline);
        let at = &Circumstances { now: call.now, livemode, idempotency_key, decline };
        let book = &mut self.book;
        Ok(match call.operation {
            Operation::Create => book.create(form, at).map(|place| json(&book.intents[place]))?,
            Operation::Confirm => book.confirm(call.id, form, at).map(|place| json(&book.intents[place]))?,
            Operation::Cancel => book.cancel(call.id, form, at).map(|place| json(&book.intents[place]))?,
            Operation::Retrieve => book.find(call.id).map(|place| json(&book.intents[place]))?,
            Operation::List => json(&book.list(form)?),
            Operation::Search => {
                let lag = i64::try_from(self.config.search_lag.as_secs()).unwrap_or(i64::MAX);
                json(&book.search(form, at.seconds().saturating_sub(lag))?)
            }
            Operation::Refund => book.refund(form, at).map(|place| json(&book.refunds[place]))?,
            Operation::RetrieveRefund => book.find_refund(call.id).map(|place| json(&book.refunds[place]))?,
            Operation::ListRefunds => json(&book.list_refunds(form)?),
            Operation::Balance => json(&Balance { object: "balance", available: [], livemode, pending: [] }),
        })
    }
}

/// One request on its way through the provider.
struct Call<'a> {
    request: &'a Request<'a>,
    operation: Operation,
    /// The object that the path names, or nothing.
    id: &'a str,
    fault: Option<Fault>,
    now: Timestamp,
    latency: Duration,
}

impl Call<'_> {
    fn secret_key(&self) -> Option<&str> {
        self.request.authorization?.strip_prefix("Bearer ").filter(|key| key.starts_with("sk_"))
    }
}

#[derive(Serialize)]
struct Balance {
    object: &'static str,
    available: [(); 0],
    livemode: bool,
    pending: [(); 0],
}

/// The answer as it reaches the sender, if it does.
fn spoiled(answer: Answer, fault: Option<Fault>, after: Duration, hang: Duration) -> Reply {
    match fault {
        Some(Fault::CutAfter) => Reply { after, answer: None },
        Some(Fault::Timeout) => Reply { after: after + hang, answer: None },
        Some(Fault::ErrorAfter) => {
            let request_id = answer.request_id;
            Reply { after, answer: Some(Answer { request_id, ..Refusal::server_error().answer() }) }
        }
        Some(Fault::Garbage) => {
            let half = answer.body.slice(..answer.body.len() / 2);
            Reply { after, answer: Some(Answer { body: half, ..answer }) }
        }
        _ => Reply { after, answer: Some(answer) },
    }
}

fn json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("plain strings and numbers always serialise"))
}
