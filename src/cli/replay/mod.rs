//! `order-payments replay`: goes back over records that were read before, and tells first what that would do.

mod choice;
mod going;
mod plan;
mod policy;
mod reading;
mod report;
mod run;
mod start;
mod tally;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{Needs, Settings};

/// Go back over records that were read before: tell what they would do, and do as much of it as is chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Plan(Box<plan::Args>),
    Run(Box<run::Args>),
}

impl Args {
    /// Which settings are needed for it.
    pub(crate) fn needs(&self) -> Needs {
        match &self.action {
            Action::Plan(_) => Needs::DatabaseAndKafka,
            Action::Run(args) => args.needs(),
        }
    }
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Plan(args) => plan::run(args, settings).await,
        Action::Run(args) => run::run(args, settings).await,
    }
}
