//! Group commit: calls that wait at the same moment share one statement. No timer is involved.
//!
//! ```text
//! call ─┐                    ┌─ all that waits, up to LIMIT ─► Step::execute ─► each caller its answer
//! call ─┼─► bounded queue ───┤
//! call ─┘                    └─ a second call of a key waits for the next batch
//! ```
//!
//! An idle database answers a single call at once; a busy one finds more calls waiting each time a
//! statement returns, so batches grow by themselves. A batch that is refused for its data is halved
//! until the guilty call stands alone. One that lost a race to another transaction is
//! tried again a few times; nothing else is: callers know what they may repeat.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use crate::adapters::sql::fault::DatabaseFault;
use crate::ports::order_repository::RepositoryError;

/// The most calls that share a statement. PostgreSQL gains nothing from more (measured: the cost of a
/// row dominates from about a hundred on), and a refused batch is halved at most nine times.
pub const LIMIT: usize = 500;

/// How often a batch is tried that loses a race each time, before its callers are told.
const MAX_RACES: usize = 5;

/// Calls that may wait before callers do.
const QUEUE_LENGTH: usize = 2 * LIMIT;

/// Calls that make a batch large: one more beside it would make both smaller, and each of their calls dearer.
const FEW: usize = 16;

/// What is done for many calls at once.
#[async_trait]
pub trait Step: Send + Sync + 'static {
    /// What a caller asks for.
    type Request: Send + Sync + 'static;
    /// What a caller is told.
    type Answer: Send + 'static;

    /// Batches that may be under way at the same time, while they are small.
    const CONCURRENT: usize;

    /// What the request is about: an order id. No batch holds the same key twice.
    fn key(request: &Self::Request) -> &str;

    /// Does it, whole and durably, for every request: one result for each, in the same order.
    ///
    /// # Errors
    /// [`DatabaseFault`] where the batch as a whole failed.
    async fn execute(
        &self,
        batch: &[Arc<Self::Request>],
    ) -> Result<Vec<Result<Self::Answer, RepositoryError>>, DatabaseFault>;
}

/// The queue of one step and the task that empties it; dropping this ends the task.
pub struct GroupCommit<S: Step> {
    queue: mpsc::Sender<Call<S>>,
    /// Holds one task, which ends with this set.
    _worker: JoinSet<()>,
}

struct Call<S: Step> {
    request: Arc<S::Request>,
    answer: oneshot::Sender<Result<S::Answer, RepositoryError>>,
}

impl<S: Step> GroupCommit<S> {
    /// Starts the task that serves this step. To be called on a tokio runtime.
    pub fn start(step: S) -> Self {
        let (queue, calls) = mpsc::channel(QUEUE_LENGTH);
        let mut worker = JoinSet::new();
        worker.spawn(serve(Arc::new(step), calls));
        Self { queue, _worker: worker }
    }

    /// Waits for its turn and for the answer to this request.
    ///
    /// # Errors
    /// What the step answers, or [`RepositoryError::Unavailable`] where its task has ended.
    pub async fn call(&self, request: S::Request) -> Result<S::Answer, RepositoryError> {
        let (answer, answered) = oneshot::channel();
        let call = Call { request: Arc::new(request), answer };
        self.queue.send(call).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn gone() -> RepositoryError {
    RepositoryError::Unavailable("the task that speaks to the database has ended".into())
}

/// Starts a batch whenever one may run and something waits.
async fn serve<S: Step>(step: Arc<S>, mut calls: mpsc::Receiver<Call<S>>) {
    let mut running = JoinSet::new();
    let mut waiting = VecDeque::new();
    let mut last_started = 0;
    loop {
        if waiting.is_empty() {
            match calls.recv().await {
                Some(call) => waiting.push_back(call),
                None => break,
            }
        }
        // Beside a small batch another costs little and need not wait; what comes beside a large one gathers.
        let may_run = if last_started < FEW { S::CONCURRENT } else { 1 };
        while running.len() >= may_run
            && let Some(ended) = running.join_next().await
        {
            report(ended);
        }
        while waiting.len() < LIMIT
            && let Ok(call) = calls.try_recv()
        {
            waiting.push_back(call);
        }
        let batch = take_batch(&mut waiting);
        last_started = batch.len();
        running.spawn(answer(Arc::clone(&step), batch));
    }
    while let Some(ended) = running.join_next().await {
        report(ended);
    }
}

/// A batch that panicked has told its callers nothing: they find their channel closed.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a database step broke off; its callers were told that it is unavailable");
    }
}

/// All that waits, but for second calls of a key: those keep their order and stay for the next batch.
fn take_batch<S: Step>(waiting: &mut VecDeque<Call<S>>) -> Vec<Call<S>> {
    let mut keys = HashSet::new();
    let (batch, later): (Vec<_>, Vec<_>) =
        waiting.drain(..).partition(|call| keys.insert(S::key(&call.request).to_owned()));
    waiting.extend(later);
    let mut batch = batch;
    // In key order, so that two instances lock the same rows in the same order.
    batch.sort_by(|one, other| S::key(&one.request).cmp(S::key(&other.request)));
    batch
}

/// Executes a batch, halving it for as long as its data is refused.
async fn answer<S: Step>(step: Arc<S>, batch: Vec<Call<S>>) {
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        let requests: Vec<_> = part.iter().map(|call| Arc::clone(&call.request)).collect();
        match repeated(&*step, &requests).await {
            Ok(answers) => {
                for (call, answer) in part.into_iter().zip(answers) {
                    tell(call, answer);
                }
            }
            Err(fault) if fault.is_of_the_data() && part.len() > 1 => {
                let rest = part.split_off(part.len() / 2);
                parts.extend([rest, part]);
            }
            Err(fault) => {
                for call in part {
                    let error = fault.clone().about(S::key(&call.request));
                    tell(call, Err(error));
                }
            }
        }
    }
}

/// Executes a batch, again for as long as it lost a race: the statement that lost it did nothing, and one before
/// it is met by its own effect the second time.
async fn repeated<S: Step>(
    step: &S,
    requests: &[Arc<S::Request>],
) -> Result<Vec<Result<S::Answer, RepositoryError>>, DatabaseFault> {
    for _ in 1..MAX_RACES {
        match step.execute(requests).await {
            Err(fault) if fault.is_a_race() => {}
            answered => return answered,
        }
    }
    step.execute(requests).await
}

/// A caller that no longer listens has given up; it will ask again.
fn tell<S: Step>(call: Call<S>, answer: Result<S::Answer, RepositoryError>) {
    drop(call.answer.send(answer));
}

#[cfg(test)]
mod tests;
