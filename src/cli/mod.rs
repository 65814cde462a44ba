//! The command line: one file per command. Parses, calls, prints; decides nothing about money.

mod completions;
mod config;
mod dead_letters;
mod demo;
mod deployment;
mod descriptors;
mod exit;
mod explain;
mod gate;
mod lint_event;
mod migrate;
mod moment;
mod offsets;
mod orders;
mod person;
mod print;
mod progress;
mod prune;
mod reconcile;
mod refund;
mod refunds;
mod replay;
mod review;
mod run;
mod safe;
mod schema;
mod simulator;
mod source;
mod submit;
mod views;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::config::{Needs, Settings};

/// Turns payment-requested events into exactly one payment and one outcome event per order.
#[derive(Debug, Parser)]
#[command(name = "order-payments", version, arg_required_else_help = true)]
#[command(after_help = "Try it with nothing installed:\n  order-payments demo")]
pub struct Cli {
    /// Settings file in TOML; see `order-payments config show` for every key.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, stronger than environment and file, as `kafka.brokers=localhost:9092`. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

/// How long calls that block may go on after a command has ended.
const HANGING_CALLS: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Demo(demo::Args),
    Submit(submit::Args),
    LintEvent(lint_event::Args),
    Orders(orders::Args),
    Explain(explain::Args),
    Refund(refund::Args),
    Refunds(refunds::Args),
    Reconcile(reconcile::Args),
    Replay(replay::Args),
    Review(review::Args),
    Gate(gate::Args),
    DeadLetters(dead_letters::Args),
    Prune(prune::Args),
    Offsets(offsets::Args),
    Migrate(migrate::Args),
    Config(config::Args),
    Simulator(simulator::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it should look like KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Runs a command to its end.
///
/// # Errors
/// Whatever stopped the command, in words for the person who called it.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("could not start the async runtime")?;
    let ended = runtime.block_on(dispatch(cli));
    // A call into librdkafka may hang; whatever it was, it is resumed at the next start.
    runtime.shutdown_timeout(HANGING_CALLS);
    ended
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = |needs| Settings::from_process(cli.config.as_deref(), &cli.overrides, needs);
    match cli.command {
        Command::Run(args) => run::run(&args, &settings(Needs::Everything)?).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Submit(args) => submit::run(&args, &settings(Needs::Kafka)?).await,
        Command::LintEvent(args) => Ok(lint_event::run(&args, settings(Needs::Nothing))),
        Command::Orders(args) => orders::run(&args, &settings(Needs::Database)?).await,
        Command::Explain(args) => explain::run(&args, &settings(Needs::Database)?).await,
        Command::Refund(args) => refund::run(&args, &settings(Needs::DatabaseAndGateway)?).await,
        Command::Refunds(args) => refunds::run(&args, &settings(Needs::Database)?).await,
        Command::Reconcile(args) => reconcile::run(&args, &settings(Needs::Everything)?).await,
        Command::Replay(args) => replay::run(&args, &settings(args.needs())?).await,
        Command::Review(args) => review::run(&args, &settings(args.needs())?).await,
        Command::Gate(args) => gate::run(&args, &settings(Needs::Database)?).await,
        Command::DeadLetters(args) => dead_letters::run(&args, &settings(Needs::DatabaseAndKafka)?).await,
        Command::Prune(args) => prune::run(&args, &settings(Needs::DatabaseAndKafka)?).await,
        Command::Offsets(args) => offsets::run(&args, &settings(Needs::DatabaseAndKafka)?).await,
        Command::Migrate(args) => migrate::run(&args, &settings(Needs::Database)?).await,
        Command::Config(args) => config::run(&args, settings(Needs::Everything)),
        Command::Simulator(args) => simulator::run(&args).await,
        Command::Schema(args) => Ok(schema::run(&args)),
        Command::Completions(args) => Ok(completions::run(&args)),
    }
}

#[cfg(test)]
mod tests;
