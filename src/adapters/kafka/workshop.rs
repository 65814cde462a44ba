//! What is done with one record: paid, again and again while the world refuses, or sent to the dead letters.
//! Knows one record at a time, and lets go of it undone where it is not ours any more.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::adapters::kafka::backoff::Backoff;
use crate::adapters::kafka::dead_letter::DeadLetters;
use crate::adapters::kafka::lanes::{Handling, RequestHandler};
use crate::adapters::kafka::record::Record;
use crate::adapters::kafka::status::StatusHandle;
use crate::adapters::wire::rejection::Rejection;
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::domain::order::OrderId;
use crate::domain::request::PaymentRequest;
use crate::ports::clock::Clock;

/// How often, at the most, it is logged that records are being retried.
const RETRY_LOG_INTERVAL: Duration = Duration::from_secs(5);

/// A record that is to be handled.
pub(crate) struct Work {
    record: Record,
    task: Task,
}

enum Task {
    Pay(Box<PaymentRequest>),
    Refuse(Rejection),
}

impl Work {
    /// The order that it is for, where it is for one.
    pub(crate) fn lane(&self) -> Option<OrderId> {
        match &self.task {
            Task::Pay(request) => Some(request.order.id().clone()),
            Task::Refuse(_) => None,
        }
    }

    /// Whether it is not ours any more.
    pub(crate) fn is_revoked(&self) -> bool {
        self.record.lease.revoked.is_cancelled()
    }
}

/// What every piece of work needs.
pub(crate) struct Workshop {
    options: DecodeOptions,
    clock: Arc<dyn Clock>,
    handler: Arc<dyn RequestHandler>,
    dead_letters: Arc<DeadLetters>,
    retry_logged: Mutex<Option<Instant>>,
    status: StatusHandle,
}

impl Workshop {
    pub(crate) fn new(
        options: DecodeOptions,
        clock: Arc<dyn Clock>,
        handler: Arc<dyn RequestHandler>,
        dead_letters: Arc<DeadLetters>,
        status: StatusHandle,
    ) -> Self {
        Self { options, clock, handler, dead_letters, retry_logged: Mutex::new(None), status }
    }

    /// Says what is to be done with a record; one that is not for us is done.
    pub(crate) fn open(&self, record: Record) -> Option<Work> {
        let task = match record.decode(&self.options, self.clock.now()) {
            Ok(Decoded::Request(request)) => Task::Pay(request),
            Ok(Decoded::OtherType(_)) => {
                finish(record, "skipped");
                return None;
            }
            Err(rejection) => Task::Refuse(rejection),
        };
        Some(Work { record, task })
    }

    /// Does one piece of work to its end; where its lease is revoked before that, the record is let
    /// go undone, and whoever gets the partition next is given it again.
    pub(crate) async fn work(&self, work: Work) {
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
            request = match record.decode(&self.options, self.clock.now()) {
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

fn finish(record: Record, result: &'static str) {
    metrics::counter!("order_payments_records_total", "result" => result).increment(1);
    record.done();
}
