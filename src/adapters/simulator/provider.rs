//! The provider itself: takes one request, does what it asks, and answers — or fails as it was told.
//!
//! ```text
//! request ─► due things ─► fault? ─► authorised? ─► key known? ─► book ─► key kept ─► fault? ─► reply
//! ```
//!
//! Synchronous and deterministic: the time is the clock's, chance is the seed's. Opens no socket,
//! never sleeps; the one who carries the reply waits as long as the reply says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::adapters::simulator::book::{Book, Circumstances, Policy};
use crate::adapters::simulator::chance;
use crate::adapters::simulator::faults::{Fault, Faults};
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::keys::{Keys, MAX_KEY_LENGTH, Meeting};
use crate::adapters::simulator::ledger::{self, Ledger, Tally, Totals};
use crate::adapters::simulator::refusal::{Refusal, Stage};
use crate::adapters::simulator::request::{Answer, HeldRequest, Method, Operation, Reply, Request};
use crate::domain::timestamp::Timestamp;
use crate::ports::clock::Clock;

/// Late requests that are held at the most; further ones are lost, as on a real network.
const MAX_HELD_REQUESTS: usize = 100_000;

/// How the provider behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderConfig {
    /// Same seed, same names, same faults, same declines.
    pub seed: u64,
    /// The share of orders whose cards are declined, 0 to 1, chosen by a hash of the order id.
    pub decline_share: f64,
    /// The median time that an answer takes.
    pub latency: Duration,
    /// How far latency scatters: sigma of the log-normal distribution, 0 for not at all.
    pub latency_sigma: f64,
    /// How far search lags behind, in whole seconds. Lists never do.
    pub search_lag: Duration,
    /// The faults at the start.
    pub faults: Faults,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            decline_share: 0.0,
            latency: Duration::ZERO,
            latency_sigma: 0.0,
            search_lag: Duration::ZERO,
            faults: Faults::default(),
        }
    }
}

/// A payment provider in memory. Shared by reference; every call is short.
pub struct Provider {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: ProviderConfig,
    book: Book,
    keys: Keys,
    tally: Tally,
    /// Faults for the next requests, before any are chosen by share.
    injected: VecDeque<(Option<Operation>, Fault)>,
    /// How often each request was seen while faults were on, so that a repetition may fare better.
    sightings: HashMap<u64, u64>,
    held: BTreeMap<(Timestamp, u64), HeldRequest>,
    arrivals: u64,
}

impl Provider {
    /// A provider with an empty book.
    pub fn new(config: ProviderConfig, clock: Arc<dyn Clock>) -> Self {
        let policy = Policy { seed: config.seed, decline_share: config.decline_share };
        let state = State {
            config,
            book: Book::new(policy),
            keys: Keys::default(),
            tally: Tally::default(),
            injected: VecDeque::new(),
            sightings: HashMap::new(),
            held: BTreeMap::new(),
            arrivals: 0,
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// Takes one request. What it does is done when this returns, whatever the reply says.
    pub fn handle(&self, request: &Request<'_>) -> Reply {
        let now = self.clock.now();
        self.state().handle(request, now)
    }

    /// Executes late requests and decides charges and refunds that are due by the clock.
    pub fn run_due(&self) {
        let now = self.clock.now();
        self.state().run_due(now);
    }

    /// Strikes the next request with this fault, once; several are taken in turn.
    pub fn inject(&self, fault: Fault) {
        self.state().injected.push_back((None, fault));
    }

    /// Strikes the next request of this operation with this fault, once.
    pub fn inject_on(&self, operation: Operation, fault: Fault) {
        self.state().injected.push_back((Some(operation), fault));
    }

    /// Sets how often which fault strikes from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().config.faults = faults;
    }

    /// How often which fault strikes.
    pub fn faults(&self) -> Faults {
        self.state().config.faults.clone()
    }

    /// Everything that was truly done. Copies the whole book.
    pub fn ledger(&self) -> Ledger {
        self.run_due();
        let state = self.state();
        ledger::ledger(&state.book, &state.keys, &state.tally)
    }

    /// The sums of what was truly done.
    pub fn totals(&self) -> Totals {
        self.run_due();
        let state = self.state();
        ledger::totals(&state.book, &state.tally)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves counts at worst one off; the book is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn handle(&mut self, request: &Request<'_>, now: Timestamp) -> Reply {
        self.run_due(now);
        let Some((operation, id)) = Operation::of(request.method, request.path) else {
            return Reply { after: Duration::ZERO, answer: Some(Refusal::unknown_route().answer()) };
        };
        self.tally.requests[operation as usize] += 1;
        self.arrivals += 1;
        match (request.method, request.idempotency_key) {
            (Method::Post, Some(key)) => self.keys.note(key, request, now),
            (Method::Post, None) => self.tally.without_key += 1,
            (Method::Get, _) => {}
        }
        let identity = self.identity(request);
        let fault = self.fault_of(operation, identity);
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
                let answer = self.answer(&call);
                spoiled(answer, fault, latency, self.config.faults.hang())
            }
        }
    }

    /// A number for this very request, the same whenever it is repeated.
    fn identity(&self, request: &Request<'_>) -> u64 {
        let key = request.idempotency_key.unwrap_or_default();
        chance::digest(self.config.seed, &[request.path.as_bytes(), request.query.as_bytes(), key.as_bytes()])
    }

    fn fault_of(&mut self, operation: Operation, identity: u64) -> Option<Fault> {
        let meant = |(on, _): &(Option<Operation>, Fault)| on.is_none_or(|on| on == operation);
        if let Some(place) = self.injected.iter().position(meant) {
            return self.injected.remove(place).map(|(_, fault)| fault);
        }
        if !self.config.faults.may_strike(operation) {
            return None;
        }
        let sightings = self.sightings.entry(identity).or_default();
        *sightings += 1;
        let digest = chance::digest(identity, &[&sightings.to_le_bytes()]);
        self.config.faults.chosen(chance::draw(digest))
    }

    fn latency(&self, identity: u64, fault: Option<Fault>) -> Duration {
        let digest = chance::digest(identity, &[&self.arrivals.to_le_bytes()]);
        let latency = chance::log_normal(self.config.latency, self.config.latency_sigma, digest);
        if fault == Some(Fault::Slow) { latency + self.config.faults.slowness() } else { latency }
    }

    fn hold(&mut self, request: &Request<'_>, now: Timestamp) {
        if self.held.len() < MAX_HELD_REQUESTS {
            let due = now.plus(self.config.faults.lateness());
            self.held.insert((due, self.arrivals), HeldRequest::from(request));
        }
    }

    fn run_due(&mut self, now: Timestamp) {
        self.book.decide(now);
        while let Some(entry) = self.held.first_entry().filter(|entry| entry.key().0 <= now) {
            let held = entry.remove();
            let request = held.as_request();
            if let Some((operation, id)) = Operation::of(request.method, request.path) {
                let call = Call { request: &request, operation, id, fault: None, now, latency: Duration::ZERO };
                self.answer(&call); // Its sender is long gone.
            }
        }
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
        Some(Fault::ErrorAfter) => Reply { after, answer: Some(Refusal::server_error().answer()) },
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
