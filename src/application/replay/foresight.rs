//! Foresees what would become of a record. Reads orders, changes nothing.
//!
//! How far a stored order is, is said by the very function that `begin` answers by, so that what is foreseen and
//! what happens cannot drift apart.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::application::replay::verdict::Verdict;
use crate::domain::order::{OrderId, OrderStatus};
use crate::domain::payment::{ChargeFlow, Payment, PaymentState};
use crate::domain::request::PaymentRequest;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{Begun, OrderRepository, RepositoryError, Standing, StoredOrder};

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.partition, self.offset)
    }
}

/// What is foreseen of a record, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// What.
    pub verdict: Verdict,
    /// In a few words, where the verdict does not say it all.
    pub why: String,
}

impl Foreseen {
    /// That verdict, and why.
    pub fn new(verdict: Verdict, why: impl Into<String>) -> Self {
        Self { verdict, why: why.into() }
    }
}

/// Foresees record after record of one selection.
pub struct Foresight {
    orders: Arc<dyn OrderRepository>,
    /// Orders that are unknown here: where in this selection each is asked for first.
    unknown: HashMap<OrderId, First>,
}

/// The first record of an order that is unknown here.
struct First {
    place: Place,
    /// What would be stored for it.
    order: StoredOrder,
}

impl Foresight {
    /// A foresight that has seen nothing yet.
    pub fn new(orders: Arc<dyn OrderRepository>) -> Self {
        Self { orders, unknown: HashMap::new() }
    }

    /// Takes note of a record that an earlier run of the same replay foresaw as unknown here.
    pub fn remember(&mut self, place: Place, request: &PaymentRequest, now: Timestamp) {
        let first = || First { place, order: as_begun(request, now) };
        self.unknown.entry(request.order.id().clone()).or_insert_with(first);
    }

    /// How far the order of each of these requests is stored, all asked for at once.
    async fn stored(
        orders: &Arc<dyn OrderRepository>,
        asked: &[(Place, Arc<PaymentRequest>)],
    ) -> Vec<Result<Option<StoredOrder>, RepositoryError>> {
        join_all(asked.iter().map(|(_, request)| orders.find(request.order.id()))).await
    }

    /// What would become of these records, in their order. An order that cannot be read is told as such.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; nothing was changed.
    pub async fn foresee(
        &mut self,
        asked: &[(Place, Arc<PaymentRequest>)],
        now: Timestamp,
    ) -> Result<Vec<Foreseen>, RepositoryError> {
        let stored = Self::stored(&self.orders, asked).await;
        // All of them first: what is judged is remembered.
        let readable = stored.into_iter().map(|stored| match stored {
            Ok(stored) => Ok(Ok(stored)),
            Err(away @ RepositoryError::Unavailable(_)) => Err(away),
            Err(error) => Ok(Err(Foreseen::new(Verdict::Unreadable, error.to_string()))),
        });
        let readable = readable.collect::<Result<Vec<_>, RepositoryError>>()?;
        let judged = asked.iter().zip(readable).map(|((place, request), stored)| match stored {
            Ok(stored) => self.judge(*place, request, stored.as_ref(), now),
            Err(unreadable) => unreadable,
        });
        Ok(judged.collect())
    }

    fn judge(
        &mut self,
        place: Place,
        request: &PaymentRequest,
        stored: Option<&StoredOrder>,
        now: Timestamp,
    ) -> Foreseen {
        if let Some(first) = self.unknown.get(request.order.id()) {
            return match first.order.met_by(request, now) {
                Some(Begun::Contradicts(_)) => contradicts(&format!("the record at {}", first.place)),
                _ => Foreseen::new(Verdict::Repeats, format!("same order as {} before it", first.place)),
            };
        }
        match stored.map(|stored| stored.met_by(request, now)) {
            Some(Some(begun)) => of_begun(&begun),
            unpaid => {
                let why = if unpaid.is_some() { "stored, and never asked to be paid" } else { "" };
                self.unknown.insert(request.order.id().clone(), First { place, order: as_begun(request, now) });
                Foreseen::new(Verdict::Unknown, why)
            }
        }
    }
}

/// An order as it would be stored for its first request.
pub(crate) fn as_begun(request: &PaymentRequest, now: Timestamp) -> StoredOrder {
    let decided = request.decided_for(request.order.unsettled());
    let payment = Payment::first(Arc::new(decided), ChargeFlow::TwoStep, now);
    StoredOrder { order: payment.order().clone(), payment: Some(payment) }
}

/// What would become of a request that is answered so.
fn of_begun(begun: &Begun) -> Foreseen {
    match begun {
        Begun::Met(Standing::Settled(order)) => {
            let is_paid = order.status() == OrderStatus::Paid;
            Foreseen::new(if is_paid { Verdict::AlreadyPaid } else { Verdict::AlreadyFailed }, "")
        }
        Begun::Prepare(payment) => of_payment(payment),
        Begun::Met(Standing::Armed(armed)) => of_payment(armed.payment()),
        Begun::Met(Standing::Parked(payment)) => match &payment.state {
            // What is replayed has an unknown past, so that even one with old keys is traced and carried on.
            PaymentState::Preparing => of_payment(payment),
            PaymentState::Review { finding, .. } => Foreseen::new(Verdict::UnderReview, finding.clone()),
            state => Foreseen::new(Verdict::Waits, format!("its payment is {}", state.name())),
        },
        Begun::Contradicts(_) => contradicts("the stored order"),
    }
}

fn of_payment(payment: &Payment) -> Foreseen {
    Foreseen::new(Verdict::Resumed, format!("its payment is {}", payment.state.name()))
}

fn contradicts(what: &str) -> Foreseen {
    Foreseen::new(Verdict::Contradicts, format!("{what} has other terms"))
}
