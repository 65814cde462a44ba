//! Sets up logs and metrics, once a process. Everything else only uses the facades.

use std::io::IsTerminal;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Upper bounds of the buckets of every duration, in seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// How often samples are summed up: some ten thousand of them, of eight bytes each, come in this time.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStyle {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Sends logs to standard error.
///
/// # Errors
/// [`TryInitError`] where this process logs already.
pub fn install_logs(style: LogStyle, filter: EnvFilter) -> Result<(), TryInitError> {
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match style {
        LogStyle::Text => {
            let colours = std::io::stderr().is_terminal();
            fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false).boxed()
        }
        LogStyle::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()
}

/// Collects metrics in this process and gives the handle that renders them.
///
/// # Errors
/// [`MetricsError`] where this process collects metrics already.
pub fn install_metrics() -> Result<PrometheusHandle, MetricsError> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Installed)?;
    Ok(handle)
}

/// Keeps what metrics hold small: samples are kept one by one until someone sums them up. Never ends.
pub async fn keep_small(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

/// Why metrics cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The buckets are not lawful.
    #[error("the metrics' buckets are not lawful")]
    Buckets(#[from] BuildError),
    /// Something else in this process collects already.
    #[error("metrics are collected already in this process")]
    Installed,
}
