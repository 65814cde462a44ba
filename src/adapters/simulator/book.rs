//! The provider's book: every payment intent and refund, and what may be done to them.
//!
//! Executes requests that are understood; knows neither idempotency keys nor faults.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::adapters::simulator::cards::{self, Fortune};
use crate::adapters::simulator::chance;
use crate::adapters::simulator::draft;
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::intent::{CaptureMethod, Intent, Refund, RefundStatus};
use crate::adapters::simulator::refusal::{PaymentError, Refusal};
use crate::domain::timestamp::Timestamp;

/// How long a bank debit or a slow refund stays undecided. Days at a bank; seconds serve a test.
pub(crate) const DECISION_TIME: Duration = Duration::from_secs(5);

/// The provider's policy, fixed for its life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) seed: u64,
    pub(crate) decline_share: f64,
}

/// What execution needs to know of the request beside its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Timestamp,
    pub(crate) livemode: bool,
    pub(crate) idempotency_key: &'a str,
    /// The next card is declined, whichever it is.
    pub(crate) decline: bool,
}

impl Circumstances<'_> {
    pub(crate) fn seconds(&self) -> i64 {
        self.now.as_micros().div_euclid(1_000_000)
    }
}

/// Something that is decided later.
#[derive(Clone, Debug)]
enum Undecided {
    Charge { intent: usize, error: Option<PaymentError> },
    Refund { refund: usize, status: RefundStatus },
}

#[derive(Debug)]
pub(crate) struct Book {
    pub(super) policy: Policy,
    pub(super) intents: Vec<Intent>,
    pub(super) refunds: Vec<Refund>,
    /// Where each id is in `intents` or `refunds`.
    pub(super) places: HashMap<String, usize>,
    /// Intents by order id in lower case: Stripe's search ignores case.
    pub(super) by_order: HashMap<String, Vec<usize>>,
    undecided: BTreeMap<(Timestamp, usize), Undecided>,
    decisions: usize,
    pub(crate) charges: u64,
    pub(crate) declines: u64,
}

