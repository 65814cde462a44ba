//! Outcomes, each batch in one Kafka transaction under one name, so that a newer publisher fences the
//! older. Never says that something was not published unless that is certain.

mod failures;
mod sending;

use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, Producer};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::client::{LogContext, SetupError, Turn};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::publisher::failures::{Failure, judge};
use crate::adapters::kafka::publisher::sending::send_all;
use crate::adapters::kafka::{tail, threads};
use crate::ports::event_publisher::{EventPublisher, PublishError, Tail};
use crate::ports::outbox::{OutcomeEvent, Position, Published};

/// How long one transactional call may take by librdkafka's own clock.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may take by ours: some calls ignore their timeout while the coordinator is away.
const WATCHDOG: Duration = Duration::from_secs(30);

/// How often a commit is asked for again where the client says that this is safe.
const MAX_COMMIT_TRIES: u32 = 3;

/// How long the client's books may take to agree with the deliveries that it has told.
const BOOKS_PATIENCE: Duration = Duration::from_millis(20);

type TransactionalProducer = FutureProducer<LogContext>;

/// Publishes to the outcome topic.
pub struct KafkaEventPublisher {
    config: Config,
    /// The storage whose outcomes are published.
    identity: String,
    /// Empty before the first `take_over` and after every error that asks for one.
    producers: Mutex<Option<Pair>>,
}

/// Two producers that take turns.
///
/// A cluster writes a transaction's markers after it has answered the commit, and refuses that producer's next
/// transaction until it has; librdkafka asks again 20 ms later. The other one's may begin at once.
struct Pair {
    next: TransactionalProducer,
    last: TransactionalProducer,
}

impl KafkaEventPublisher {
    /// A publisher that has not taken over yet. Connects to nothing. `identity` is the storage's own
    /// name: publishers of one storage fence each other, those of different ones do not.
    ///
    /// # Errors
    /// [`SetupError`] where a setting is refused.
    pub fn new(config: &Config, identity: &str) -> Result<Self, SetupError> {
        config.transactional_config(identity, Turn::One)?;
        Ok(Self { config: config.clone(), identity: identity.to_owned(), producers: Mutex::new(None) })
    }

    /// A producer that has fenced all others of its name.
    async fn initialised(&self, turn: Turn) -> Result<TransactionalProducer, PublishError> {
        let not_published = |detail| PublishError::NotPublished { detail };
        let created = self.config.transactional_config(&self.identity, turn);
        let created = created.and_then(|config| Ok(config.create_with_context(LogContext)?));
        let producer: TransactionalProducer = created.map_err(|problem| not_published(problem.to_string()))?;
        let topic = self.config.outcome_topic.clone();
        let initialised = call(&producer, move |producer| {
            // A client that has no connection yet looks for its coordinator only half a second later.
            let _connects = producer.client().fetch_metadata(Some(&topic), CALL_TIMEOUT);
            producer.init_transactions(CALL_TIMEOUT)
        });
        match initialised.await {
            Ok(Ok(())) => Ok(producer),
            Ok(Err(problem)) => {
                let failure = judge(&producer, &problem);
                discard(producer).await;
                Err(match failure {
                    Failure::Fenced => PublishError::Fenced,
                    other => not_published(other.detail()),
                })
            }
            Err(failure) => Err(not_published(failure.detail())),
        }
    }

    async fn publish_with(
        &self,
        producer: &TransactionalProducer,
        batch: &[OutcomeEvent],
    ) -> Result<Vec<Published>, Failure> {
        // A producer that may not begin is in no state to be used again: a take-over makes another.
        producer.begin_transaction().map_err(|problem| judge(producer, &problem).doubtful())?;
        let begun = Instant::now();
        match send_all(producer, &self.config.outcome_topic, batch).await {
            Ok(published) => {
                let sent = Instant::now();
                self.commit(producer).await?;
                timed("send", sent - begun);
                timed("commit", sent.elapsed());
                Ok(published)
            }
            Err(problem) => Err(abort(producer, judge(producer, &problem)).await),
        }
    }

    async fn commit(&self, producer: &TransactionalProducer) -> Result<(), Failure> {
        for attempt in 1..=MAX_COMMIT_TRIES {
            let Err(problem) = call(producer, commit_settled).await? else {
                return Ok(());
            };
            match &problem {
                KafkaError::Transaction(error) if error.txn_requires_abort() => {
                    return Err(abort(producer, judge(producer, &problem)).await);
                }
                KafkaError::Transaction(error) if error.is_retriable() && attempt < MAX_COMMIT_TRIES => {
                    tracing::warn!(error = %problem, "the outcomes' transaction is not committed yet: asking again");
                }
                _ => return Err(judge(producer, &problem).doubtful()),
            }
        }
        Err(Failure::Doubt("the commit was not answered".to_owned()))
    }
}

