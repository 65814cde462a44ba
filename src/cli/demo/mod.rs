//! `order-payments demo`: the whole service against an embedded broker, SQLite and the simulator.
//!
//! Sends orders with everything that goes wrong in real life, then accounts for every record.

mod accounts;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use tempfile::TempDir;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::embedded::EmbeddedBroker;
use crate::adapters::kafka::reader;
use crate::adapters::kafka::requests::RequestProducer;
use crate::adapters::simulator::server::{Simulator, SimulatorConfig};
use crate::app::App;
use crate::cli::demo::accounts::Accounts;
use crate::cli::progress;
use crate::config::Settings;

/// Pay a thousand simulated orders with nothing installed, and account for every record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  order-payments demo --orders 5000 --seed 7\n\nExit code 1 where the accounts do not balance.")]
pub(crate) struct Args {
    /// Distinct orders to send, 1 to 100000.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// Seed of the orders and of what goes wrong with them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Records sent per second; 0 for as fast as possible.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Print the accounts as JSON.
    #[arg(long)]
    json: bool,
}

/// How long a demo may take beyond one second for every thousand records.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often progress is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// Share of the gateway's answers that are lost after the charge was made: each must be looked up.
const LOST_ANSWERS: f64 = 0.01;

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = TempDir::with_prefix("order-payments-demo-").context("could not make a folder for the database")?;
    let simulator = start_simulator(args.seed).await?;
    let settings = settings(&folder, simulator.url())?;
    app::migrate(&settings.database).await?;
    let app = App::build(&settings).await?;

    let records = workload::records(args.orders as usize, args.seed);
    let stage = Stage { kafka: app.kafka_config().clone(), store: app.store().clone(), progress: app.progress() };
    let stop = CancellationToken::new();
    let started = Instant::now();
    let mut service = JoinSet::new();
    let stop_service = stop.clone();
    service.spawn(app.run(async move {
        stop_service.cancelled().await;
        Ok(())
    }));
    let bar = progress::bar(records.len() as u64, "settling");
    let patience = PATIENCE + Duration::from_millis(records.len() as u64) + sending_time(args.rate, records.len());
    let work = async {
        stage.send(&records, args.rate).await?;
        stage.settled(records.len() as u64, &bar).await
    };
    tokio::select! {
        worked = timeout(patience, work) => worked.context("the orders were not settled in time")??,
        Some(ended) = service.join_next() => { ended??; bail!("the service stopped before the orders were settled") }
    }
    let elapsed = started.elapsed();
    bar.finish_and_clear();
    let accounts = stage.accounts(&records, &simulator, elapsed).await?;
    stop.cancel();
    while let Some(ended) = service.join_next().await {
        ended??;
    }
    simulator.shutdown().await;
    show(&accounts, args.json)
}