impl Book {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            intents: Vec::new(),
            refunds: Vec::new(),
            places: HashMap::new(),
            by_order: HashMap::new(),
            undecided: BTreeMap::new(),
            decisions: 0,
            charges: 0,
            declines: 0,
        }
    }

    /// Makes an intent, and confirms it where `confirm` says so; where its place in the book is.
    pub(crate) fn create(&mut self, form: &Form<'_>, at: &Circumstances<'_>) -> Result<usize, Refusal> {
        let confirm = form.flag("confirm")?;
        let intent = draft::intent(self.new_name("pi", at.idempotency_key), form, at)?;
        if let Some(method) = intent.payment_method.as_deref() {
            check_method(method)?;
        } else if confirm {
            return Err(Refusal::missing_parameter("payment_method"));
        }
        let place = self.add(intent);
        if confirm {
            self.charge(place, form, at)?;
        }
        Ok(place)
    }

    /// Charges an intent, unless its status forbids that.
    pub(crate) fn confirm(&mut self, id: &str, form: &Form<'_>, at: &Circumstances<'_>) -> Result<usize, Refusal> {
        let place = self.find(id)?;
        let intent = &mut self.intents[place];
        if !intent.status.may_be_confirmed() {
            return Err(Refusal::unexpected_state(intent, why_not_confirmed(intent)));
        }
        if let Some(method) = form.get("payment_method") {
            check_method(method)?;
            intent.payment_method = Some(method.to_owned());
        }
        if intent.payment_method.is_none() {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method.".to_owned();
            return Err(Refusal::unexpected_state(intent, message));
        }
        self.charge(place, form, at)?;
        Ok(place)
    }

    /// Makes an intent unchargeable, unless it is charged or canceled.
    pub(crate) fn cancel(&mut self, id: &str, form: &Form<'_>, at: &Circumstances<'_>) -> Result<usize, Refusal> {
        let place = self.find(id)?;
        let intent = &mut self.intents[place];
        if !intent.status.may_be_canceled() {
            let status = intent.status.as_str();
            let message = format!("You cannot cancel this PaymentIntent because it has a status of {status}.");
            return Err(Refusal::unexpected_state(intent, message));
        }
        intent.cancel(form.owned("cancellation_reason"), at.seconds());
        Ok(place)
    }

    /// The place of the intent of this name, which the path gave.
    pub(crate) fn find(&self, id: &str) -> Result<usize, Refusal> {
        let place = self.places.get(id).filter(|_| id.starts_with("pi_"));
        place.copied().ok_or_else(|| Refusal::resource_missing(404, "payment_intent", id, "intent"))
    }

    /// Decides what is due.
    pub(crate) fn decide(&mut self, now: Timestamp) {
        while let Some(entry) = self.undecided.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Undecided::Charge { intent, error: None } => {
                    self.intents[intent].succeed();
                    self.charges += 1;
                }
                Undecided::Charge { intent, error: Some(error) } => {
                    self.intents[intent].decline(error);
                    self.declines += 1;
                }
                Undecided::Refund { refund, status } => self.decide_refund(refund, status),
            }
        }
    }

    pub(super) fn decide_refund_later(&mut self, refund: usize, status: RefundStatus, now: Timestamp) {
        self.put_off(now, Undecided::Refund { refund, status });
    }

    fn put_off(&mut self, now: Timestamp, undecided: Undecided) {
        self.decisions += 1;
        self.undecided.insert((now.plus(DECISION_TIME), self.decisions), undecided);
    }

    /// A name that is not in use and depends on the seed and the key alone, not on what else happens.
    pub(super) fn new_name(&self, prefix: &str, key: &str) -> String {
        // Without a key, the number of objects tells requests apart; with one, the loop ends at once
        // unless the key was pruned and used again.
        let mut turn = if key.is_empty() { self.places.len() as u64 } else { 0 };
        loop {
            let names = [prefix.as_bytes(), key.as_bytes(), &turn.to_le_bytes()];
            let name = chance::name(prefix, chance::digest(self.policy.seed, &names));
            if !self.places.contains_key(&name) {
                return name;
            }
            turn += 1;
        }
    }

    fn add(&mut self, intent: Intent) -> usize {
        let place = self.intents.len();
        if let Some(order_id) = intent.order_id() {
            self.by_order.entry(order_id.to_ascii_lowercase()).or_default().push(place);
        }
        self.places.insert(intent.id.clone(), place);
        self.intents.push(intent);
        place
    }

    /// Charges an intent that may be charged and has a payment method. Every success passes here or
    /// through `decide`.
    fn charge(&mut self, place: usize, form: &Form<'_>, at: &Circumstances<'_>) -> Result<(), Refusal> {
        let absent_customer = form.flag("off_session")? || form.flag("error_on_requires_action")?;
        let fortune = self.fortune(&self.intents[place], at);
        let intent = &mut self.intents[place];
        intent.confirmations += 1;
        intent.latest_charge = Some(format!("ch_{}_{}", intent.id.trim_start_matches("pi_"), intent.confirmations));
        let error = match fortune {
            Fortune::Succeeds if intent.capture_method == CaptureMethod::Manual => {
                intent.authorise();
                return Ok(());
            }
            Fortune::Succeeds => {
                intent.succeed();
                self.charges += 1;
                return Ok(());
            }
            Fortune::Processes(error) => {
                intent.process();
                self.put_off(at.now, Undecided::Charge { intent: place, error });
                return Ok(());
            }
            Fortune::NeedsAuthentication if !absent_customer => {
                intent.require_action();
                return Ok(());
            }
            Fortune::NeedsAuthentication => cards::authentication_required(),
            Fortune::Declined(error) => error,
            Fortune::Missing => return Err(no_such_method(intent.payment_method.as_deref().unwrap_or_default())),
        };
        intent.decline(error.clone());
        self.declines += 1;
        Err(Refusal::card(error, intent))
    }

    fn fortune(&self, intent: &Intent, at: &Circumstances<'_>) -> Fortune {
        let chosen = |order_id: &str| {
            let digest = chance::digest(self.policy.seed, &[b"decline", order_id.as_bytes()]);
            chance::draw(digest) < self.policy.decline_share
        };
        if at.decline {
            Fortune::Declined(cards::decline("generic_decline"))
        } else if self.policy.decline_share > 0.0 && intent.order_id().is_some_and(chosen) {
            Fortune::Declined(cards::decline("insufficient_funds"))
        } else {
            cards::fortune_of(intent.payment_method.as_deref().unwrap_or_default())
        }
    }
}

fn check_method(method: &str) -> Result<(), Refusal> {
    if cards::fortune_of(method) == Fortune::Missing { Err(no_such_method(method)) } else { Ok(()) }
}

fn no_such_method(method: &str) -> Refusal {
    Refusal::resource_missing(400, "PaymentMethod", method, "payment_method")
}

fn why_not_confirmed(intent: &Intent) -> String {
    use crate::adapters::simulator::intent::Status;
    if intent.status == Status::Succeeded {
        let reason = "it has already succeeded after being previously confirmed";
        return format!("You cannot confirm this PaymentIntent because {reason}.");
    }
    format!("You cannot confirm this PaymentIntent because it has a status of {}.", intent.status.as_str())
}
