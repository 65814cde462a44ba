//! Refunds in the provider's book: together never more than was charged.

use crate::adapters::simulator::book::{Book, Circumstances};
use crate::adapters::simulator::cards::{self, RefundFortune};
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::intent::{Intent, Refund, RefundStatus, Status};
use crate::adapters::simulator::refusal::Refusal;

impl Book {
    /// Gives money back: the given amount, or all that is left. Where the refund is in the book.
    pub(crate) fn refund(&mut self, form: &Form<'_>, at: &Circumstances<'_>) -> Result<usize, Refusal> {
        let metadata = form.metadata()?;
        let asked = form.integer("amount")?;
        let id = form.get("payment_intent").ok_or_else(|| Refusal::missing_parameter("payment_intent"))?;
        let known = self.find(id).map_err(|_| Refusal::resource_missing(404, "payment_intent", id, "payment_intent"));
        let place = known?;
        let intent = &self.intents[place];
        let amount = refundable(intent, asked)?;
        let fortune = cards::refund_fortune_of(intent.payment_method.as_deref().unwrap_or_default());
        let refund = Refund {
            id: self.new_name("re", at.idempotency_key),
            object: "refund",
            amount,
            charge: intent.latest_charge.clone(),
            created: at.seconds(),
            currency: intent.currency.clone(),
            failure_reason: None,
            metadata,
            payment_intent: intent.id.clone(),
            reason: form.owned("reason"),
            status: if fortune == RefundFortune::Succeeds { RefundStatus::Succeeded } else { RefundStatus::Pending },
        };
        self.intents[place].refunded += amount;
        let place = self.refunds.len();
        self.places.insert(refund.id.clone(), place);
        self.refunds.push(refund);
        match fortune {
            RefundFortune::Succeeds => {}
            RefundFortune::SucceedsLater => self.decide_refund_later(place, RefundStatus::Succeeded, at.now),
            RefundFortune::FailsLater => self.decide_refund_later(place, RefundStatus::Failed, at.now),
        }
        Ok(place)
    }

    pub(crate) fn find_refund(&self, id: &str) -> Result<usize, Refusal> {
        let place = self.places.get(id).filter(|_| id.starts_with("re_"));
        place.copied().ok_or_else(|| Refusal::resource_missing(404, "refund", id, "id"))
    }

    /// Lets a refund bounce that has not done so yet, by its own name or by its caller's.
    pub(crate) fn fail_refund(&mut self, id: &str) -> bool {
        let is_named =
            |refund: &Refund| refund.id == id || refund.metadata.get("refund_id").is_some_and(|own| own == id);
        let named = |refund: &Refund| is_named(refund) && refund.status != RefundStatus::Failed;
        let Some(place) = self.refunds.iter().position(named) else { return false };
        self.fail(place);
        true
    }

    /// What a refund that waits comes to; one that has bounced meanwhile stays bounced.
    pub(super) fn decide_refund(&mut self, place: usize, status: RefundStatus) {
        match (self.refunds[place].status, status) {
            (RefundStatus::Pending, RefundStatus::Failed) => self.fail(place),
            (RefundStatus::Pending, status) => self.refunds[place].status = status,
            (RefundStatus::Succeeded | RefundStatus::Failed, _) => {}
        }
    }

    fn fail(&mut self, place: usize) {
        let refund = &mut self.refunds[place];
        refund.status = RefundStatus::Failed;
        refund.failure_reason = Some("expired_or_canceled_card");
        // The money stayed, so it can be given back once more.
        let charged = self.places[&refund.payment_intent];
        self.intents[charged].refunded -= refund.amount;
    }
}

/// What may be given back of this charge, in minor units; never more than is left of it.
fn refundable(intent: &Intent, asked: Option<i64>) -> Result<u64, Refusal> {
    if intent.status != Status::Succeeded {
        let message = format!("This PaymentIntent ({}) does not have a successful charge to refund.", intent.id);
        return Err(Refusal::invalid(None, Some("payment_intent"), message));
    }
    let left = intent.amount_received - intent.refunded;
    if left == 0 {
        let charge = intent.latest_charge.as_deref().unwrap_or_default();
        let message = format!("Charge {charge} has already been refunded.");
        return Err(Refusal::invalid(Some("charge_already_refunded"), None, message));
    }
    let Some(asked) = asked else { return Ok(left) };
    match u64::try_from(asked) {
        Ok(amount) if (1..=left).contains(&amount) => Ok(amount),
        Ok(amount) if amount > left => {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).");
            Err(Refusal::invalid(None, Some("amount"), message))
        }
        _ => {
            let message = "This value must be greater than or equal to 1.".to_owned();
            Err(Refusal::parameter("parameter_invalid_integer", "amount", message))
        }
    }
}
