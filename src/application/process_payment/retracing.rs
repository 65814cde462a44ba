//! Begins the next attempt, or takes up an earlier one, by what the gateway has of an order.
//!
//! Nothing is begun here before the gateway's complete list was read and every charge object of the order
//! on it was seen canceled: an attempt that this database has forgotten must not be made twice.

use std::time::Duration;

use crate::application::process_payment::{ProcessError, ProcessPayment, Settled, storing};
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Evidence;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::outcome::{FailureCategory, FailureReason, OutcomeKind};
use crate::domain::payment::{ChargeFlow, Payment, PaymentState, Renewal};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::FindingKind;
use crate::ports::order_repository::Renewing;
use crate::ports::payment_gateway::{Cancellation, Charge, GatewayError, ListedCharge, ListedStanding, Sighting};

/// How much earlier than an attempt began its charges are looked for: clocks differ.
const MARGIN: Duration = IdempotencyKey::CLOCK_SKEW;

/// After how many attempts a person is asked. As each waits longer than the one before, that is days.
const MAX_ATTEMPTS: u32 = 25;

impl ProcessPayment {
    /// Gives up an attempt whose outcome stays unknown: has its charge made impossible, then begins the next.
    pub(crate) async fn abandon(&self, payment: &Payment, evidence: Evidence) -> Result<Settled, ProcessError> {
        let abandoning = payment.abandoning();
        self.park_briefly(&abandoning.clone().with(evidence)).await?;
        self.give_up(&abandoning.payment).await
    }

    /// Begins the next attempt once the charge of this one, stored as ABANDONING, is seen to be impossible.
    pub(crate) async fn give_up(&self, abandoning: &Payment) -> Result<Settled, ProcessError> {
        let mut evidence = Evidence::default();
        let canceled = match abandoning.reference() {
            Some(reference) => self.cancel(abandoning, reference, &mut evidence).await,
            None => Ok(Cancellation::Canceled), // What it has made, if anything, is found on the list.
        };
        match canceled {
            Ok(Cancellation::Canceled) => Box::pin(self.retrace(abandoning, evidence)).await,
            Ok(Cancellation::Succeeded(reference)) => self.succeed(abandoning, reference, evidence).await,
            Err(trouble) => self.wait_out(abandoning, trouble, evidence).await,
        }
    }

    /// Finds out what an earlier life of the database did about an order that this one has just begun.
    ///
    /// In the one-step flow the keys of the first attempt do not keep a charge of that life from being made
    /// beside ours, so the list is read once whatever was on its way has arrived.
    pub(super) async fn look_back(&self, payment: &Payment) -> Result<Settled, ProcessError> {
        if self.may_use_keys_of(payment) {
            return self.retrace(payment, Evidence::default()).await;
        }
        let order_id = payment.order().id();
        let arrived = self.clock.now().plus(self.policy.abandon_after);
        let stored = self.store_waiting(&payment.unchanged(), Some(arrived)).await;
        stored.map_err(|error| storing(order_id, error))?;
        Ok(Settled::Later(order_id.clone()))
    }

