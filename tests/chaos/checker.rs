//! Judges what topics, tables and the provider's ledger say about every order. Shares no code with the
//! service: what is right is said here once more.

use std::collections::{BTreeMap, BTreeSet};

use order_payments::adapters::simulator::intent::Status;
use order_payments::adapters::simulator::ledger::{Ledger, OrderEntry};

use crate::chaos::load::Requested;

/// What the witnesses saw at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) requested: BTreeMap<String, Requested>,
    /// Every outcome that a reader of committed records sees.
    pub(crate) outcomes: Vec<Outcome>,
    /// The orders in the database.
    pub(crate) stored: BTreeMap<String, Stored>,
    /// Outcomes that the database holds as not published.
    pub(crate) unpublished: i64,
    /// What the service itself has found to contradict itself. Nothing that is planted here does.
    pub(crate) open_findings: Vec<String>,
    pub(crate) ledger: Ledger,
    pub(crate) dead_letters: usize,
}

/// One record of the outcome topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) order: String,
    /// `payment-paid` or `payment-failed`.
    pub(crate) kind: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
}

/// One row of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) status: String,
    pub(crate) is_under_review: bool,
}

/// What is wrong, by kind; each finding names its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) paid: usize,
    pub(crate) failed: usize,
    /// Waits for a person. Nothing that is planted here calls for one.
    pub(crate) review: Vec<String>,
    /// More than one success, or more money taken than asked for.
    pub(crate) doubles: Vec<String>,
    /// Without an end, or without an outcome.
    pub(crate) lost: Vec<String>,
    /// Told more than once.
    pub(crate) duplicates: Vec<String>,
    /// Witnesses contradict each other.
    pub(crate) mismatches: Vec<String>,
    /// Idempotency keys that came with two bodies or for two endpoints.
    pub(crate) two_bodies: Vec<String>,
    pub(crate) dead_letters: usize,
    pub(crate) unpublished: i64,
}

impl Findings {
    /// Everything that is wrong, in lines.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        let named = [
            ("under review without a cause", &self.review),
            ("double", &self.doubles),
            ("lost", &self.lost),
            ("told twice", &self.duplicates),
            ("mismatch", &self.mismatches),
            ("key with two bodies", &self.two_bodies),
        ];
        let mut wrongs: Vec<_> =
            named.iter().flat_map(|(what, found)| found.iter().map(move |one| format!("{what}: {one}"))).collect();
        if self.dead_letters > 0 {
            wrongs.push(format!("{} dead letters", self.dead_letters));
        }
        if self.unpublished > 0 {
            wrongs.push(format!("{} outcomes are not published", self.unpublished));
        }
        wrongs
    }
}

/// Judges everything.
pub(crate) fn judge(evidence: &Evidence) -> Findings {
    let mut findings =
        Findings { dead_letters: evidence.dead_letters, unpublished: evidence.unpublished, ..Findings::default() };
    let mut told: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in &evidence.outcomes {
        told.entry(&outcome.order).or_default().push(outcome);
    }
    let nothing = OrderEntry::default();
    for (id, requested) in &evidence.requested {
        let stored = evidence.stored.get(id);
        let taken = evidence.ledger.orders.get(id).unwrap_or(&nothing);
        let told = told.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        findings.judge_money(id, requested, taken);
        findings.judge_end(id, stored, told);
        findings.judge_agreement(id, requested, stored, taken, told);
    }
    let seen = told.keys().copied().chain(evidence.stored.keys().map(String::as_str));
    let seen: BTreeSet<_> = seen.chain(evidence.ledger.orders.keys().map(String::as_str)).collect();
    for stranger in seen.into_iter().filter(|id| !evidence.requested.contains_key(*id)) {
        findings.mismatches.push(format!("{stranger:?} was never asked for"));
    }
    let alarms = evidence.open_findings.iter().map(|finding| format!("the service found {finding}"));
    findings.mismatches.extend(alarms);
    let keys = evidence.ledger.keys.iter().filter(|(_, entry)| entry.bodies.len() > 1);
    findings.two_bodies.extend(keys.map(|(key, _)| key.clone()));
    if evidence.ledger.totals.without_key > 0 {
        findings.mismatches.push(format!("{} changes had no key", evidence.ledger.totals.without_key));
    }
    findings
}

