//! Looks up what the gateway knows of orders, and stores what it says: never a new charge.
//!
//! ```text
//! known, PENDING ──► look up, or the list ──► succeeded, declined, canceled ─► settled as the service would
//!                                         └─► anything else ─► left as it is, for the service
//! unknown here ────► the list ──► one success ─► order stored and settled by it
//!                             └─► anything else ─► told, nothing stored
//! ```
//! Nothing is stored from which the service would charge sooner or otherwise than without it: no attempt is begun
//! or given up here, and an order that is unknown stays so unless a charge of it has succeeded.

use std::sync::Arc;

use crate::application::process_payment::{ProcessError, ProcessPayment, Settled};
use crate::application::replay::foresight::as_begun;
use crate::application::replay::verdict::{Deed, Verdict};
use crate::domain::evidence::Evidence;
use crate::domain::order::OrderStatus;
use crate::domain::payment::{ChargeFlow, Payment, PaymentState};
use crate::domain::request::PaymentRequest;
use crate::ports::clock::Clock;
use crate::ports::order_repository::{Begun, OrderRepository, RepositoryError, Standing};
use crate::ports::payment_gateway::{Charge, GatewayError, ListedCharge, ListedStanding, PaymentGateway, Sighting};

/// Looks orders up.
pub struct Repair {
    orders: Arc<dyn OrderRepository>,
    gateway: Arc<dyn PaymentGateway>,
    clock: Arc<dyn Clock>,
    process_payment: ProcessPayment,
}

/// What has come of it, and why.
pub(crate) type Done = (Deed, String);

impl Repair {
    /// Over a gateway that only looks, and the use case over that very gateway.
    pub fn new(
        orders: Arc<dyn OrderRepository>,
        gateway: Arc<dyn PaymentGateway>,
        clock: Arc<dyn Clock>,
        process_payment: ProcessPayment,
    ) -> Self {
        Self { orders, gateway, clock, process_payment }
    }

    /// Looks up the order that is asked for.
    ///
    /// # Errors
    /// [`ProcessError`]; nothing that could be charged was begun. Repeat it.
    pub(crate) async fn handle(&self, request: &PaymentRequest) -> Result<Done, ProcessError> {
        let order_id = request.order.id();
        let found = self.orders.find(order_id).await.map_err(|source| stored(request, source))?;
        if let Some(found) = found.as_ref().filter(|found| found.order.status() != OrderStatus::Pending) {
            return Ok((Deed::Found(settled(found.order.status())), String::new()));
        }
        match found.and_then(|found| found.payment) {
            Some(payment) => self.look_at(&payment).await,
            None => self.adopt(request).await,
        }
    }

    /// Settles a known payment where the gateway says how it has ended.
    async fn look_at(&self, payment: &Payment) -> Result<Done, ProcessError> {
        match &payment.state {
            PaymentState::Fencing { .. } => {
                let fenced = self.process_payment.fence(payment, Evidence::default()).await?;
                Ok(done(fenced, "declined"))
            }
            PaymentState::Confirming(_) | PaymentState::Unresolved(_) => self.look_up(payment).await,
            PaymentState::Preparing | PaymentState::Abandoning(_) => self.look_on_list(payment).await,
            PaymentState::Review { finding, .. } => Ok((Deed::Found(Verdict::UnderReview), finding.clone())),
            state => Ok(left(&format!("its payment is {}", state.name()))),
        }
    }

    async fn look_up(&self, payment: &Payment) -> Result<Done, ProcessError> {
        let mut evidence = Evidence::default();
        let seen = match self.gateway.look_up(payment, &mut evidence.exchanges).await {
            Ok(Sighting::Answered(charge)) => match charge {
                Charge::Approved(_) | Charge::Declined { .. } | Charge::Canceled(_) => {
                    let concluded = self.process_payment.conclude(payment, charge, evidence).await?;
                    return Ok(done(concluded, "the gateway says so"));
                }
                Charge::Refused(_) => "refused",
                Charge::Void => "canceled, and nobody told why",
                Charge::Pending => "the gateway has not decided",
            },
            Ok(Sighting::Unconfirmed(_)) => "never charged",
            Ok(Sighting::NotFound) => "not found",
            Err(trouble @ (GatewayError::Unavailable { .. } | GatewayError::Closed { .. })) => {
                return Err(away(payment, trouble));
            }
            Err(GatewayError::Unknown { .. }) => "the gateway's answer is not known",
            Err(GatewayError::Rejected { .. } | GatewayError::Contradiction { .. }) => {
                "the gateway contradicts what is stored"
            }
        };
        if payment.reference().is_none() { self.look_on_list(payment).await } else { Ok(left(seen)) }
    }

