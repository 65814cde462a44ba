//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Measures order-payments against a real Kafka and PostgreSQL, with the simulator as gateway.
///
/// Every figure is of this machine; only ratios within one run mean anything elsewhere. Every run is judged
/// against topics, tables and the gateway's ledger: an incorrect one fails the command.
#[derive(Clone, Debug, Parser, Serialize)]
#[command(name = "make bench", bin_name = "make bench ARGS=")]
pub(crate) struct Options {
    /// Orders of each run over a backlog.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) orders: usize,
    /// Records of the raw limit's run.
    #[arg(long, default_value_t = 400_000)]
    pub(crate) limit_records: usize,
    /// A look in a minute or two: fewer orders, latencies and instances. Its figures are rough.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Which scenarios; all of them where none is named. The raw limit is measured in any case.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) only: Vec<Scenario>,
    /// How long the gateway takes, in milliseconds, for throughput.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 50, 200], value_name = "MS,…")]
    pub(crate) gateway_ms: Vec<u64>,
    /// Requests per second in the latency scenario.
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u32,
    /// How long requests arrive in the latency scenario, in seconds.
    #[arg(long, default_value_t = 15)]
    pub(crate) seconds: u32,
    /// Numbers of instances to scale out to.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4], value_name = "N,…")]
    pub(crate) instances: Vec<usize>,
    /// `processing.max_in_flight` of the service; its own default where nothing is said.
    #[arg(long)]
    pub(crate) max_in_flight: Option<usize>,
    /// Seed of everything that is drawn by chance.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write every figure there as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    #[serde(skip)]
    bench: bool,
}

/// The scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// A backlog, by charge flow and latency of the gateway.
    Throughput,
    /// Requests by schedule: how long until their outcomes are read.
    Latency,
    /// `kill -9` in the middle of a backlog, and a restart.
    Kill,
    /// Everything read again by another group, all of it settled.
    Replay,
    /// The same backlog for more instances.
    ScaleOut,
}

impl Options {
    /// What was asked for, cut down where it is to be quick.
    pub(crate) fn read() -> Self {
        let mut options = Self::parse();
        if options.quick {
            options.orders = options.orders.min(5_000);
            options.limit_records = options.limit_records.min(50_000);
            options.gateway_ms.truncate(2);
            options.instances.truncate(2);
            options.seconds = options.seconds.min(5);
        }
        options
    }

    /// Whether this scenario is asked for.
    pub(crate) fn wants(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }
}
