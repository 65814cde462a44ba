//! What is known of an order, and what follows from it: stages, and what it waits for. Pure.

use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::explain::search::Looked;
use crate::cli::explain::topics::{Role, Seen};
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::outcome::{EventId, OutcomeKind, RefundKind};
use crate::domain::payment::PaymentState;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::Finding;
use crate::ports::gate_repository::Closed;
use crate::ports::order_repository::{JournalEntry, StoredOrder};
use crate::ports::order_waits::Waits;

/// All that is known of an order.
pub(super) struct Story {
    pub(super) order_id: OrderId,
    pub(super) order: Option<StoredOrder>,
    /// Oldest first.
    pub(super) journal: Vec<JournalEntry>,
    pub(super) refunds: Vec<Refund>,
    pub(super) findings: Vec<Finding>,
    pub(super) waits: Waits,
    /// The gateway whose gate is closed.
    pub(super) closed: Option<(&'static str, Closed)>,
    /// Its records on the topics, oldest first.
    pub(super) records: Vec<Seen>,
    /// Where they were looked for; nothing where the topics were not read.
    pub(super) looked: Vec<Looked>,
    /// What could not be told.
    pub(super) notes: Vec<String>,
}

/// From one step of an order to the next.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Stage {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// Negative where two clocks differ by more than it took.
    pub(super) ms: i64,
}

impl Story {
    /// The ids of the events that can tell of the order.
    pub(super) fn event_ids(&self) -> Vec<EventId> {
        let payment = [OutcomeKind::Paid, OutcomeKind::Failed].map(|kind| EventId::of(&self.order_id, kind));
        let refunds = self.refunds.iter().flat_map(|refund| {
            [RefundKind::Refunded, RefundKind::RefundFailed]
                .map(|kind| EventId::of_refund(&self.order_id, refund.id, kind))
        });
        payment.into_iter().chain(refunds).collect()
    }

    /// The first that is known of its having been asked for.
    pub(super) fn asked_since(&self) -> Option<Timestamp> {
        let payment = self.order.as_ref().and_then(|stored| stored.payment.as_ref());
        let times = [
            payment.and_then(|payment| payment.request.origin.requested_at),
            payment.map(|payment| payment.begun_at),
            self.journal.first().map(|entry| entry.recorded_at),
        ];
        times.into_iter().flatten().min()
    }

    /// The first that is known of what events can tell of it: its end, or else its beginning.
    pub(super) fn told_since(&self) -> Option<Timestamp> {
        let is_pending = self.order.as_ref().is_some_and(|stored| stored.order.status() == OrderStatus::Pending);
        let begun = self.of_payments().next().map(|entry| entry.recorded_at);
        self.settled_at().filter(|_| !is_pending).or(begun)
    }

    fn settled_at(&self) -> Option<Timestamp> {
        let is_end = |entry: &&JournalEntry| matches!(entry.state.as_str(), "SUCCEEDED" | "CANCELED");
        self.of_payments().filter(is_end).last().map(|entry| entry.recorded_at)
    }

    fn of_payments(&self) -> impl Iterator<Item = &JournalEntry> {
        self.journal.iter().filter(|entry| entry.subject.starts_with("payment/"))
    }

    fn told(&self) -> impl Iterator<Item = &Seen> {
        self.records.iter().filter(|seen| seen.role == Role::Told)
    }