    /// Asks the gateway for everything that it ever made for the order, and carries on from there.
    ///
    /// For an attempt that is PREPARING or ABANDONING: none of its own charges is under way.
    pub(crate) async fn retrace(&self, payment: &Payment, mut evidence: Evidence) -> Result<Settled, ProcessError> {
        if !self.gateway.capabilities().lists {
            let told = self.told(payment).await?;
            let is_usable = IdempotencyKey::is_usable(payment.begun_at, self.clock.now());
            // Under the same key it is the same object, whoever made it.
            if told.is_none() && payment.state == PaymentState::Preparing && is_usable {
                return self.advance(payment, evidence).await;
            }
            let finding = "it may have been charged before, and the gateway cannot list its charges".to_owned();
            return self.review(payment, finding, evidence).await;
        }
        let charges = match self.charges_of(payment).await {
            Ok(charges) => charges,
            Err(trouble) => return self.wait_out(payment, trouble, evidence).await,
        };
        let has_succeeded = |charge: &&ListedCharge| matches!(charge.standing, ListedStanding::Succeeded(_));
        match charges.iter().filter(has_succeeded).collect::<Vec<_>>().as_slice() {
            [] => {}
            [success] => return self.take_up(payment, success, evidence).await,
            successes @ [_, second, ..] => return self.charged_twice(payment, second, successes, evidence).await,
        }
        let told = self.told(payment).await?;
        let latest = charges.iter().map(|charge| charge.attempt).max().unwrap_or(payment.attempt);
        // An object of this attempt may have been made in the other flow, under a key of another body, so it
        // is not prepared once more: it is canceled like any other.
        let is_new = charges.iter().all(|charge| charge.attempt < payment.attempt);
        let goes_on = told.is_none() && is_new && self.may_go_on(payment);
        for charge in charges.iter().filter(|charge| charge.standing != ListedStanding::Canceled) {
            match self.cancel(&payment.at(charge.attempt), &charge.reference, &mut evidence).await {
                Ok(Cancellation::Canceled) => {}
                Ok(Cancellation::Succeeded(_)) => return self.take_up(payment, charge, evidence).await,
                Err(trouble) => return self.wait_out(payment, trouble, evidence).await,
            }
        }
        match told {
            Some(OutcomeKind::Paid) => {
                let finding = "the outcome topic tells that it was paid, and the gateway has no such charge".to_owned();
                self.review(payment, finding, evidence).await
            }
            Some(OutcomeKind::Failed) => self.fail(payment, failed_before(), evidence).await,
            None if goes_on => self.advance(payment, evidence).await,
            None => self.renew(payment, latest.max(payment.attempt).next(), evidence).await,
        }
    }

    async fn told(&self, payment: &Payment) -> Result<Option<OutcomeKind>, ProcessError> {
        let order_id = payment.order().id();
        self.store.orders.told(order_id).await.map_err(|error| storing(order_id, error))
    }

    async fn cancel(
        &self,
        payment: &Payment,
        reference: &ProviderToken,
        evidence: &mut Evidence,
    ) -> Result<Cancellation, GatewayError> {
        if !self.gateway.capabilities().cancels {
            let detail = format!("{reference} is open, and the gateway cannot make sure that no charge follows");
            return Err(GatewayError::Contradiction { detail });
        }
        self.gateway.cancel(payment, reference, &mut evidence.exchanges).await
    }

    /// Takes note of the object that this attempt made, and looks at it at once.
    pub(crate) async fn learn(&self, payment: &Payment, reference: ProviderToken) -> Result<Settled, ProcessError> {
        let found = payment.found(reference);
        self.park_briefly(&found).await?;
        let mut evidence = Evidence::default();
        match self.gateway.look_up(&found.payment, &mut evidence.exchanges).await {
            Ok(Sighting::Answered(charge)) => self.conclude(&found.payment, charge, evidence).await,
            Ok(Sighting::Unconfirmed(_) | Sighting::NotFound) => self.park(&found.with(evidence)).await,
            Err(trouble) => self.wait_out(&found.payment, trouble, evidence).await,
        }
    }

    /// Everything that the gateway made for the order since this attempt began, oldest first.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known then.
    pub(crate) async fn charges_of(&self, payment: &Payment) -> Result<Vec<ListedCharge>, GatewayError> {
        self.charges_since(payment, payment.begun_at).await
    }

    /// Everything that the gateway made for the order since then, oldest first.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is known then.
    pub(crate) async fn charges_since(
        &self,
        payment: &Payment,
        since: Timestamp,
    ) -> Result<Vec<ListedCharge>, GatewayError> {
        self.history.of(payment.order().id(), since.minus(MARGIN)).await
    }

    /// Whether the keys of this attempt can still be used, and are worth it.
    fn may_go_on(&self, payment: &Payment) -> bool {
        payment.state == PaymentState::Preparing
            && self.may_use_keys_of(payment)
            && IdempotencyKey::is_usable(payment.begun_at, self.clock.now())
            && !self.is_overdue(payment)
    }

