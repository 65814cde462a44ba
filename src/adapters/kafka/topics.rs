//! Whether the cluster answers and has the topics. Creates what may be created, names what is missing.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::adapters::kafka::client::{LogContext, SetupError};
use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::threads;

/// How long the cluster may take to answer a question about its topics.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest batch that a dead-letter topic of ours takes: far more than a request topic usually
/// does (1 MiB), so that a refused record fits with its headers.
const DEAD_LETTER_MAX_BYTES: &str = "67108864";

/// Makes sure that the cluster answers and that the three topics are there.
///
/// The request topic is the sender's and is never created.
///
/// # Errors
/// [`SetupError`]; some of the missing topics may have been created.
pub async fn ensure_topics(config: &Config) -> Result<(), SetupError> {
    let missing = missing_topics(config).await?;
    if missing.contains(&config.request_topic) {
        let names = format!("{:?} (setting kafka.request_topic)", config.request_topic);
        let hint = ": the request topic belongs to those who send requests and is never created from here";
        return Err(SetupError::MissingTopics { names, hint });
    }
    match (missing.is_empty(), config.create_topics) {
        (true, _) => Ok(()),
        (false, true) => create_topics(config, &missing).await,
        (false, false) => {
            let names = missing.iter().map(|topic| format!("{topic:?}")).collect::<Vec<_>>().join(", ");
            Err(SetupError::MissingTopics { names, hint: ", or set kafka.create_topics = true" })
        }
    }
}

/// Which of the three topics are missing.
///
/// # Errors
/// [`SetupError::Unreachable`] where no broker answers.
pub async fn missing_topics(config: &Config) -> Result<Vec<String>, SetupError> {
    let client_config = config.client_config()?;
    let config = config.clone();
    let asked = threads::call("kafka-topics", move || {
        let client: BaseConsumer<LogContext> = client_config.create_with_context(LogContext)?;
        let wanted = [&config.request_topic, &config.outcome_topic, &config.dead_letter_topic];
        let mut missing = Vec::new();
        for topic in wanted {
            if !exists(&client, topic).map_err(|problem| unreachable(&config, &problem))? {
                missing.push(topic.clone());
            }
        }
        Ok(missing)
    });
    asked.await.map_err(SetupError::Settings)?
}

fn exists(client: &BaseConsumer<LogContext>, topic: &str) -> Result<bool, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    Ok(metadata.topics().iter().any(|found| found.name() == topic && found.error().is_none()))
}

fn unreachable(config: &Config, problem: &KafkaError) -> SetupError {
    SetupError::Unreachable { brokers: config.brokers.clone(), problem: problem.to_string() }
}

async fn create_topics(config: &Config, missing: &[String]) -> Result<(), SetupError> {
    let admin: AdminClient<DefaultClientContext> = config.client_config()?.create()?;
    let topics: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|name| {
            let replication = TopicReplication::Fixed(config.new_topic_replication);
            let topic = NewTopic::new(name, config.new_topic_partitions, replication);
            if *name == config.dead_letter_topic {
                topic.set("max.message.bytes", DEAD_LETTER_MAX_BYTES)
            } else {
                topic
            }
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_TIMEOUT)).request_timeout(Some(ANSWER_TIMEOUT));
    let answers = admin.create_topics(&topics, &options).await;
    let answers = answers.map_err(|problem| unreachable(config, &problem))?;
    for answer in answers {
        match answer {
            Ok(topic) => tracing::info!(kafka.topic = %topic, "created the Kafka topic {topic:?}"),
            // Another instance was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, problem)) => return Err(SetupError::NotCreated { topic, problem: problem.to_string() }),
        }
    }
    Ok(())
}