    /// Settles a payment by the one charge of its order that the list shows as successful.
    async fn look_on_list(&self, payment: &Payment) -> Result<Done, ProcessError> {
        if !self.gateway.capabilities().lists {
            return Ok(left("the gateway cannot list its charges"));
        }
        let charges = self.process_payment.charges_of(payment).await.map_err(|trouble| away(payment, trouble))?;
        match successes(&charges).as_slice() {
            [success] if success.attempt >= payment.attempt => {
                let taken_up = self.process_payment.take_up(payment, success, Evidence::default()).await?;
                Ok(done(taken_up, "the gateway's list shows its charge"))
            }
            [] => Ok(left("the gateway's list shows no successful charge")),
            _ => Ok(left("the gateway's list shows charges that a person has to look at")),
        }
    }

    /// Stores an unknown order where one charge of it, of the very amount, has succeeded: it is settled by that.
    async fn adopt(&self, request: &PaymentRequest) -> Result<Done, ProcessError> {
        let now = self.clock.now();
        let Some(payment) = as_begun(request, now).payment else { return Ok(left("it has no payment")) };
        if !self.gateway.capabilities().lists {
            return Ok((Deed::AtGateway, "not known: the gateway cannot list its charges".to_owned()));
        }
        let charges = self.process_payment.charges_of(&payment).await.map_err(|trouble| away(&payment, trouble))?;
        match successes(&charges).as_slice() {
            [] if charges.is_empty() => Ok((Deed::NotAtGateway, "nothing was stored".to_owned())),
            [] => Ok((Deed::AtGateway, format!("{} without success; nothing was stored", counted(charges.len())))),
            [success] if pays(success, request) => self.store_paid(request, success).await,
            [success] => {
                Ok((Deed::AtGateway, format!("{} took another amount; nothing was stored", success.reference)))
            }
            successes => Ok((Deed::AtGateway, format!("charged {} times; nothing was stored", successes.len()))),
        }
    }

    /// Where this is cut off after the order was stored, the service finds the same charge on the list.
    async fn store_paid(&self, request: &PaymentRequest, success: &ListedCharge) -> Result<Done, ProcessError> {
        let begun = self.orders.begin(request, ChargeFlow::TwoStep, self.clock.now()).await;
        let payment = match begun.map_err(|source| stored(request, source))? {
            Begun::Prepare(payment) | Begun::Met(Standing::Parked(payment)) => payment,
            // Somebody else has begun it meanwhile, and goes on with it.
            Begun::Met(Standing::Armed(_)) => return Ok(left("it is being charged by the service")),
            Begun::Met(Standing::Settled(order)) => return Ok((Deed::Found(settled(order.status())), String::new())),
            Begun::Contradicts(order) => return Err(ProcessError::Contradicts(order)),
        };
        if payment.state != PaymentState::Preparing {
            return Ok(left("the service is at it"));
        }
        let taken_up = self.process_payment.take_up(&payment, success, Evidence::default()).await?;
        Ok(done(taken_up, "unknown here, and found on the gateway's list"))
    }
}

/// The charges that took money.
fn successes(charges: &[ListedCharge]) -> Vec<&ListedCharge> {
    charges.iter().filter(|charge| matches!(charge.standing, ListedStanding::Succeeded(_))).collect()
}

/// Whether that charge took the very amount of the request.
fn pays(success: &ListedCharge, request: &PaymentRequest) -> bool {
    success.standing == ListedStanding::Succeeded(Some(request.order.total_amount()))
}

fn counted(charges: usize) -> String {
    if charges == 1 { "a charge".to_owned() } else { format!("{charges} charges") }
}

fn left(why: &str) -> Done {
    (Deed::Found(Verdict::Waits), format!("{why}; left to the service"))
}

fn settled(status: OrderStatus) -> Verdict {
    if status == OrderStatus::Paid { Verdict::AlreadyPaid } else { Verdict::AlreadyFailed }
}

/// What has come of a payment that was settled, or not.
pub(crate) fn done(answer: Settled, why: &str) -> Done {
    match answer {
        Settled::Now(order) if order.status() == OrderStatus::Paid => (Deed::Paid, why.to_owned()),
        Settled::Now(_) => (Deed::Failed, why.to_owned()),
        Settled::Before(order) => (Deed::Found(settled(order.status())), String::new()),
        Settled::Later(_) => (Deed::Found(Verdict::Waits), "left to the service or a person".to_owned()),
    }
}

fn stored(request: &PaymentRequest, source: RepositoryError) -> ProcessError {
    ProcessError::Repository { order_id: request.order.id().to_string(), source }
}

fn away(payment: &Payment, source: GatewayError) -> ProcessError {
    ProcessError::Gateway { order_id: payment.order().id().to_string(), source }
}
