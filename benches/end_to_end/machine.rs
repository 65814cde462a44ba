//! The name of the machine that the figures are of.

use std::fmt;
use std::fs;

use serde::Serialize;
use sqlx::{Connection, PgConnection};

/// What the figures depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_mib: u64,
    system: String,
    kafka: String,
    postgres: String,
    librdkafka: String,
    order_payments: &'static str,
}

impl Machine {
    /// This machine, and the servers that are used.
    pub(crate) async fn here(postgres_url: &str, has_own_servers: bool) -> Self {
        let mut connection = PgConnection::connect(postgres_url).await.expect("PostgreSQL answers");
        let version = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await;
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: line_of("/proc/cpuinfo", "model name"),
            memory_mib: line_of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0_u64) / 1024,
            system: line_of("/proc/version", "").split(" (").next().unwrap_or_default().to_owned(),
            kafka: if has_own_servers { kafka_version() } else { "of the environment".to_owned() },
            postgres: version.expect("it knows its version"),
            librdkafka: rdkafka::util::get_rdkafka_version().1,
            order_payments: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What follows this name and a colon in the first such line of a file; all of the first line for no name.
fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_start_matches([' ', '\t', ':']).to_owned()
}

/// The version that the script starts.
fn kafka_version() -> String {
    let script = include_str!("../../tests/services.sh");
    let version = script.lines().find_map(|line| line.strip_prefix("readonly KAFKA_VERSION="));
    version.and_then(|rest| rest.split_whitespace().next()).unwrap_or("unknown").to_owned()
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, memory_mib, system, kafka, postgres, librdkafka, order_payments } = self;
        writeln!(formatter, "{cores} cores of {cpu}, {memory_mib} MiB, {system}")?;
        write!(
            formatter,
            "Kafka {kafka}, PostgreSQL {postgres}, librdkafka {librdkafka}, order-payments {order_payments}"
        )
    }
}
