//! Goes back over records that were read before: tells what they would do, and does what was chosen.
//!
//! ```text
//! batch ──► foresee (one read for all) ──► by order, many at once ──► effect ──► told, one by one
//!                                                 nothing │ send outcomes again │ look up │ as if it came anew
//! ```
//! Records of one order are handled in their order. What is settled costs a read and nothing else: it is never
//! changed, so there is nothing to be stored.

pub mod foresight;
pub mod halt;
pub mod looking_gateway;
pub mod repair;
mod resending;
pub mod verdict;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::application::process_payment::{ProcessError, ProcessPayment};
use crate::application::replay::foresight::{Foreseen, Foresight, Place};
use crate::application::replay::halt::Halt;
use crate::application::replay::repair::{Done, Repair, done};
use crate::application::replay::resending::Resending;
use crate::application::replay::verdict::{Deed, Verdict};
use crate::domain::money::Money;
use crate::domain::order::OrderId;
use crate::domain::request::PaymentRequest;
use crate::ports::clock::Clock;
use crate::ports::event_publisher::EventResender;
use crate::ports::order_repository::RepositoryError;
use crate::ports::payment_gateway::GatewayError;
use crate::ports::store::Store;

/// Records that are foreseen together.
pub const BATCH_RECORDS: usize = 500;

/// Orders that are handled at the same time.
const AT_ONCE: usize = 128;

/// How often a record is tried before it is left for a later run.
const MAX_TRIES: u32 = 5;

/// The first wait between two tries; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// What is done about records.
pub enum Effect {
    /// Nothing.
    Observe,
    /// The outcomes of settled orders are sent again.
    Republish {
        /// Where to.
        resender: Arc<dyn EventResender>,
        /// Whether the outcomes of their refunds are sent as well.
        with_refunds: bool,
    },
    /// Orders that are not settled are looked up.
    Reconcile(Box<Repair>),
    /// They are handled as if they came anew.
    Process(Arc<ProcessPayment>),
}

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where it is.
    pub place: Place,
    /// What it says.
    pub content: Content,
}

/// What a record says.
#[derive(Clone, Debug)]
pub enum Content {
    /// It asks for a payment.
    Request(Arc<PaymentRequest>),
    /// It asks for a payment, was told by an earlier run, and was foreseen as unknown then: later records of its
    /// order are compared with it, and nothing else comes of it.
    ToldBefore(Arc<PaymentRequest>),
    /// It asks for none: it is of another type, or cannot be paid as it is.
    Other(Foreseen),
}

/// What is told of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where it is.
    pub place: Place,
    /// The order that it asks for, and the amount, where it asks for one.
    pub order: Option<(OrderId, Money)>,
    /// What was foreseen.
    pub foreseen: Foreseen,
    /// What has come of it.
    pub deed: Deed,
    /// Why.
    pub why: String,
}

impl Told {
    /// Whether something was done, or was to be done: what is as it was found tells nothing of the world.
    pub fn is_acted(&self) -> bool {
        self.deed != Deed::Found(self.foreseen.verdict)
    }
}

/// Replays batch after batch of one selection.
pub struct Replay {
    clock: Arc<dyn Clock>,
    foresight: Foresight,
    effect: Prepared,
    halt: Halt,
}

enum Prepared {
    Observe,
    Republish(Resending),
    Reconcile(Box<Repair>),
    Process(Arc<ProcessPayment>),
}

/// A record and what is foreseen of it.
type Known = (Asked, Foreseen);

impl Replay {
    /// A replay that has seen nothing yet.
    pub fn new(store: &Store, clock: Arc<dyn Clock>, effect: Effect) -> Self {
        let effect = match effect {
            Effect::Observe => Prepared::Observe,
            Effect::Republish { resender, with_refunds } => {
                Prepared::Republish(Resending::new(Arc::clone(&store.outbox), resender, with_refunds))
            }
            Effect::Reconcile(repair) => Prepared::Reconcile(repair),
            Effect::Process(process_payment) => Prepared::Process(process_payment),
        };
        Self { clock, foresight: Foresight::new(Arc::clone(&store.orders)), effect, halt: Halt::default() }
    }

    /// Takes note of an order whose outcomes were sent again by an earlier run of the same replay.
    pub fn remember_sent(&mut self, place: Place, order_id: OrderId) {
        if let Prepared::Republish(resending) = &self.effect {
            resending.remember(order_id, place);
        }
    }

    /// What stops the batch that is being handled, at once and for good.
    pub fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Foresees these records, handles them, and tells of each as soon as its end is known. Once it is halted,
    /// what was not begun is not told.
    ///
    /// # Errors
    /// [`RepositoryError`] where the orders could not be read; nothing was done about the batch.
    pub async fn run(&mut self, batch: Vec<Asked>, tell: &mut (dyn FnMut(Told) + Send)) -> Result<(), RepositoryError> {
        let known = self.foresee(batch).await?;
        let (effect, halt) = (&self.effect, &self.halt);
        let handling = stream::iter(by_order(known)).map(|records| handled(effect, halt, records));
        let mut handling = std::pin::pin!(handling.buffer_unordered(AT_ONCE));
        while let Some(all_told) = handling.next().await {
            all_told.into_iter().for_each(&mut *tell);
        }
        Ok(())
    }

