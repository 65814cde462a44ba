//! Sets where the group goes on: what that would mean for each partition, and the writes that do it.
//!
//! ```text
//! journal STARTED ─► horizons of a restored database ─► Kafka's commit, read back ─► database ─► journal ENDED
//! ```
//! Kafka before the database, whichever way the group moves. Cut off between the two,
//!
//! - a group that went back is behind a database that is still ahead: it starts at the group's position, as told;
//! - a group that went forward is ahead of the database, which looks restored: the next start reads from the
//!   database's position and asks the gateway about what is new below the group's, so that nothing is skipped.
//!
//! The same command again ends it in both cases. The other order would be wrong: a database that claims more than
//! was handled hides, until the group is there, that it was restored. A commit that the cluster refuses has
//! changed nothing. A horizon is stored before anything moves, because what it is known by is gone afterwards.

use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;
use uuid::Uuid;

use crate::adapters::kafka::client::SetupError;
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::group_state::GroupState;
use crate::adapters::kafka::patience::patiently;
use crate::adapters::kafka::positions::committed;
use crate::adapters::kafka::standing::{ANSWER_TIMEOUT, Standing, client};
use crate::adapters::kafka::starts::Ground;
use crate::adapters::kafka::threads;
use crate::ports::audit_trail::{Act, AuditTrail};
use crate::ports::order_repository::{JournalEntry, RepositoryError};
use crate::ports::position_repository::{HandledPosition, PositionRepository};

/// How long the commit and the look at it may take. librdkafka gives a commit no limit of its own.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A partition, and where the group is to go on in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) standing: Standing,
    pub(crate) to: i64,
}

/// What a person wants, and who it is.
#[derive(Clone, Debug)]
pub(crate) struct Instruction<'a> {
    /// The name of this run in the journal.
    pub(crate) run: Uuid,
    pub(crate) moves: &'a [Move],
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
}

/// Why the group does not stand where it should.
#[derive(Debug, Error)]
pub(crate) enum ResetError {
    /// The client refuses its settings. Nothing was moved.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A member has joined before the commit. Nothing was moved.
    #[error("group {group:?} has a member now ({answer}): stop all instances and repeat it; nothing was moved")]
    Joined { group: String, answer: String },
    /// The cluster does not commit. What was moved is told by `offsets show`.
    #[error("Kafka did not take the offsets of group {group:?}: {problem}; look at `offsets show` and repeat it")]
    NotCommitted { group: String, problem: String },
    /// Kafka has the offsets; an instance that started at the same time may have begun elsewhere.
    #[error(
        "the offsets are set, and a member joined while they were ({state}): it may read from where the group stood \
         before, until it is restarted; stop all instances, look at `offsets show` and repeat it"
    )]
    JoinedMeanwhile { state: GroupState },
    /// The database does not store. Repeat it.
    #[error("the database does not store the offsets; nothing is skipped meanwhile, repeat it")]
    Store(#[from] RepositoryError),
}

impl Move {
    pub(crate) fn partition(&self) -> i32 {
        self.standing.start.partition
    }

    /// Where an instance would begin without it; the oldest record where it would not start at all.
    fn begins(&self) -> i64 {
        let Standing { log, start } = self.standing;
        if log.reaches(start.offset) { start.offset } else { log.low }
    }

    /// Offsets that would not be read otherwise, and are read: again, most of them.
    pub(crate) fn again(&self) -> u64 {
        distance(self.to, self.begins())
    }

    /// Offsets that would be read otherwise, and are skipped.
    pub(crate) fn skipped(&self) -> u64 {
        distance(self.begins(), self.to)
    }

    /// Those of the skipped ones that the database has never handled: their requests are never paid.
    pub(crate) fn skipped_unhandled(&self) -> u64 {
        let Standing { log, start } = self.standing;
        // The database's position on a log that was made anew says nothing about this one.
        let stored = start.stored.filter(|_| start.ground(log) != Ground::OutsideLog);
        distance(self.begins().max(stored.unwrap_or(0)), self.to)
    }

    /// Offsets that the group had not read and the topic no longer has.
    pub(crate) fn gone(&self) -> u64 {
        let Standing { log, start } = self.standing;
        start.committed.or(start.stored).map_or(0, |position| distance(position, log.low))
    }

    /// Whether the group and the database stand there already.
    pub(crate) fn is_done(&self) -> bool {
        let start = self.standing.start;
        start.committed == Some(self.to) && start.stored == Some(self.to)
    }

    /// Whether the database was restored and no instance has noticed yet.
    pub(crate) fn forgets(&self) -> bool {
        let start = self.standing.start;
        start.committed > start.stored
    }

    /// What is below has perhaps been handled before: once the group's position is set, nobody else knows.
    fn horizon(&self) -> i64 {
        let start = self.standing.start;
        if self.forgets() { start.horizon.max(start.committed.unwrap_or(0)) } else { start.horizon }
    }

    fn forgotten(&self) -> HandledPosition {
        HandledPosition { horizon: self.horizon(), ..self.standing.start.to_be_stored() }
    }

    fn set(&self) -> HandledPosition {
        HandledPosition { partition: self.partition(), next_offset: self.to, horizon: self.horizon() }
    }

