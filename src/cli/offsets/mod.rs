//! `order-payments offsets`: how far the consumer group is, and where it is to go on.

mod aim;
mod reset;
mod show;

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use crate::cli::deployment;
use crate::config::Settings;

/// Show how far the consumer group is, or set where it goes on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments offsets show\n  order-payments offsets reset --to-time 2h --dry-run\n  order-payments offsets reset --to-earliest --actor ada --reason \"the outcomes of today are checked\"\n\nThe group's offsets are in Kafka and, beside the orders, in the database: `reset` sets both. Do not use Kafka's own tools for it."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(show::Args),
    Reset(reset::Args),
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    if settings.kafka.brokers == "embedded" {
        bail!("kafka.brokers is \"embedded\", a broker that ends with its service: it has no offsets to look at");
    }
    let store = deployment::store(settings).await?;
    match &args.action {
        Action::Show(args) => show::run(args, settings, &store).await,
        Action::Reset(args) => reset::run(args, settings, &store).await,
    }
}

/// What the first-start policy means.
fn first_start(settings: &Settings) -> String {
    use crate::adapters::kafka::FirstStart::{Earliest, Latest};

    let policy = settings.kafka.first_start;
    let means = match policy {
        Earliest => "starts at its oldest record, so that no request is skipped",
        Latest => "starts at its end: requests that were sent before are never paid",
    };
    format!("kafka.first_start is {:?}: a partition of which nobody has a position {means}", policy.name())
}