    async fn foresee(&mut self, batch: Vec<Asked>) -> Result<Vec<Known>, RepositoryError> {
        let now = self.clock.now();
        let (mut fresh, mut requests) = (Vec::with_capacity(batch.len()), Vec::new());
        for asked in batch {
            match &asked.content {
                Content::ToldBefore(request) => {
                    self.foresight.remember(asked.place, request, now);
                    continue;
                }
                Content::Request(request) => requests.push((asked.place, Arc::clone(request))),
                Content::Other(_) => {}
            }
            fresh.push(asked);
        }
        let mut wait = FIRST_WAIT;
        let mut tries = 1;
        let foreseen = loop {
            match self.foresight.foresee(&requests, self.clock.now()).await {
                Err(away @ RepositoryError::Unavailable(_)) => {
                    if tries >= MAX_TRIES || !self.halt.waited(wait).await {
                        return Err(away);
                    }
                }
                answered => break answered?,
            }
            (wait, tries) = (wait * 2, tries + 1);
        };
        let mut foreseen = foreseen.into_iter();
        let known = fresh.into_iter().map(|asked| {
            let foreseen = match &asked.content {
                Content::Other(foreseen) => Some(foreseen.clone()),
                Content::Request(_) | Content::ToldBefore(_) => foreseen.next(),
            };
            (asked, foreseen.expect("one for each request"))
        });
        Ok(known.collect())
    }
}

/// The records of each order, in their order.
fn by_order(known: Vec<Known>) -> Vec<Vec<Known>> {
    let mut lanes: Vec<Vec<Known>> = Vec::new();
    let mut lane_of: HashMap<OrderId, usize> = HashMap::new();
    for record in known {
        let lane = match &record.0.content {
            Content::Request(request) | Content::ToldBefore(request) => {
                *lane_of.entry(request.order.id().clone()).or_insert(lanes.len())
            }
            Content::Other(_) => lanes.len(),
        };
        match lanes.get_mut(lane) {
            Some(lane) => lane.push(record),
            None => lanes.push(vec![record]),
        }
    }
    lanes
}

async fn handled(effect: &Prepared, halt: &Halt, records: Vec<Known>) -> Vec<Told> {
    let mut all_told = Vec::with_capacity(records.len());
    for (Asked { place, content }, foreseen) in records {
        if halt.is_stopped() {
            break;
        }
        let (order, (deed, why)) = match content {
            Content::Request(request) | Content::ToldBefore(request) => {
                let order = (request.order.id().clone(), request.order.total_amount());
                (Some(order), act(effect, halt, place, &request, &foreseen).await)
            }
            Content::Other(_) => (None, as_foreseen(&foreseen)),
        };
        all_told.push(Told { place, order, foreseen, deed, why });
    }
    all_told
}

fn as_foreseen(foreseen: &Foreseen) -> Done {
    (Deed::Found(foreseen.verdict), foreseen.why.clone())
}

/// Does what was chosen about one request, again where the world is at fault, a few times.
async fn act(effect: &Prepared, halt: &Halt, place: Place, request: &PaymentRequest, foreseen: &Foreseen) -> Done {
    let mut wait = FIRST_WAIT;
    let mut tries = 1;
    loop {
        let trouble = match attempt(effect, place, request, foreseen).await {
            Ok(done) => return done,
            Err(Trouble::Passing(trouble)) => trouble,
            Err(Trouble::GatewayClosed(trouble)) => {
                halt.close();
                return (Deed::NotNow, trouble);
            }
        };
        if tries >= MAX_TRIES || !halt.waited(wait).await {
            return (Deed::NotNow, trouble);
        }
        (wait, tries) = (wait * 2, tries + 1);
    }
}

/// What was in the way, in words.
enum Trouble {
    /// It may pass.
    Passing(String),
    /// The gateway refuses this service: nothing can be done about any order.
    GatewayClosed(String),
}

/// What has come of it, or what was in the way.
async fn attempt(
    effect: &Prepared,
    place: Place,
    request: &PaymentRequest,
    foreseen: &Foreseen,
) -> Result<Done, Trouble> {
    let is_open = foreseen.verdict.is_open();
    let processed = match effect {
        Prepared::Republish(resending) if foreseen.verdict.is_settled() => {
            return resending.send(request.order.id(), place).await.map_err(Trouble::Passing);
        }
        Prepared::Reconcile(repair) if is_open => repair.handle(request).await,
        // What waits is the service's: handling it anew would change nothing.
        Prepared::Process(process_payment) if is_open && foreseen.verdict != Verdict::Waits => {
            process_payment.handle(request).await.map(|settled| done(settled, ""))
        }
        _ => return Ok(as_foreseen(foreseen)),
    };
    match processed {
        Ok(done) => Ok(done),
        Err(error @ ProcessError::Contradicts(_)) => Ok((Deed::Found(Verdict::Contradicts), error.to_string())),
        Err(error @ ProcessError::Unstorable(_)) => {
            Ok((Deed::Found(Verdict::Rejected("unstorable")), error.to_string()))
        }
        Err(ProcessError::Repository { source: error @ RepositoryError::Corrupt { .. }, .. }) => {
            Ok((Deed::Found(Verdict::Unreadable), error.to_string()))
        }
        Err(error @ ProcessError::Gateway { source: GatewayError::Closed { .. }, .. }) => {
            Err(Trouble::GatewayClosed(with_causes(&error)))
        }
        Err(error) => Err(Trouble::Passing(with_causes(&error))),
    }
}

/// An error and what it came from, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
