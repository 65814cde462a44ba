//! The Kafka and the PostgreSQL of this run, and what they cost. `tests/services.sh` started them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::required_variable;

/// Where they are, and which processes they are.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    pub(crate) brokers: String,
    pub(crate) postgres_url: String,
    /// Nothing where it runs in a container or was there before.
    pub(crate) kafka_pid: Option<u32>,
    pub(crate) postgres_pid: Option<u32>,
    /// Where Kafka keeps its topics, if that can be looked at.
    pub(crate) kafka_folder: Option<PathBuf>,
    /// Whether they were started for this run.
    pub(crate) are_own: bool,
}

impl Servers {
    /// Those that the environment names.
    pub(crate) fn of_environment() -> Self {
        let state = required_variable("ORDER_PAYMENTS_TEST_SERVICES");
        Self {
            brokers: required_variable("ORDER_PAYMENTS_TEST_KAFKA_BROKERS"),
            postgres_url: required_variable("ORDER_PAYMENTS_TEST_POSTGRES_URL"),
            kafka_pid: pid(&state, "kafka.pid"),
            postgres_pid: pid(&state, "postgres.pid"),
            kafka_folder: Some(Path::new(&state).join("kafka")).filter(|folder| folder.is_dir()),
            are_own: !state.is_empty(),
        }
    }
}

/// The script writes a process down by its id and when it began.
fn pid(state: &str, file: &str) -> Option<u32> {
    let text = fs::read_to_string(Path::new(state).join(file)).ok()?;
    text.split_whitespace().next()?.parse().ok()
}
