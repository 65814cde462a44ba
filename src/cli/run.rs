//! `order-payments run`: the service.

use std::process::ExitCode;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::app::{self, App};
use crate::cli::descriptors;
use crate::config::{LogFormat, Settings, TelemetrySettings};
use crate::telemetry::{self, LogStyle};

/// Run the service: consume payment requests, charge, publish outcomes, until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  order-payments --config payments.toml run\n\nExit codes: 0 stopped as asked, 1 could not start or go on."
)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    install_logs(&settings.telemetry)?;
    descriptors::check_limit(descriptors::raise_limit()?, settings.processing.max_in_flight)?;
    let metrics = telemetry::install_metrics()?;
    let app = App::build(settings).await?.with_metrics(metrics);
    app.run(app::stop_requested()?).await?;
    Ok(ExitCode::SUCCESS)
}

fn install_logs(settings: &TelemetrySettings) -> anyhow::Result<()> {
    let style = match settings.log_format {
        LogFormat::Text => LogStyle::Text,
        LogFormat::Json => LogStyle::Json,
    };
    let filter =
        EnvFilter::try_new(&settings.log_filter).context("telemetry.log_filter (or RUST_LOG) cannot be read")?;
    telemetry::install_logs(style, filter).context("could not set up logging")
}
