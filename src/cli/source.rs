//! Where a command reads records from: a topic of the deployment's own cluster, or of another one.

use std::path::PathBuf;

use anyhow::Context;

use crate::adapters::kafka;
use crate::config::{Needs, Settings};

/// The topic and the cluster that are read.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// The topic to read, where it is another one.
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Read from the cluster that `[kafka]` of this settings file describes. Environment and --set do not count for it.
    #[arg(long, value_name = "FILE")]
    source_config: Option<PathBuf>,
}

impl Source {
    /// How the cluster is reached.
    ///
    /// # Errors
    /// Where the other settings file cannot be used.
    pub(crate) fn cluster(&self, settings: &Settings) -> anyhow::Result<kafka::Config> {
        let Some(file) = &self.source_config else { return Ok(settings.kafka.clone()) };
        let other = Settings::load(Some(file), &[], [], Needs::Kafka);
        Ok(other.with_context(|| format!("the source {} is of no use", file.display()))?.kafka)
    }

    /// Whether it may be another cluster than the deployment's own.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.source_config.is_some()
    }

    /// The topic, or `usual`.
    pub(crate) fn topic<'a>(&'a self, usual: &'a str) -> &'a str {
        self.topic.as_deref().unwrap_or(usual)
    }
}
