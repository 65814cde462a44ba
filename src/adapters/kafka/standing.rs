//! How far the group is on the request topic, as the cluster and the database tell, and where it would go on.
//! Joins no group, changes nothing.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use thiserror::Error;

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::group_state::GroupState;
use crate::adapters::kafka::patience::patiently;
use crate::adapters::kafka::positions::committed;
use crate::adapters::kafka::starts::{Log, Start, decide};
use crate::adapters::kafka::threads;
use crate::ports::order_repository::RepositoryError;
use crate::ports::position_repository::PositionRepository;

/// How long one question to the cluster may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that is known of a group and the request topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) group: GroupState,
    /// By partition.
    pub(crate) standings: Vec<Standing>,
}

/// How far one partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) log: Log,
    /// Where an instance that starts now would begin.
    pub(crate) start: Start,
}

/// Why that is not known. Nothing was changed.
#[derive(Debug, Error)]
pub(crate) enum SurveyError {
    /// The client refuses its settings, or the topic is not there.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The cluster does not tell.
    #[error("Kafka does not tell how far group {group:?} is on topic {topic:?}: {problem}")]
    Cluster { group: String, topic: String, problem: String },
    /// The database does not tell.
    #[error("the database does not tell how far requests were handled")]
    Store(#[from] RepositoryError),
}

pub(crate) type Client = BaseConsumer<LogContext>;

/// A client that names the group and never joins it.
pub(crate) fn client(config: &Config) -> Result<Client, SetupError> {
    Ok(config.reader_config()?.create_with_context(LogContext)?)
}

/// Asks the cluster, then the database.
///
/// # Errors
/// [`SurveyError`]; nothing was changed.
pub(crate) async fn survey(config: &Config, positions: &dyn PositionRepository) -> Result<Survey, SurveyError> {
    let asked = {
        let config = config.clone();
        threads::call("kafka-survey", move || ask(&config)).await.map_err(SetupError::Settings)?
    };
    let (group, told) = asked?;
    // Kafka first, as an instance that starts asks: the database may only be ahead of what was read of it.
    let stored = positions.positions_of(&config.group_id, &config.request_topic).await?;
    let standing = |(partition, log, committed): (i32, Log, Option<i64>)| {
        let stored = stored.iter().find(|stored| stored.partition == partition).copied();
        Standing { log, start: decide(log, partition, committed, stored, config.first_start) }
    };
    Ok(Survey { group, standings: told.into_iter().map(standing).collect() })
}

/// What the cluster tells of each partition: its log and the group's position.
type Told = Vec<(i32, Log, Option<i64>)>;

fn ask(config: &Config) -> Result<(GroupState, Told), SurveyError> {
    let (group, topic) = (config.group_id.as_str(), config.request_topic.as_str());
    let silent = |problem: KafkaError| SurveyError::Cluster {
        group: group.to_owned(),
        topic: topic.to_owned(),
        problem: problem.to_string(),
    };
    let client = client(config)?;
    let partitions = partitions_of(&client, topic)
        .map_err(|problem| SetupError::Unreachable { brokers: config.brokers.clone(), problem: problem.to_string() })?;
    if partitions.is_empty() {
        let names = format!("{topic:?} (setting kafka.request_topic)");
        return Err(SetupError::MissingTopics { names, hint: "" }.into());
    }
    let state = GroupState::ask(&client, group, topic, ANSWER_TIMEOUT).map_err(silent)?;
    let mut positions =
        patiently(ANSWER_TIMEOUT, || committed(&client, topic, &partitions, ANSWER_TIMEOUT)).map_err(silent)?;
    positions.sort_unstable();
    let told = positions.into_iter().map(|(partition, committed)| {
        let (low, high) = client.fetch_watermarks(topic, partition, ANSWER_TIMEOUT)?;
        Ok((partition, Log { low, high }, committed))
    });
    Ok((state, told.collect::<Result<_, _>>().map_err(silent)?))
}

fn partitions_of(client: &Client, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    let found = metadata.topics().iter().filter(|found| found.name() == topic).flat_map(MetadataTopic::partitions);
    Ok(found.map(MetadataPartition::id).collect())
}