    fn told(&self) -> String {
        let from = self.standing.start.committed.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
        format!("{}:{from}->{}", self.partition(), self.to)
    }
}

fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// Sets the offsets of a group without members, in Kafka and in the database. A database that has forgotten
/// something must have been told what the world was told before.
///
/// # Errors
/// [`ResetError`]; in no case is a record skipped that is not to be. Repeat it.
pub(crate) async fn reset(
    config: &Config,
    positions: &dyn PositionRepository,
    audit: &dyn AuditTrail,
    instruction: &Instruction<'_>,
) -> Result<(), ResetError> {
    let act = |version, state, note| Act {
        subject: JournalEntry::subject_of_offsets(&config.group_id, instruction.run),
        version,
        state,
        actor: instruction.actor.to_owned(),
        note,
    };
    let moved = instruction.moves.iter().map(Move::told).collect::<Vec<_>>().join(", ");
    let started = format!("topic {}, {moved}: {}", config.request_topic, instruction.reason);
    audit.enter(&[act(1, "STARTED", started)]).await?;
    let done = carry_out(config, positions, instruction.moves).await;
    let ended = match &done {
        Ok(()) => act(2, "ENDED", format!("topic {}, {moved}", config.request_topic)),
        Err(problem) => act(2, "FAILED", problem.to_string()),
    };
    let entered = audit.enter(&[ended]).await;
    done?;
    entered?;
    Ok(())
}

async fn carry_out(config: &Config, positions: &dyn PositionRepository, moves: &[Move]) -> Result<(), ResetError> {
    let (group, topic) = (&config.group_id, &config.request_topic);
    let forgotten: Vec<HandledPosition> = moves.iter().filter(|one| one.forgets()).map(Move::forgotten).collect();
    if !forgotten.is_empty() {
        positions.store_positions(group, topic, &forgotten).await?;
    }
    commit(config, moves).await?;
    let set: Vec<HandledPosition> = moves.iter().map(Move::set).collect();
    positions.set_positions(group, topic, &set).await?;
    let state = {
        let config = config.clone();
        on_a_thread(&config.group_id.clone(), move || {
            let client = client(&config)?;
            GroupState::ask(&client, &config.group_id, &config.request_topic, ANSWER_TIMEOUT)
                .map_err(|problem| refused(&config.group_id, &problem))
        })
        .await?
    };
    if state.is_empty() { Ok(()) } else { Err(ResetError::JoinedMeanwhile { state }) }
}

/// Commits as a client that is no member, which the cluster takes of a group without members alone, and reads
/// back what it has.
async fn commit(config: &Config, moves: &[Move]) -> Result<(), ResetError> {
    let config = config.clone();
    let wanted: Vec<(i32, i64)> = moves.iter().map(|one| (one.partition(), one.to)).collect();
    on_a_thread(&config.group_id.clone(), move || {
        let (group, topic) = (config.group_id.as_str(), config.request_topic.as_str());
        let client = client(&config)?;
        let problem = |problem: KafkaError| refused(group, &problem);
        let mut list = TopicPartitionList::with_capacity(wanted.len());
        for (partition, offset) in &wanted {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).map_err(problem)?;
        }
        client.commit(&list, CommitMode::Sync).map_err(problem)?;
        let partitions: Vec<i32> = wanted.iter().map(|(partition, _)| *partition).collect();
        let found =
            patiently(ANSWER_TIMEOUT, || committed(&client, topic, &partitions, ANSWER_TIMEOUT)).map_err(problem)?;
        let differs = wanted.iter().find(|(partition, offset)| !found.contains(&(*partition, Some(*offset))));
        let Some((partition, offset)) = differs else { return Ok(()) };
        let problem = format!("it does not have offset {offset} of partition {partition}, which was committed");
        Err(ResetError::NotCommitted { group: group.to_owned(), problem })
    })
    .await
}

/// Runs what blocks on a thread of its own, for as long as it may take.
async fn on_a_thread<T: Send + 'static>(
    group: &str,
    blocking: impl FnOnce() -> Result<T, ResetError> + Send + 'static,
) -> Result<T, ResetError> {
    let not_known = |problem: String| ResetError::NotCommitted { group: group.to_owned(), problem };
    let called = tokio::time::timeout(COMMIT_TIMEOUT, threads::call("kafka-reset", blocking)).await;
    let called = called.map_err(|_| not_known(format!("there was no answer within {COMMIT_TIMEOUT:?}")))?;
    called.map_err(not_known)?
}

fn refused(group: &str, problem: &KafkaError) -> ResetError {
    use RDKafkaErrorCode::{FencedInstanceId, IllegalGeneration, RebalanceInProgress, UnknownMemberId};

    let group = group.to_owned();
    match problem.rdkafka_error_code() {
        Some(code @ (UnknownMemberId | IllegalGeneration | RebalanceInProgress | FencedInstanceId)) => {
            ResetError::Joined { group, answer: code.to_string() }
        }
        _ => ResetError::NotCommitted { group, problem: problem.to_string() },
    }
}

#[cfg(test)]
mod tests;