    /// The stages that the order has behind it.
    pub(super) fn stages(&self) -> Vec<Stage> {
        let payment = self.order.as_ref().and_then(|stored| stored.payment.as_ref());
        let first_record =
            self.records.iter().find(|seen| seen.role == Role::Asked && seen.is_sought).and_then(|seen| seen.at);
        let asked = payment.and_then(|payment| payment.request.origin.requested_at).or(first_record);
        let charging = self.of_payments().find(|entry| entry.state == "CONFIRMING").map(|entry| entry.recorded_at);
        let of_payment =
            |seen: &&Seen| seen.says.starts_with("payment-paid") || seen.says.starts_with("payment-failed");
        let marks = [
            ("asked", asked),
            ("begun", self.of_payments().next().map(|entry| entry.recorded_at)),
            ("charging", charging),
            ("settled", self.settled_at()),
            ("published", self.told().find(of_payment).and_then(|seen| seen.at)),
        ];
        let marks: Vec<_> = marks.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
        let between = |pair: &[(&'static str, Timestamp)]| Stage {
            from: pair[0].0,
            to: pair[1].0,
            ms: (pair[1].1.as_micros() - pair[0].1.as_micros()) / 1_000,
        };
        marks.windows(2).map(between).collect()
    }

    /// What it waits for, one sentence each; nothing where it waits for nothing.
    pub(super) fn waits_for(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some(stored) = self.order.as_ref().filter(|stored| stored.order.status() == OrderStatus::Pending) {
            let state = stored.payment.as_ref().map(|payment| &payment.state);
            let due = self.waits.due.map(|due| format!("; it is looked at next at {}", rfc3339(due)));
            sentences.push(format!("{}{}", expected(state), due.unwrap_or_default()));
        }
        sentences.extend(self.refunds.iter().filter_map(refund_expected));
        if let (Some((gateway, closed)), false) = (&self.closed, sentences.is_empty()) {
            let since = rfc3339(closed.since);
            sentences
                .push(format!("the gate of {gateway} is closed since {since}, so nothing is sent: {}", closed.reason));
        }
        let unpublished = self.waits.unpublished.iter();
        sentences.extend(unpublished.map(|event| format!("its event {event} is in the outbox, not published yet")));
        sentences
    }

    /// What is odd about what was found.
    pub(super) fn remarks(&self) -> Vec<String> {
        let status = self.order.as_ref().map(|stored| stored.order.status());
        let is_settled = status.is_some_and(|status| status != OrderStatus::Pending);
        let asked = self.records.iter().filter(|seen| seen.role == Role::Asked && seen.is_sought).count();
        let paid = if status == Some(OrderStatus::Paid) { ": it is paid once" } else { "" };
        let again = (asked > 1).then(|| format!("{asked} requests ask for it{paid}"));
        let is_untold = is_settled && self.waits.unpublished.is_empty() && self.told().next().is_none();
        let lost = self.sought(Role::Told).filter(|_| is_untold);
        let lost = lost.map(|since| format!("its outcome was published, and is not on the outcome topic{since}"));
        let unasked = self.sought(Role::Asked).filter(|_| asked == 0);
        let unasked = unasked.map(|since| format!("no request for it is on the request topic{since}"));
        let is_pruned = self.order.as_ref().is_some_and(StoredOrder::is_pruned);
        let pruned = is_pruned.then(|| "its history was pruned".to_owned());
        again.into_iter().chain(lost).chain(unasked).chain(pruned).collect()
    }

    /// Since when all of a topic was read, in words; `None` where not all of that was.
    fn sought(&self, role: Role) -> Option<String> {
        let looked = || self.looked.iter().filter(|looked| looked.role == role);
        let is_whole = self.notes.is_empty() && looked().all(|looked| looked.cut_partitions.is_empty());
        // `None`, the beginning, is less than any time.
        let since = looked().map(|looked| looked.since).min().filter(|_| is_whole)?;
        Some(since.map(|since| format!(" since {}", rfc3339(since))).unwrap_or_default())
    }
}

fn expected(state: Option<&PaymentState>) -> &'static str {
    match state {
        None => "a request to pay it",
        Some(PaymentState::Preparing) => "the gateway's object to be made (PREPARING)",
        Some(PaymentState::Confirming(_)) => "the answer to its charge (CONFIRMING)",
        Some(PaymentState::Unresolved(_)) => "the gateway to say what became of its charge (UNRESOLVED)",
        Some(PaymentState::Fencing { .. }) => "the declined payment to be canceled at the gateway (FENCING)",
        Some(PaymentState::Abandoning(_)) => {
            "the unknown payment to be canceled at the gateway, for another attempt (ABANDONING)"
        }
        Some(PaymentState::Review { .. }) => "a person (REVIEW): order-payments review show",
        Some(PaymentState::Abandoned { .. } | PaymentState::Succeeded { .. } | PaymentState::Canceled { .. }) => {
            "its next attempt"
        }
    }
}

fn refund_expected(refund: &Refund) -> Option<String> {
    let what = match refund.state {
        RefundState::Requested => "to be sent",
        RefundState::Sending(_) => "an answer of the gateway",
        RefundState::Pending(_) => "the gateway's decision",
        RefundState::Succeeded(_) | RefundState::Failed { .. } => return None,
    };
    Some(format!("refund {} of {} waits for {what} ({})", refund.id, refund.amount, refund.state.name()))
}