#[async_trait]
impl EventPublisher for KafkaEventPublisher {
    async fn take_over(&self) -> Result<(), PublishError> {
        let mut slot = self.producers.lock().await;
        if let Some(pair) = slot.take() {
            pair.discard().await;
        }
        // Both, before anything is read: an older relay may be in the middle of either one's transaction.
        match tokio::join!(self.initialised(Turn::One), self.initialised(Turn::Other)) {
            (Ok(next), Ok(last)) => {
                *slot = Some(Pair { next, last });
                Ok(())
            }
            (Ok(producer), Err(error)) | (Err(error), Ok(producer)) => {
                discard(producer).await;
                Err(error)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    async fn tail(&self, from: &[Position], limit: usize) -> Result<Tail, PublishError> {
        let (config, from, given_up) = (self.config.clone(), from.to_vec(), CancellationToken::new());
        let _given_up_when_dropped = given_up.clone().drop_guard();
        let read = threads::call("kafka-tail", move || tail::read(&config, &from, limit, &given_up)).await;
        let not_published = |detail| PublishError::NotPublished { detail };
        read.map_err(not_published)?.map_err(|problem| not_published(problem.to_string()))
    }

    async fn publish(&self, batch: &[OutcomeEvent]) -> Result<Vec<Published>, PublishError> {
        let mut slot = self.producers.lock().await;
        // Taken, so that a caller who drops this future half-way leaves no open transaction behind.
        let Some(pair) = slot.take() else {
            return Err(PublishError::InDoubt { detail: "nobody has taken over yet".to_owned() });
        };
        let error = match self.publish_with(&pair.next, batch).await {
            Ok(published) => {
                *slot = Some(pair.turned());
                return Ok(published);
            }
            Err(Failure::Aborted(detail)) => {
                *slot = Some(pair);
                return Err(PublishError::NotPublished { detail });
            }
            // librdkafka leaves a gap in the sequence of what it sends after a record that was refused,
            // and the next transaction would fail for it.
            Err(Failure::Refused(detail)) => PublishError::Refused { detail },
            Err(Failure::Doubt(detail)) => PublishError::InDoubt { detail },
            Err(Failure::Fenced) => PublishError::Fenced,
        };
        pair.discard().await;
        Err(error)
    }
}

impl Pair {
    fn turned(self) -> Self {
        Self { next: self.last, last: self.next }
    }

    async fn discard(self) {
        tokio::join!(discard(self.next), discard(self.last));
    }
}

fn timed(step: &'static str, took: Duration) {
    metrics::histogram!("order_payments_publish_seconds", "step" => step).record(took);
}

/// Commits once the client's own books say that nothing is on its way. A delivery is told a moment before
/// they do, and a commit in that moment waits for librdkafka's next look at the clock: 100 ms.
fn commit_settled(producer: &TransactionalProducer) -> Result<(), KafkaError> {
    let patience = Instant::now() + BOOKS_PATIENCE;
    while producer.in_flight_count() > 0 && Instant::now() < patience {
        thread::yield_now();
    }
    producer.commit_transaction(CALL_TIMEOUT)
}

/// Aborts after a failure. Where even that fails the producer is of no more use; after a refusal it is not in
/// any case, and the next take-over aborts: librdkafka waits in vain for the records beside the refused one.
async fn abort(producer: &TransactionalProducer, failure: Failure) -> Failure {
    if matches!(failure, Failure::Fenced | Failure::Refused(_)) {
        return failure;
    }
    match call(producer, |producer| producer.abort_transaction(CALL_TIMEOUT)).await {
        Ok(Ok(())) => Failure::Aborted(failure.detail()),
        Ok(Err(problem)) => judge(producer, &problem).doubtful(),
        Err(watchdog) => watchdog,
    }
}

/// Makes a call that blocks, away from the async workers and with a watchdog over it.
async fn call<T: Send + 'static>(
    producer: &TransactionalProducer,
    blocking: impl FnOnce(&TransactionalProducer) -> T + Send + 'static,
) -> Result<T, Failure> {
    let producer = producer.clone();
    let called = threads::call("kafka-transaction", move || blocking(&producer));
    match tokio::time::timeout(WATCHDOG, called).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(problem)) => Err(Failure::Doubt(problem)),
        Err(_) => Err(Failure::Doubt("the transaction's coordinator does not answer".to_owned())),
    }
}

/// Ends a producer where that may block: it waits for its own threads.
async fn discard(producer: TransactionalProducer) {
    let dropped = threads::call("kafka-discard", move || drop(producer));
    if tokio::time::timeout(WATCHDOG, dropped).await.is_err() {
        tracing::warn!("a producer of outcomes does not end; a new one takes its place");
    }
}
