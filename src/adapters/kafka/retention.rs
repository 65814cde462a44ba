//! How long a topic keeps what was written to it. Asks the cluster; changes nothing.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::adapters::kafka::client::SetupError;
use crate::adapters::kafka::config::Config;
use crate::application::prune::Retention;

/// How long the cluster may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long this topic keeps its records, by the settings that hold for it.
///
/// # Errors
/// [`SetupError`] where the cluster does not answer, or not for this topic.
pub async fn retention_of(config: &Config, topic: &str) -> Result<Retention, SetupError> {
    let unanswered = |problem: String| SetupError::Unreachable {
        brokers: config.brokers.clone(),
        problem: format!("{topic:?}: {problem}"),
    };
    let admin: AdminClient<DefaultClientContext> = config.client_config()?.create()?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT));
    let described = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await;
    let described = described.map_err(|problem| unanswered(problem.to_string()))?.pop();
    let described = described.ok_or_else(|| unanswered("it says nothing of the topic".to_owned()))?;
    read(&described.map_err(|problem| unanswered(problem.to_string()))?)
        .ok_or_else(|| unanswered("it does not say how long the topic keeps records".to_owned()))
}

/// `None` where the settings say nothing that is understood.
fn read(topic: &ConfigResource) -> Option<Retention> {
    let value = |name: &str| topic.get(name).and_then(|entry| entry.value.as_deref());
    let policy = value("cleanup.policy")?;
    // Compaction alone removes no latest record of a key, however old.
    if !policy.split(',').any(|part| part.trim() == "delete") {
        return Some(Retention::Compacted);
    }
    let millis: i64 = value("retention.ms")?.parse().ok()?;
    Some(u64::try_from(millis).map_or(Retention::Unlimited, |millis| Retention::For(Duration::from_millis(millis))))
}
