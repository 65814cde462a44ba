//! Every live order is its own lane: its records are handled one after the other, those of other
//! orders at the same time. Knows nothing of Kafka's groups; starts nothing whose lease is revoked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::{JoinError, JoinSet};

use crate::adapters::kafka::backoff::Backoff;
use crate::adapters::kafka::dead_letter::DeadLetters;
use crate::adapters::kafka::record::Record;
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::wire::rejection::Rejection;
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::domain::order::OrderId;
use crate::domain::request::PaymentRequest;

/// How often, at the most, it is logged that records are being retried.
const RETRY_LOG_INTERVAL: Duration = Duration::from_secs(5);

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
pub(crate) struct Lanes {
    workshop: Arc<Workshop>,
    max_in_flight: usize,
    /// An order that is here has a record running or ready; its later records wait behind it.
    waiting: HashMap<OrderId, VecDeque<Work>>,
    ready: VecDeque<Work>,
    running: JoinSet<Option<OrderId>>,
    status: StatusHandle,
}

/// A record that is to be handled.
struct Work {
    record: Record,
    task: Task,
}

enum Task {
    Pay(Box<PaymentRequest>),
    Refuse(Rejection),
}

impl Work {
    fn lane(&self) -> Option<OrderId> {
        match &self.task {
            Task::Pay(request) => Some(request.order.id().clone()),
            Task::Refuse(_) => None,
        }
    }

    fn is_revoked(&self) -> bool {
        self.record.lease.revoked.is_cancelled()
    }
}

impl Lanes {
    pub(crate) fn new(workshop: Workshop, max_in_flight: usize, status: StatusHandle) -> Self {
        Self {
            workshop: Arc::new(workshop),
            max_in_flight,
            waiting: HashMap::new(),
            ready: VecDeque::new(),
            running: JoinSet::new(),
            status,
        }
    }

    /// Takes a record in, and starts it where its lane and a place are free.
    pub(crate) fn take(&mut self, record: Record) {
        if record.lease.revoked.is_cancelled() {
            return;
        }
        let task = match record.decode(&self.workshop.options) {
            Ok(Decoded::Request(request)) => Task::Pay(request),
            Ok(Decoded::OtherType(_)) => return finish(record, "skipped"),
            Err(rejection) => Task::Refuse(rejection),
        };
        let work = Work { record, task };
        if let Some(order_id) = work.lane() {
            if let Some(lane) = self.waiting.get_mut(&order_id) {
                return lane.push_back(work);
            }
            self.waiting.insert(order_id, VecDeque::new());
        }
        self.ready.push_back(work);
        self.start_ready();
    }

    /// Whether anything runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits until something that runs has ended, and starts what waited for it. To be called while
    /// not idle.
    ///
    /// # Errors
    /// The panic of a handler; its record is not done.
    pub(crate) async fn next_end(&mut self) -> Result<(), JoinError> {
        let Some(ended) = self.running.join_next().await else { return Ok(()) };
        if let Some(order_id) = ended? {
            self.advance(&order_id);
        }
        self.start_ready();
        Ok(())
    }

    /// Lets go of everything that has not been started and is not ours any more.
    pub(crate) fn drop_revoked(&mut self) {
        for lane in self.waiting.values_mut() {
            lane.retain(|work| !work.is_revoked());
        }
        for work in std::mem::take(&mut self.ready) {
            match (work.is_revoked(), work.lane()) {
                (false, _) => self.ready.push_back(work),
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
            Some(work) => self.ready.push_back(work),
            None => drop(self.waiting.remove(order_id)),
        }
    }

    fn start_ready(&mut self) {
        while self.running.len() < self.max_in_flight {
            let Some(work) = self.ready.pop_front() else { break };
            let workshop = Arc::clone(&self.workshop);
            self.running.spawn(async move {
                let lane = work.lane();
                workshop.work(work).await;
                lane
            });
        }
        self.status.set_in_flight(self.running.len());
    }
}

fn finish(record: Record, result: &'static str) {
    metrics::counter!("order_payments_records_total", "result" => result).increment(1);
    record.done();
}

/// What every piece of work needs.
pub(crate) struct Workshop {
    options: DecodeOptions,
    handler: Arc<dyn RequestHandler>,
    dead_letters: Arc<DeadLetters>,
    retry_logged: Mutex<Option<Instant>>,
    status: StatusHandle,
}

impl Workshop {
    pub(crate) fn new(
        options: DecodeOptions,
        handler: Arc<dyn RequestHandler>,
        dead_letters: Arc<DeadLetters>,
        status: StatusHandle,
    ) -> Self {
        Self { options, handler, dead_letters, retry_logged: Mutex::new(None), status }
    }

    /// Does one piece of work to its end; where its lease is revoked before that, the record is let
    /// go undone, and whoever gets the partition next is given it again.
    async fn work(&self, work: Work) {
        let revoked = work.record.lease.revoked.clone();
        match work.task {
            _ if revoked.is_cancelled() => {}
            Task::Pay(request) => self.pay(work.record, *request).await,
            Task::Refuse(rejection) => self.refuse(work.record, &rejection).await,
        }
    }

    async fn pay(&self, record: Record, request: PaymentRequest) {
        let order_id = request.order.id().clone();
        let mut backoff = Backoff::new();
        let mut request = Some(request);
        let mut retrying = None;
        while let Some(asked) = request.take() {
            match self.handler.handle(asked).await {
                Handling::Done => return finish(record, "handled"),
                Handling::DeadLetter(rejection) => return self.refuse(record, &rejection).await,
                Handling::Retry(why) => {
                    self.note_retry(&order_id, &why);
                    retrying.get_or_insert_with(|| self.status.retrying()).because(&why);
                }
            }
            let revoked = record.lease.revoked.cancelled();
            if tokio::time::timeout(backoff.next_wait(), revoked).await.is_ok() {
                return;
            }
            // Read again rather than kept: retries are rare, and a copy of every request is not free.
            request = match record.decode(&self.options) {
                Ok(Decoded::Request(request)) => Some(*request),
                Ok(Decoded::OtherType(_)) | Err(_) => unreachable!("the same bytes were a request before"),
            };
        }
    }

    async fn refuse(&self, record: Record, rejection: &Rejection) {
        let revoked = record.lease.revoked.clone();
        let delivered = tokio::select! {
            () = self.dead_letters.deliver(&record, rejection, &self.status) => true,
            () = revoked.cancelled() => false,
        };
        if delivered {
            let (partition, offset) = (record.lease.partition, record.offset);
            tracing::warn!(
                kafka.partition = partition,
                kafka.offset = offset,
                reason = rejection.reason.as_str(),
                "record {partition}/{offset} went to the dead-letter topic: {}",
                rejection.message
            );
            metrics::counter!("order_payments_rejections_total", "reason" => rejection.reason.as_str()).increment(1);
            finish(record, "dead_lettered");
        }
    }

    fn note_retry(&self, order_id: &OrderId, why: &str) {
        metrics::counter!("order_payments_retries_total").increment(1);
        let mut logged = self.retry_logged.lock().expect("no one panics while holding it");
        if logged.is_none_or(|at| at.elapsed() >= RETRY_LOG_INTERVAL) {
            *logged = Some(Instant::now());
            tracing::warn!(
                order.id = %order_id,
                "order {order_id} is tried again later, and others may be too: {why}"
            );
        }
    }
}