    /// Not where an earlier life may have used them for a charge in one step: the same key would come with
    /// another body. Later attempts are all in two steps.
    fn may_use_keys_of(&self, payment: &Payment) -> bool {
        payment.attempt > Attempt::FIRST || self.policy.flow == ChargeFlow::TwoStep
    }

    async fn charged_twice(
        &self,
        payment: &Payment,
        second: &ListedCharge,
        successes: &[&ListedCharge],
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        let names: Vec<_> = successes.iter().map(|success| success.reference.as_str()).collect();
        let detail = format!(
            "charged more than once, by {}; choose the one that pays the order, and refund the others",
            names.join(" and by ")
        );
        self.report(&self.finding(FindingKind::ChargedTwice, payment.order(), &second.reference, &detail)).await?;
        self.review(payment, detail, evidence).await
    }

    /// Settles an order by a charge that its database knew nothing of.
    pub(crate) async fn take_up(
        &self,
        payment: &Payment,
        charge: &ListedCharge,
        evidence: Evidence,
    ) -> Result<Settled, ProcessError> {
        if charge.attempt < payment.attempt {
            let finding = format!("attempt {} was charged after it had been given up", charge.attempt.number());
            return self.review(payment, finding, evidence).await;
        }
        let reference = charge.reference.clone();
        if charge.attempt == payment.attempt {
            let found = payment.found(reference);
            self.park_briefly(&found.clone().with(evidence)).await?;
            return self.look_at(&found.payment).await;
        }
        let renewal = payment.continued_as(charge.attempt, reference, charge.made_at).with(evidence);
        match self.store_renewal(&renewal).await? {
            Renewing::Stored => self.look_at(&renewal.next).await,
            Renewing::MovedOn => Ok(Settled::Later(payment.order().id().clone())),
        }
    }

    /// Settles a payment by its charge, which is listed as successful.
    async fn look_at(&self, payment: &Payment) -> Result<Settled, ProcessError> {
        let mut evidence = Evidence::default();
        match self.gateway.look_up(payment, &mut evidence.exchanges).await {
            Ok(Sighting::Answered(Charge::Approved(reference))) => self.succeed(payment, reference, evidence).await,
            Ok(_) => {
                let detail = "a charge that was listed as successful is not".to_owned();
                self.wait_out(payment, GatewayError::Contradiction { detail }, evidence).await
            }
            Err(trouble) => self.wait_out(payment, trouble, evidence).await,
        }
    }

    /// Begins the attempt of that number, and charges it.
    async fn renew(&self, payment: &Payment, attempt: Attempt, evidence: Evidence) -> Result<Settled, ProcessError> {
        if attempt.number() > MAX_ATTEMPTS {
            let finding = format!("{} attempts have ended without an answer", payment.attempt.number());
            return self.review(payment, finding, evidence).await;
        }
        let renewal = payment.renewed(attempt, self.clock.now()).with(evidence);
        match self.store_renewal(&renewal).await? {
            Renewing::Stored => self.advance(&renewal.next, Evidence::default()).await,
            Renewing::MovedOn => Ok(Settled::Later(payment.order().id().clone())),
        }
    }

    async fn store_renewal(&self, renewal: &Renewal) -> Result<Renewing, ProcessError> {
        let order_id = renewal.next.order().id();
        let renewing = self.store.orders.renew(renewal).await.map_err(|error| storing(order_id, error))?;
        if renewing == Renewing::Stored {
            let attempt = renewal.next.attempt.number();
            metrics::counter!("order_payments_attempts_renewed_total").increment(1);
            tracing::warn!(
                order.id = %order_id, payment.attempt = attempt,
                payment.abandoned = renewal.ended.payment.reference().map_or("-", ProviderToken::as_str),
                "order {order_id} goes on with attempt {attempt}: the one before ended without a charge or a decline"
            );
        }
        Ok(renewing)
    }
}

/// Why an order fails of which the topic tells that it has failed, though this database has forgotten why.
fn failed_before() -> FailureReason {
    FailureReason {
        code: "failed_before".to_owned(),
        category: FailureCategory::Canceled,
        message: "the order had failed before the database was restored".to_owned(),
    }
}
