//! Hands requests from the topic to the use case, and sorts its troubles: the message's or the world's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::adapters::kafka::lanes::{Handling, RequestHandler};
use crate::adapters::wire::rejection::{Rejection, RejectionReason};
use crate::application::process_payment::{ProcessError, ProcessPayment, Settled};
use crate::domain::request::PaymentRequest;

/// Pays what is requested.
pub struct PayOnRequest {
    process_payment: Arc<ProcessPayment>,
    answered: Arc<Answered>,
}

/// How many requests had which answer, since the start of the process.
#[derive(Debug, Default)]
pub struct Answered {
    settled: AtomicU64,
    from_store: AtomicU64,
    parked: AtomicU64,
}

impl Answered {
    /// Requests that settled their order, met it settled, or left it to reconciliation.
    pub fn all(&self) -> u64 {
        [&self.settled, &self.from_store, &self.parked].map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }

    fn count(&self, settled: &Settled) {
        let (count, result) = match settled {
            Settled::Now(_) => (&self.settled, "settled"),
            Settled::Before(_) => (&self.from_store, "settled_before"),
            Settled::Later(_) => (&self.parked, "parked"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("order_payments_requests_answered_total", "result" => result).increment(1);
    }
}

impl PayOnRequest {
    /// A handler over the use case.
    pub fn new(process_payment: Arc<ProcessPayment>) -> Self {
        Self { process_payment, answered: Arc::default() }
    }

    /// The live counts.
    pub fn answered(&self) -> Arc<Answered> {
        Arc::clone(&self.answered)
    }
}

#[async_trait]
impl RequestHandler for PayOnRequest {
    async fn handle(&self, request: PaymentRequest) -> Handling {
        match self.process_payment.handle(&request).await {
            Ok(settled) => {
                self.answered.count(&settled);
                Handling::Done
            }
            Err(error) => sort(&error),
        }
    }
}

/// A bad message goes to the dead letters, at once; a bad world is waited for.
fn sort(error: &ProcessError) -> Handling {
    match error {
        ProcessError::Contradicts(_) => refuse(RejectionReason::Contradiction, error),
        ProcessError::Unstorable(_) => refuse(RejectionReason::Unstorable, error),
        ProcessError::UnknownOrder(_)
        | ProcessError::NoPaymentMethod(_)
        | ProcessError::Repository { .. }
        | ProcessError::Gateway { .. } => Handling::Retry(with_causes(error)),
    }
}

fn refuse(reason: RejectionReason, error: &ProcessError) -> Handling {
    Handling::DeadLetter(Rejection::process(reason, error.to_string()))
}

/// An error and what it came from, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
