//! `order-payments config`: shows or checks the settings in force. Never prints a secret.

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{ConfigErrors, Settings};

/// Show or check the settings in force.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  order-payments config show\n  order-payments --config payments.toml config check")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every setting with its value and where that comes from; secrets are masked.
    Show,
    /// Say everything that is wrong with the settings; exit code 1 where anything is.
    Check,
}

pub(crate) fn run(args: &Args, settings: Result<Settings, ConfigErrors>) -> anyhow::Result<ExitCode> {
    let settings = settings?;
    match args.action {
        Action::Show => print!("{}", settings.show()),
        Action::Check => eprintln!("the settings are complete and lawful"),
    }
    Ok(ExitCode::SUCCESS)
}