impl Findings {
    fn judge_money(&mut self, id: &str, requested: &Requested, taken: &OrderEntry) {
        if taken.successes > 1 {
            self.doubles.push(format!("{id}: {} successes", taken.successes));
        } else if taken.charged.saturating_sub(taken.refunded) > requested.amount_minor {
            self.doubles.push(format!("{id}: {} taken of {}", taken.charged, requested.amount_minor));
        }
    }

    fn judge_end(&mut self, id: &str, stored: Option<&Stored>, told: &[&Outcome]) {
        match stored.map(|stored| (stored.status.as_str(), stored.is_under_review)) {
            Some(("PAID", _)) => self.paid += 1,
            Some(("FAILED", _)) => self.failed += 1,
            Some((_, true)) => return self.review.push(id.to_owned()),
            Some((status, false)) => self.lost.push(format!("{id} is {status}")),
            None => self.lost.push(format!("{id} is not stored")),
        }
        match told {
            [] => self.lost.push(format!("{id} has no outcome")),
            [_] => {}
            more => self.duplicates.push(format!("{id}: {} outcomes", more.len())),
        }
    }

    /// Whether all witnesses say the same of an order.
    fn judge_agreement(
        &mut self,
        id: &str,
        requested: &Requested,
        stored: Option<&Stored>,
        taken: &OrderEntry,
        told: &[&Outcome],
    ) {
        let status = stored.map_or("", |stored| stored.status.as_str());
        let mut found = Vec::new();
        if taken.successes > 0 && status != "PAID" {
            found.push(format!("charged, but {status:?}"));
        }
        if status == "PAID" && !is_charged_as_asked(requested, taken) {
            found.push(format!("PAID without a success over {} {}", requested.amount_minor, requested.currency));
        }
        if status == "FAILED" {
            found.extend(not_failed(requested, taken).map(str::to_owned));
        }
        let expected = match status {
            "PAID" => "payment-paid",
            "FAILED" => "payment-failed",
            _ => "nothing",
        };
        for outcome in told {
            if outcome.kind != expected {
                found.push(format!("{status:?}, but told {}", outcome.kind));
            }
            if (outcome.amount.as_str(), outcome.currency.as_str()) != (&requested.amount, requested.currency) {
                found.push(format!("told over {} {}", outcome.amount, outcome.currency));
            }
        }
        self.mismatches.extend(found.into_iter().map(|what| format!("{id}: {what}")));
    }
}

fn is_charged_as_asked(requested: &Requested, taken: &OrderEntry) -> bool {
    let mut succeeded = taken.intents.iter().filter(|intent| intent.status == Status::Succeeded);
    succeeded.any(|intent| {
        (intent.amount, intent.amount_received) == (requested.amount_minor, requested.amount_minor)
            && intent.currency.eq_ignore_ascii_case(requested.currency)
    })
}

/// Why an order may not be FAILED: a charge could follow, or none was ever declined.
fn not_failed(requested: &Requested, taken: &OrderEntry) -> Option<&'static str> {
    let mut confirmed = taken.intents.iter().filter(|intent| intent.confirmations > 0).peekable();
    if confirmed.peek().is_none() && !requested.is_declined {
        return Some("FAILED without a decline");
    }
    // A confirmation that was carried out and took no money was declined: no card here does otherwise.
    let is_chargeable = confirmed.any(|intent| intent.status != Status::Canceled);
    is_chargeable.then_some("FAILED, but what was declined can still be charged")
}
