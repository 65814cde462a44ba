//! `order-payments simulator`: the Stripe-shaped server on its own.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::adapters::simulator::provider::ProviderConfig;
use crate::adapters::simulator::server::{Simulator, SimulatorConfig};
use crate::adapters::system::SystemClock;
use crate::app;
use crate::cli::descriptors;

/// Run the Stripe-shaped payment simulator. Takes no real money.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  order-payments simulator --listen 127.0.0.1:12111 --latency-ms 50 --decline-share 0.05\n  curl http://127.0.0.1:12111/_ledger"
)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:12111")]
    listen: SocketAddr,
    /// How long an answer takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Share of the orders that are declined, 0 to 1, chosen by their ids.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    decline_share: f64,
    /// Seed of everything that is drawn by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("not between 0 and 1".to_owned()) }
}

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let provider = ProviderConfig {
        seed: args.seed,
        decline_share: args.decline_share,
        latency: Duration::from_millis(args.latency_ms),
        ..ProviderConfig::default()
    };
    let config = SimulatorConfig { listen: args.listen, provider };
    descriptors::raise_limit()?;
    let simulator = Simulator::start(config, Arc::new(SystemClock))?;
    eprintln!("simulator listening at {}; any key of the form sk_test_... is taken", simulator.url());
    app::stop_requested()?.await;
    simulator.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
