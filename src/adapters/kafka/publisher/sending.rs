//! Hands the records of a batch over and waits for their answers. Commits nothing.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use rdkafka::producer::future_producer::DeliveryFuture;

use crate::adapters::kafka::publisher::TransactionalProducer;
use crate::ports::outbox::{OutcomeEvent, Published};

/// How long the cause of a trouble is waited for once its consequences were told.
const CAUSE_PATIENCE: Duration = Duration::from_secs(1);

/// What became of a record.
type Answer = <DeliveryFuture as Future>::Output;

/// Sends all of a batch and waits for every answer. Waiting here, not in the commit, matters: librdkafka's
/// flush looks at the clock in steps of 100 ms.
///
/// Where one is refused the others are not waited for: the client sends no more of the transaction, and
/// would keep them until their delivery has timed out.
pub(super) async fn send_all(
    producer: &TransactionalProducer,
    topic: &str,
    batch: &[OutcomeEvent],
) -> Result<Vec<Published>, KafkaError> {
    let mut answers = FuturesUnordered::new();
    for (index, event) in batch.iter().enumerate() {
        let headers = event
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(topic).key(event.order_id.as_str()).payload(&event.payload).headers(headers);
        let delivery = producer.send_result(record).map_err(|(problem, _)| problem)?;
        answers.push(async move { (index, delivery.await) });
    }
    let mut published = vec![None; batch.len()];
    while let Some((index, answer)) = answers.next().await {
        let problem = match answer {
            Ok(Ok(at)) => {
                let event_id = batch[index].id;
                published[index] = Some(Published { event_id, partition: at.partition, offset: at.offset });
                continue;
            }
            Ok(Err((problem, _))) => problem,
            Err(_) => KafkaError::Canceled,
        };
        return Err(if is_consequence(&problem) { cause(&mut answers).await.unwrap_or(problem) } else { problem });
    }
    Ok(published.into_iter().flatten().collect())
}

/// What was the matter, once it is known that something was.
async fn cause(answers: &mut (impl Stream<Item = (usize, Answer)> + Unpin)) -> Option<KafkaError> {
    let found = tokio::time::timeout(CAUSE_PATIENCE, async {
        while let Some((_, answer)) = answers.next().await {
            if let Ok(Err((problem, _))) = answer
                && !is_consequence(&problem)
            {
                return Some(problem);
            }
        }
        None
    });
    found.await.ok().flatten()
}

/// Whether a record was dropped because of another one's trouble.
fn is_consequence(problem: &KafkaError) -> bool {
    let code = problem.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight))
}
