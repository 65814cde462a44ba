//! One thing that an instance does, as a future that is polled by hand.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use order_payments::application::process_payment::{ProcessError, Settled};
use order_payments::application::refund_payment::{RefundError, RefundRequest};
use order_payments::application::relay_outbox::{RelayError, RelayOutbox};
use order_payments::application::review::Decision;
use order_payments::application::sweep::{Effect, SweepError, Swept};
use order_payments::domain::money::Money;
use order_payments::domain::refund::RefundId;
use order_payments::ports::outbox::Adopted;
use uuid::Uuid;

use crate::explore::mutants::acknowledges_first;
use crate::explore::records::Standing;
use crate::explore::scenario::START;
use crate::explore::world::World;

/// Payments, or refunds, that are looked at in one round.
const LIMIT: usize = 10;

/// From when on a sweep compares: from before anything happened.
const BEFORE_THE_START: Duration = Duration::from_hours(1);

/// What an instance may be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Learning what the world was told, after a restoration.
    CatchUp,
    /// Paying the order of a record.
    Deliver(usize),
    /// Taking down the refunds that a person asks for.
    RequestRefunds,
    Reconcile,
    Refund,
    KeepGate,
    Relay,
    /// Comparing the gateway's list with the store.
    Sweep,
    /// A person has an order looked at anew.
    Review,
}

/// What came of it.
pub(crate) enum Done {
    CaughtUp(Result<Adopted, RelayError>),
    Delivered(usize, Result<Settled, ProcessError>),
    Requested(Vec<Result<(), RefundError>>),
    Swept(Result<Swept, SweepError>),
    Relayed(Box<RelayOutbox>),
    Otherwise,
}

/// An activity of one instance, under way.
pub(crate) struct Task {
    pub(crate) id: u32,
    /// The number of its instance.
    pub(crate) instance: u32,
    pub(crate) place: usize,
    pub(crate) activity: Activity,
    pub(crate) has_started: bool,
    future: Pin<Box<dyn Future<Output = Done>>>,
}

impl Task {
    /// The activity as the instance at this place does it. Nothing is done yet.
    pub(crate) fn new(id: u32, activity: Activity, place: usize, world: &mut World) -> Self {
        let future = future_of(activity, place, world);
        let instance = world.instances[place].number;
        Self { id, instance, place, activity, has_started: false, future }
    }

    /// Goes on to the next call, or to the end.
    pub(crate) fn poll(&mut self) -> Option<Done> {
        self.has_started = true;
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    /// Who does what, as the timeline shows it.
    pub(crate) fn name(&self) -> String {
        let what = match self.activity {
            Activity::CatchUp => "guard",
            Activity::Deliver(_) => "consumer",
            Activity::RequestRefunds => "clerk",
            Activity::Reconcile => "reconciler",
            Activity::Refund => "refunder",
            Activity::KeepGate => "keeper",
            Activity::Relay => "relay",
            Activity::Sweep => "sweeper",
            Activity::Review => "reviewer",
        };
        format!("{what}-{}", self.instance)
    }
}

fn future_of(activity: Activity, place: usize, world: &mut World) -> Pin<Box<dyn Future<Output = Done>>> {
    let id = world.order_id().clone();
    let keeper = world.keeper.clone();
    let now = world.now();
    if let Activity::Deliver(record) = activity
        && acknowledges_first(world.mutant)
    {
        world.records[record].standing = Standing::Done;
    }
    let instance = &mut world.instances[place];
    match activity {
        Activity::CatchUp => {
            let catch_up = instance.catch_up.clone();
            Box::pin(async move { Done::CaughtUp(catch_up.run().await) })
        }
        Activity::Deliver(record) => {
            let (request, process_payment) = (world.records[record].read(now), Arc::clone(&instance.process_payment));
            Box::pin(async move { Done::Delivered(record, process_payment.handle(&request).await) })
        }
        Activity::RequestRefunds => {
            let (refund_payment, amounts) = (Arc::clone(&instance.refund_payment), world.scenario.refunds);
            Box::pin(async move {
                let mut answers = Vec::new();
                for (number, amount) in (1..).zip(amounts) {
                    let amount = amount.map(|amount| Money::parse(amount, "EUR").expect("an amount"));
                    let (id, order_id) = (refund_id(number), id.clone());
                    let request = RefundRequest { id, order_id, amount, actor: "ada".to_owned() };
                    answers.push(refund_payment.request(&request).await.map(drop));
                }
                Done::Requested(answers)
            })
        }
        Activity::Reconcile => {
            let reconcile = Arc::clone(&instance.reconcile);
            Box::pin(async move {
                let _ = reconcile.run_once(LIMIT).await;
                Done::Otherwise
            })
        }
        Activity::Refund => {
            let refund_payment = Arc::clone(&instance.refund_payment);
            Box::pin(async move {
                let _ = refund_payment.run_once(LIMIT).await;
                Done::Otherwise
            })
        }
        Activity::KeepGate => {
            let keeper = keeper.expect("only a guarded gateway has its gate kept");
            Box::pin(async move {
                let _ = keeper.round().await;
                Done::Otherwise
            })
        }
        Activity::Relay => {
            let mut relay = instance.relay.take().expect("a relay does one round at a time");
            Box::pin(async move {
                let _ = relay.run_once().await;
                Done::Relayed(Box::new(relay))
            })
        }
        Activity::Sweep => {
            let (sweep, since) = (Arc::clone(&instance.sweep), START.minus(BEFORE_THE_START));
            Box::pin(async move { Done::Swept(sweep.run(since, Effect::Repair, &|_| {}).await) })
        }
        Activity::Review => {
            let review = Arc::clone(&instance.review);
            Box::pin(async move {
                let _ = review.resolve(&id, &Decision::Retry, "ada", "looked at it").await;
                Done::Otherwise
            })
        }
    }
}

/// The name of the case's refund of that number.
fn refund_id(number: u128) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(number))
}

/// What a future gives that waits for nothing.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("what keeps everything in memory waits for nothing"),
    }
}
