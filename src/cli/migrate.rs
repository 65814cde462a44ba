//! `order-payments migrate`: brings the database's tables up to this version.

use std::process::ExitCode;

use crate::app;
use crate::config::Settings;

/// Create or upgrade the tables in the database. Safe to repeat, and while instances start.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  ORDER_PAYMENTS__DATABASE__URL=postgres://localhost/payments order-payments migrate"
)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    app::migrate(&settings.database).await?;
    eprintln!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
