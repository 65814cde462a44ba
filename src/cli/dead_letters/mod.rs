//! `order-payments dead-letters`: what was refused, why, and what becomes of it.

mod desk;
mod discard;
mod driving;
mod left_out;
mod list;
mod redrive;
mod selection;
mod show;
mod today;
mod views;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Settings;

/// Look at records that were refused, send them again once the cause is mended, or leave them for good.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments dead-letters list\n  order-payments dead-letters show 3/17\n  order-payments dead-letters redrive --refused-for contract --from 2h --actor ada --reason \"currency configured\"\n  order-payments dead-letters discard 3/17 --actor ada --reason \"a test of theirs\"\n\nLetters of others are read as well: Kafka's share groups, Kafka Connect, Kafka Streams, Spring Kafka, SmallRye and Watermill, by --topic and --source-config. Nothing is removed from a dead-letter topic; what was decided about a letter is kept in the journal."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
    Redrive(redrive::Args),
    Discard(discard::Args),
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::List(args) => list::run(args, settings).await,
        Action::Show(args) => show::run(args, settings).await,
        Action::Redrive(args) => redrive::run(args, settings).await,
        Action::Discard(args) => discard::run(args, settings).await,
    }
}
