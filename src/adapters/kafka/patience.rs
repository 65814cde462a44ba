//! Asks the cluster again while it says that it will know in a moment.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How long is waited between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until there is an answer, or an error that does not pass by itself, or for about so long. Blocks.
pub(crate) fn patiently<T>(
    patience: Duration,
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let began = Instant::now();
    loop {
        match ask() {
            Err(problem) if passes(&problem) && began.elapsed() < patience => thread::park_timeout(PAUSE),
            answer => return answer,
        }
    }
}

/// Whether a leader or a coordinator is being found, as of a topic or a broker that is new.
fn passes(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        CoordinatorLoadInProgress, CoordinatorNotAvailable, LeaderNotAvailable, NotCoordinator, NotLeaderForPartition,
    };

    matches!(
        problem.rdkafka_error_code(),
        Some(
            CoordinatorLoadInProgress
                | CoordinatorNotAvailable
                | LeaderNotAvailable
                | NotCoordinator
                | NotLeaderForPartition
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(code: RDKafkaErrorCode, times: usize) -> (Result<usize, KafkaError>, usize) {
        let mut asked = 0;
        let answer = patiently(Duration::from_secs(10), || {
            asked += 1;
            if asked > times { Ok(asked) } else { Err(KafkaError::MetadataFetch(code)) }
        });
        (answer, asked)
    }

    #[test]
    fn what_passes_is_asked_again_and_nothing_else() {
        assert_eq!(answers(RDKafkaErrorCode::NotCoordinator, 2), (Ok(3), 3));
        let refused = KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert_eq!(answers(RDKafkaErrorCode::TopicAuthorizationFailed, 2), (Err(refused), 1));
    }

    #[test]
    fn patience_ends() {
        let problem = KafkaError::MetadataFetch(RDKafkaErrorCode::NotCoordinator);
        let mut asked = 0;
        let answer: Result<(), _> = patiently(Duration::ZERO, || {
            asked += 1;
            Err(problem.clone())
        });
        assert_eq!((answer, asked), (Err(problem), 1));
    }
}
