//! Every live order is its own lane: its records are handled one after the other, those of other
//! orders at the same time. Knows nothing of Kafka's groups; starts nothing whose lease is revoked, and
//! nothing at all while the application keeps intake closed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::adapters::kafka::record::Record;
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::kafka::turns::Turns;
use crate::adapters::kafka::workshop::{Work, Workshop};
use crate::adapters::wire::rejection::Rejection;
use crate::domain::order::OrderId;
use crate::domain::request::PaymentRequest;

/// Who pays what is asked for.
#[async_trait]
pub trait RequestHandler: Send + Sync {
    /// Handles one request. May be called again with the same request: after a restart, a rebalance,
    /// a redelivery, and after [`Handling::Retry`]. Never for two requests of one order at once.
    async fn handle(&self, request: PaymentRequest) -> Handling;
}

/// What became of a request.
#[derive(Debug)]
pub enum Handling {
    /// Settled, or durably put off: the record is done.
    Done,
    /// It can never be paid: the record goes to the dead-letter topic.
    DeadLetter(Rejection),
    /// The world refused, as told here: the same request is handed in again, later.
    Retry(String),
}

/// The lanes, and what runs in them.
///
/// An order that the world refused waits without a place among those that are handled, so that it holds up
/// itself alone. What such orders cost is bounded by what may be held.
pub(crate) struct Lanes {
    workshop: Arc<Workshop>,
    max_in_flight: usize,
    /// An order that is here has a record running, resting or ready; its later records wait behind it.
    waiting: HashMap<OrderId, VecDeque<Work>>,
    /// By partition: those take turns.
    ready: Turns<Work>,
    running: JoinSet<Left>,
    resting: JoinSet<Left>,
    /// Why nothing may be started; `None` while it may.
    valve: watch::Receiver<Option<String>>,
    status: StatusHandle,
}

/// What is left of a piece of work.
enum Left {
    /// Nothing: the next record of its order may be handled.
    Done(Option<OrderId>),
    /// It was refused, and has to rest.
    Refused(Work),
    /// It has rested.
    Rested(Work),
}

impl Lanes {
    pub(crate) fn new(
        workshop: Workshop,
        max_in_flight: usize,
        valve: watch::Receiver<Option<String>>,
        status: StatusHandle,
    ) -> Self {
        Self {
            workshop: Arc::new(workshop),
            max_in_flight,
            waiting: HashMap::new(),
            ready: Turns::new(),
            running: JoinSet::new(),
            resting: JoinSet::new(),
            valve,
            status,
        }
    }

    /// Takes records in, and starts those whose lane and a place are free.
    pub(crate) fn take(&mut self, records: Vec<Record>) {
        for record in records {
            if !record.lease.revoked.is_cancelled()
                && let Some(work) = self.workshop.open(record)
            {
                self.line_up(work);
            }
        }
        self.start_ready();
    }

    fn line_up(&mut self, work: Work) {
        if let Some(order_id) = work.lane() {
            if let Some(lane) = self.waiting.get_mut(&order_id) {
                return lane.push_back(work);
            }
            self.waiting.insert(order_id, VecDeque::new());
        }
        self.ready.push(work.partition(), work);
    }

    /// Whether anything runs or rests.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.resting.is_empty()
    }

    /// How many records are still being handled.
    pub(crate) fn left(&mut self) -> usize {
        while self.running.try_join_next().is_some() {}
        self.running.len()
    }

    /// Waits until something that runs or rests has ended, and starts what waited for it. To be called
    /// while not idle.
    ///
    /// # Errors
    /// The panic of a handler; its record is not done.
    pub(crate) async fn next_end(&mut self) -> Result<(), JoinError> {
        let mut ended = tokio::select! {
            Some(ended) = self.running.join_next() => Some(ended),
            Some(ended) = self.resting.join_next() => Some(ended),
            else => None,
        };
        while let Some(left) = ended {
            match left? {
                Left::Done(Some(order_id)) => self.advance(&order_id),
                Left::Done(None) => {}
                Left::Refused(work) => self.rest(work),
                Left::Rested(work) if work.is_revoked() => self.advance(&work.lane().expect("it is for an order")),
                Left::Rested(work) => self.ready.push(work.partition(), work),
            }
            ended = self.running.try_join_next();
        }
        self.start_ready();
        Ok(())
    }

    /// Lets go of everything that has not been started and is not ours any more.
    pub(crate) fn drop_revoked(&mut self) {
        for lane in self.waiting.values_mut() {
            lane.retain(|work| !work.is_revoked());
        }
        let mut ready = std::mem::replace(&mut self.ready, Turns::new());
        while let Some(work) = ready.pop() {
            match (work.is_revoked(), work.lane()) {
                (false, _) => self.ready.push(work.partition(), work),
                (true, Some(order_id)) => self.advance(&order_id),
                (true, None) => {}
            }
        }
        self.start_ready();
    }

    /// The record at the head of this lane is gone: the next one is ready, or the lane ends.
    fn advance(&mut self, order_id: &OrderId) {
        let next = self.waiting.get_mut(order_id).and_then(VecDeque::pop_front);
        match next {
            Some(work) => self.ready.push(work.partition(), work),
            None => drop(self.waiting.remove(order_id)),
        }
    }

    fn rest(&mut self, work: Work) {
        self.resting.spawn(async move {
            let lane = work.lane();
            work.rest().await.map_or(Left::Done(lane), Left::Rested)
        });
    }

    /// Starts what is ready, while there are places and the valve is open. To be called whenever the valve turns.
    pub(crate) fn start_ready(&mut self) {
        while self.running.len() < self.max_in_flight && self.valve.borrow().is_none() {
            let Some(work) = self.ready.pop() else { break };
            let workshop = Arc::clone(&self.workshop);
            self.running.spawn(async move {
                let lane = work.lane();
                workshop.work(work).await.map_or(Left::Done(lane), Left::Refused)
            });
        }
        self.status.set_in_flight(self.running.len());
    }
}
