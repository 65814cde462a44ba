//! What a consumer stands on, made of nothing: a handler, a database's positions, a guard. Each notes what it is
//! asked, and fails or hangs as it is told.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use order_payments::adapters::kafka::{Handling, RequestHandler, RestoreGuard};
use order_payments::domain::request::{Past, PaymentRequest};
use order_payments::ports::order_repository::RepositoryError;
use order_payments::ports::position_repository::{HandledPosition, PositionRepository};
use tokio::sync::{Semaphore, watch};

use crate::kafka::support::DEADLINE;

type Answer = Box<dyn Fn() -> Handling + Send + Sync>;

/// A handler that notes every call, answers as it is told, and can be held up.
pub(crate) struct Recorder {
    calls: Mutex<Vec<(String, Past)>>,
    count: watch::Sender<usize>,
    answers: HashMap<String, Answer>,
    gate: Semaphore,
}

impl Recorder {
    pub(crate) fn open() -> Self {
        Self::with_places(Semaphore::MAX_PERMITS)
    }

    /// Every handling waits until `let_through` lets it.
    pub(crate) fn shut() -> Self {
        Self::with_places(0)
    }

    fn with_places(places: usize) -> Self {
        let gate = Semaphore::new(places);
        Self { calls: Mutex::default(), count: watch::channel(0).0, answers: HashMap::new(), gate }
    }

    pub(crate) fn answering(mut self, order: &str, answer: impl Fn() -> Handling + Send + Sync + 'static) -> Self {
        self.answers.insert(order.to_owned(), Box::new(answer));
        self
    }

    pub(crate) fn let_through(&self, many: usize) {
        self.gate.add_permits(many);
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.pasts().into_iter().map(|(order, _)| order).collect()
    }

    /// What was said about the past of each order that was handled.
    pub(crate) fn pasts(&self) -> Vec<(String, Past)> {
        self.calls.lock().expect("no one panics while holding it").clone()
    }

    /// The orders whose past was said to be unknown, in the order of their names.
    pub(crate) fn of_unknown_past(&self) -> Vec<String> {
        let pasts = self.pasts().into_iter();
        let mut orders: Vec<String> =
            pasts.filter(|(_, past)| matches!(past, Past::Unknown { .. })).map(|(order, _)| order).collect();
        orders.sort();
        orders
    }

    /// Waits until there were that many calls.
    pub(crate) async fn wait_for_calls(&self, many: usize) {
        let mut count = self.count.subscribe();
        let reached = tokio::time::timeout(DEADLINE, count.wait_for(|count| *count >= many)).await;
        assert!(reached.is_ok(), "{} calls, not {many}", self.calls().len());
    }
}

#[async_trait]
impl RequestHandler for Recorder {
    async fn handle(&self, request: PaymentRequest) -> Handling {
        let order = request.order.id().to_string();
        self.calls.lock().expect("no one panics while holding it").push((order.clone(), request.origin.past));
        self.count.send_modify(|count| *count += 1);
        self.gate.acquire().await.expect("never closed").forget();
        self.answers.get(&order).map_or(Handling::Done, |answer| answer())
    }
}

/// How far partitions were handled, as a database would know it.
pub(crate) struct Shelf {
    rows: Mutex<Rows>,
    health: watch::Sender<Health>,
    stores: watch::Sender<usize>,
}

type Rows = BTreeMap<(String, String, i32), HandledPosition>;

/// How the database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Health {
    #[default]
    Well,
    /// It refuses everything.
    Away,
    /// It answers no request to store before it is well.
    Slow,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { rows: Mutex::default(), health: watch::channel(Health::Well).0, stores: watch::channel(0).0 }
    }
}

impl Shelf {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().expect("no one panics while holding it")
    }

    /// What is stored, partition by partition.
    pub(crate) fn positions(&self) -> BTreeMap<i32, HandledPosition> {
        self.rows().values().map(|position| (position.partition, *position)).collect()
    }

    /// The positions added up.
    pub(crate) fn sum(&self) -> i64 {
        self.rows().values().map(|position| position.next_offset).sum()
    }

    /// A copy as a backup has it.
    pub(crate) fn backup(&self) -> Rows {
        self.rows().clone()
    }

    /// Sets the database back to a backup.
    pub(crate) fn restore(&self, backup: Rows) {
        *self.rows() = backup;
    }

    pub(crate) fn is_from_now_on(&self, health: Health) {
        self.health.send_replace(health);
    }

    /// Waits until it was asked to store something this many times from now on.
    pub(crate) async fn wait_for_stores(&self, many: usize) {
        let mut stores = self.stores.subscribe();
        let before = *stores.borrow();
        let reached = tokio::time::timeout(DEADLINE, stores.wait_for(|count| *count >= before + many)).await;
        assert!(reached.is_ok(), "nobody stores any more");
    }
}

#[async_trait]
impl PositionRepository for Shelf {
    async fn positions_of(&self, group: &str, topic: &str) -> Result<Vec<HandledPosition>, RepositoryError> {
        if *self.health.borrow() == Health::Away {
            return Err(RepositoryError::Unavailable("the shelf is locked".into()));
        }
        let rows = self.rows();
        Ok(rows.iter().filter(|((of, on, _), _)| of == group && on == topic).map(|(_, position)| *position).collect())
    }

    async fn store_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        self.stores.send_modify(|count| *count += 1);
        let mut health = self.health.subscribe();
        let health = *health.wait_for(|health| *health != Health::Slow).await.expect("the shelf lives");
        if health == Health::Away {
            return Err(RepositoryError::Unavailable("the shelf is locked".into()));
        }
        let mut rows = self.rows();
        for position in positions {
            let key = (group.to_owned(), topic.to_owned(), position.partition);
            let row = rows.entry(key).or_insert(*position);
            row.next_offset = row.next_offset.max(position.next_offset);
            row.horizon = row.horizon.max(position.horizon);
        }
        Ok(())
    }

    async fn set_positions(
        &self,
        group: &str,
        topic: &str,
        positions: &[HandledPosition],
    ) -> Result<(), RepositoryError> {
        let mut rows = self.rows();
        for position in positions {
            let key = (group.to_owned(), topic.to_owned(), position.partition);
            let row = rows.entry(key).or_insert(*position);
            row.next_offset = position.next_offset;
            row.horizon = row.horizon.max(position.horizon);
        }
        Ok(())
    }
}

/// Makes nothing fit, but notes that it was asked.
#[derive(Default)]
pub(crate) struct Guard {
    calls: AtomicUsize,
    refusals: AtomicUsize,
}

impl Guard {
    /// Lets it refuse as often as that.
    pub(crate) fn refuse(&self, times: usize) {
        self.refusals.store(times, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl RestoreGuard for Guard {
    async fn restored(&self) -> Result<(), String> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let left = self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { Err("the guard is not done yet".to_owned()) } else { Ok(()) }
    }
}
