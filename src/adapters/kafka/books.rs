//! How far partitions were handled, as the database knows it, for the threads that may wait for it. Every
//! question has a deadline: a database that does not answer is one that has not stored.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::adapters::kafka::config::Config;
use crate::adapters::kafka::handler::with_causes;
use crate::adapters::kafka::threads;
use crate::ports::position_repository::{HandledPosition, PositionRepository};

/// How long the database may take to read or store a few rows.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The database's positions of our group on the request topic.
#[derive(Clone)]
pub(crate) struct Books {
    runtime: Handle,
    positions: Arc<dyn PositionRepository>,
    group: Arc<str>,
    topic: Arc<str>,
}

impl Books {
    /// To be called on the runtime that the database's connections live on.
    pub(crate) fn new(config: &Config, positions: Arc<dyn PositionRepository>) -> Self {
        let (group, topic) = (config.group_id.as_str().into(), config.request_topic.as_str().into());
        Self { runtime: Handle::current(), positions, group, topic }
    }

    /// The runtime that answers.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// What is known of all partitions.
    ///
    /// # Errors
    /// In words, why that is not known.
    pub(crate) fn read(&self) -> Result<Vec<HandledPosition>, String> {
        let Self { positions, group, topic, .. } = self.clone();
        let answer = threads::wait_for(&self.runtime, ANSWER_TIMEOUT, async move {
            positions.positions_of(&group, &topic).await.map_err(|error| with_causes(&error))
        });
        answer
            .flatten()
            .map_err(|problem| format!("the database does not tell how far requests were handled: {problem}"))
    }

    /// Raises positions and horizons, durably.
    ///
    /// # Errors
    /// In words, why they may not be stored.
    pub(crate) fn raise(&self, raised: Vec<HandledPosition>) -> Result<(), String> {
        let Self { positions, group, topic, .. } = self.clone();
        let answer = threads::wait_for(&self.runtime, ANSWER_TIMEOUT, async move {
            positions.store_positions(&group, &topic, &raised).await.map_err(|error| with_causes(&error))
        });
        answer
            .flatten()
            .map_err(|problem| format!("the database does not store how far requests were handled: {problem}"))
    }
}
