//! `order-payments review`: what waits for a person, everything that is known of it, and the decision.

mod list;
mod resolve;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{Needs, Settings};

/// Show what waits for a person, and decide it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments review list\n  order-payments review show o-1\n  order-payments review resolve o-1 --paid pi_123 --actor ada --reason \"the bank shows the charge\"\n  order-payments review resolve --finding 6f0c2ab1-... --actor ada --reason \"refunded at the gateway\""
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::Args),
    Show(show::Args),
    Resolve(resolve::Args),
}

impl Args {
    /// Which settings the action cannot do without.
    pub(crate) fn needs(&self) -> Needs {
        match &self.action {
            Action::Resolve(args) if args.asks_gateway() => Needs::Everything,
            Action::List(_) | Action::Show(_) | Action::Resolve(_) => Needs::Database,
        }
    }
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::List(args) => list::run(args, settings).await,
        Action::Show(args) => show::run(args, settings).await,
        Action::Resolve(args) => resolve::run(args, settings).await,
    }
}
