//! What is done with one record: paid, again and again while the world refuses, or sent to the dead letters.
//! Knows one record at a time, and lets go of it undone where it is not ours any more.

use std::sync::Arc;

use crate::adapters::kafka::backoff::Backoff;
use crate::adapters::kafka::dead_letter::DeadLetters;
use crate::adapters::kafka::lanes::{Handling, RequestHandler};
use crate::adapters::kafka::record::Record;
use crate::adapters::kafka::status::{Retrying, StatusHandle};
use crate::adapters::wire::rejection::Rejection;
use crate::adapters::wire::request::{DecodeOptions, Decoded};
use crate::application::sparingly::Sparingly;
use crate::domain::order::OrderId;
use crate::domain::request::PaymentRequest;
use crate::ports::clock::Clock;

/// A record that is to be handled.
pub(crate) struct Work {
    record: Record,
    task: Task,
}

enum Task {
    Pay(Box<PaymentRequest>),
    /// The world refused before.
    PayAgain(Box<Refused>),
    Refuse(Rejection),
}

/// An order that waits until the world is asked again.
struct Refused {
    order_id: OrderId,
    backoff: Backoff,
    counted: Retrying,
}

impl Work {
    /// The order that it is for, where it is for one.
    pub(crate) fn lane(&self) -> Option<OrderId> {
        match &self.task {
            Task::Pay(request) => Some(request.order.id().clone()),
            Task::PayAgain(refused) => Some(refused.order_id.clone()),
            Task::Refuse(_) => None,
        }
    }

    /// The partition that it is from.
    pub(crate) fn partition(&self) -> i32 {
        self.record.lease.partition
    }

    /// Whether it is not ours any more.
    pub(crate) fn is_revoked(&self) -> bool {
        self.record.lease.revoked.is_cancelled()
    }

    /// Waits until it may be tried again; `None` where it is not ours any more before that.
    pub(crate) async fn rest(mut self) -> Option<Self> {
        let Task::PayAgain(refused) = &mut self.task else { return Some(self) };
        let wait = refused.backoff.next_wait();
        let is_revoked = tokio::time::timeout(wait, self.record.lease.revoked.cancelled()).await.is_ok();
        (!is_revoked).then_some(self)
    }
}

/// What every piece of work needs.
pub(crate) struct Workshop {
    options: DecodeOptions,
    clock: Arc<dyn Clock>,
    handler: Arc<dyn RequestHandler>,
    dead_letters: Arc<DeadLetters>,
    retries_told: Sparingly,
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
        Self { options, clock, handler, dead_letters, retries_told: Sparingly::default(), status }
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

    /// Does one piece of work; it is given back where the world refuses, to be tried again. Where its lease
    /// is revoked the record is let go undone, and whoever gets the partition next is given it again.
    pub(crate) async fn work(&self, work: Work) -> Option<Work> {
        if work.is_revoked() {
            return None;
        }
        let Work { record, task } = work;
        match task {
            Task::Pay(request) => self.pay(record, *request, None).await,
            Task::PayAgain(refused) => {
                // Read again rather than kept: retries are rare, and a copy of every request is not free.
                let Ok(Decoded::Request(request)) = record.decode(&self.options, self.clock.now()) else {
                    unreachable!("the same bytes were a request before")
                };
                self.pay(record, *request, Some(refused)).await
            }
            Task::Refuse(rejection) => {
                Box::pin(self.refuse(record, &rejection)).await;
                None
            }
        }
    }

    async fn pay(&self, record: Record, request: PaymentRequest, before: Option<Box<Refused>>) -> Option<Work> {
        let order_id = request.order.id().clone();
        match self.handler.handle(request).await {
            Handling::Done => finish(record, "handled"),
            // Boxed as it is rare: the room for it would be kept for every order.
            Handling::DeadLetter(rejection) => Box::pin(self.refuse(record, &rejection)).await,
            Handling::Retry(why) => {
                self.note_retry(&order_id, &why);
                let first = || Box::new(Refused { order_id, backoff: Backoff::new(), counted: self.status.retrying() });
                let refused = before.unwrap_or_else(first);
                refused.counted.because(&why);
                return Some(Work { record, task: Task::PayAgain(refused) });
            }
        }
        None
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
        if self.retries_told.may_say() {
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
