//! What an error of the transactional producer means for the batch and for the producer. Pure judgement.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;

use crate::adapters::kafka::publisher::TransactionalProducer;

/// What a failure means for the batch and for the producer.
pub(super) enum Failure {
    /// Nothing is visible and the producer can go on.
    Aborted(String),
    /// Nothing is visible and some event's data is to blame.
    Refused(String),
    /// Something may be visible, or the producer cannot go on: a take-over finds out.
    Doubt(String),
    /// Another producer of this name is at work.
    Fenced,
}

impl Failure {
    pub(super) fn doubtful(self) -> Self {
        match self {
            Self::Aborted(detail) | Self::Refused(detail) => Self::Doubt(detail),
            other => other,
        }
    }

    pub(super) fn detail(self) -> String {
        match self {
            Self::Aborted(detail) | Self::Refused(detail) | Self::Doubt(detail) => detail,
            Self::Fenced => "fenced".to_owned(),
        }
    }
}

/// What an error says, apart from the transaction's own state.
pub(super) fn judge(producer: &TransactionalProducer, problem: &KafkaError) -> Failure {
    use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, InvalidProducerIdMapping, ProducerFenced};

    let fatal = producer.client().fatal_error().map(|(code, _)| code);
    let codes = [problem.rdkafka_error_code(), fatal];
    if codes.iter().flatten().any(|code| matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)) {
        return Failure::Fenced;
    }
    if fatal.is_some() || problem.rdkafka_error_code() == Some(InvalidProducerIdMapping) {
        return Failure::Doubt(problem.to_string());
    }
    if is_refusal_of_data(problem) {
        Failure::Refused(problem.to_string())
    } else {
        Failure::Aborted(problem.to_string())
    }
}

/// Whether a broker, or the client before it, does not take the record itself.
fn is_refusal_of_data(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode::{InvalidMessageSize, InvalidRecord, InvalidTimestamp, MessageSizeTooLarge};

    let code = problem.rdkafka_error_code();
    matches!(code, Some(InvalidMessageSize | InvalidRecord | InvalidTimestamp | MessageSizeTooLarge))
}
