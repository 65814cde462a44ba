//! `order-payments demo`: the whole service against an embedded broker, SQLite and the simulator.
//!
//! Sends orders with everything that goes wrong in real life, then accounts for every record.

mod accounts;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::adapters::kafka;
use crate::adapters::kafka::handler::Answered;
use crate::adapters::kafka::reader::{ReadRecord, read_all};
use crate::adapters::kafka::requests::{RequestProducer, RequestRecord};
use crate::adapters::simulator::faults::{Fault, Faults};
use crate::adapters::simulator::provider::ProviderConfig;
use crate::adapters::simulator::request::Operation;
use crate::adapters::simulator::server::{Simulator, SimulatorConfig};
use crate::adapters::system::SystemClock;
use crate::adapters::wire::outcome::{PaymentOutcomeV1, StatusV1};
use crate::app::{self, App};
use crate::cli::demo::accounts::Accounts;
use crate::cli::descriptors;
use crate::cli::progress;
use crate::config::{Needs, Settings};
use crate::ports::store::Store;

/// Pay a thousand simulated orders with nothing installed, and account for every record.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  order-payments demo --orders 5000 --seed 7\n\nExit code 1 where the accounts do not balance."
)]
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

/// How long a demo may take beyond a millisecond for every record.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often progress is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// Share of the charges whose answer is lost although they were made: each must be looked up.
const LOST_ANSWERS: f64 = 0.01;

/// How long reading a topic for the accounts may take.
const READING: Duration = Duration::from_mins(1);

pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = TempDir::with_prefix("order-payments-demo-").context("could not make a folder for the database")?;
    descriptors::raise_limit()?;
    let simulator = start_simulator(args.seed)?;
    let settings = settings(&folder, &simulator.url())?;
    app::migrate(&settings.database).await?;
    let app = App::build(&settings).await?;
    let records = workload::records(args.orders as usize, args.seed);
    let stage = Stage { kafka: app.kafka().clone(), store: app.store().clone(), answered: app.answered() };

    let interrupted = app::stop_requested()?;
    let stop = CancellationToken::new();
    let mut service = JoinSet::new();
    service.spawn(app.run(stop.clone().cancelled_owned()));
    let started = Instant::now();
    let bar = progress::bar(u64::from(args.orders), "settling");
    let worked = tokio::select! {
        worked = stage.work(&records, args, &bar) => worked,
        Some(ended) = service.join_next() => ended?.and_then(|()| bail!("the service stopped before the end")),
        () = interrupted => Err(anyhow::anyhow!("interrupted; nothing is left behind")),
    };
    let elapsed = started.elapsed();
    bar.finish_and_clear();
    worked?;
    // The embedded broker ends with the service, so its topics are read before.
    let accounts = stage.accounts(&records, &simulator, elapsed).await?;
    stop.cancel();
    while let Some(ended) = service.join_next().await {
        ended??;
    }
    simulator.shutdown().await;
    show(&accounts, args.json)
}

fn start_simulator(seed: u64) -> anyhow::Result<Simulator> {
    let shares = [(Fault::CutAfter, LOST_ANSWERS)].into();
    let faults = Faults { shares, on: vec![Operation::Confirm], ..Faults::default() };
    let provider = ProviderConfig { seed, faults, ..ProviderConfig::default() };
    Ok(Simulator::start(SimulatorConfig { provider, ..SimulatorConfig::default() }, Arc::new(SystemClock))?)
}

/// The settings of a first try: everything embedded, nothing from the environment.
fn settings(folder: &TempDir, gateway_url: &str) -> anyhow::Result<Settings> {
    let database = format!("sqlite://{}", folder.path().join("demo.db").display());
    let chosen = [
        ("kafka.brokers", "embedded"),
        ("database.url", &database),
        ("gateway.stripe.api_base", gateway_url),
        ("gateway.stripe.api_key", "sk_test_demo"),
        ("gateway.requests_per_second", "0"),
        ("reconcile.first_look_ms", "500"),
        ("reconcile.interval_ms", "200"),
        ("http.listen", "127.0.0.1:0"),
    ];
    let chosen = chosen.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(Settings::load(None, &chosen, [], Needs::Everything)?)
}

fn show(accounts: &Accounts, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(accounts)?);
    } else {
        println!("{}", accounts.table());
        println!("{} records in {:.1} s", accounts.requested, Duration::from_millis(accounts.elapsed_ms).as_secs_f64());
    }
    let imbalances = accounts.imbalances();
    for imbalance in &imbalances {
        eprintln!("the accounts do not balance: {imbalance}");
    }
    Ok(if imbalances.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the demo looks at while the service works.
struct Stage {
    kafka: kafka::Config,
    store: Store,
    answered: Arc<Answered>,
}

impl Stage {
    /// Sends every record and waits until all of them have an end.
    async fn work(&self, records: &[RequestRecord], args: &Args, bar: &ProgressBar) -> anyhow::Result<()> {
        let count = u32::try_from(records.len()).context("too many records")?;
        let sending = if args.rate == 0 { Duration::ZERO } else { Duration::from_secs(1) * count / args.rate };
        let patience = PATIENCE + Duration::from_millis(1) * count + sending;
        let work = async {
            tokio::try_join!(self.send(records, args.rate), self.settled(u64::from(args.orders), records, bar))
        };
        timeout(patience, work).await.with_context(|| format!("not every order was settled within {patience:?}"))??;
        Ok(())
    }

    async fn send(&self, records: &[RequestRecord], rate: u32) -> anyhow::Result<()> {
        let producer = RequestProducer::new(&self.kafka)?;
        let started = Instant::now();
        let mut on_the_way = Vec::with_capacity(records.len());
        for (number, record) in (0_u32..).zip(records) {
            if rate > 0 {
                sleep_until(started + Duration::from_secs(1) * number / rate).await;
            }
            on_the_way.push(producer.send(record)?);
        }
        for sent in on_the_way {
            sent.confirm().await?;
        }
        Ok(())
    }

    /// Waits until every record was read, no order is pending and no outcome waits.
    async fn settled(&self, orders: u64, records: &[RequestRecord], bar: &ProgressBar) -> anyhow::Result<()> {
        let mut glances = interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            glances.tick().await;
            let tally = self.store.orders.tally().await?;
            bar.set_position(tally.paid + tally.failed);
            let all_settled = tally.paid + tally.failed >= orders && tally.pending == 0;
            if all_settled && self.all_read(records).await? && self.store.outbox.unpublished(1).await?.is_empty() {
                return Ok(());
            }
        }
    }

    /// Whether every record was answered or is a dead letter.
    async fn all_read(&self, records: &[RequestRecord]) -> anyhow::Result<bool> {
        let answered = self.answered.all();
        let topic = self.kafka.dead_letter_topic.clone();
        let dead_letters = self.read(topic).await?.len() as u64;
        Ok(answered + dead_letters >= records.len() as u64)
    }

    async fn read(&self, topic: String) -> anyhow::Result<Vec<ReadRecord>> {
        let kafka = self.kafka.clone();
        Ok(spawn_blocking(move || read_all(&kafka, &topic, READING)).await??)
    }

    /// Asks every witness.
    async fn accounts(
        &self,
        records: &[RequestRecord],
        simulator: &Simulator,
        elapsed: Duration,
    ) -> anyhow::Result<Accounts> {
        let tally = self.store.orders.tally().await?;
        let totals = simulator.provider().totals();
        let orders = tally.pending + tally.paid + tally.failed;
        let mut accounts = Accounts {
            requested: records.len() as u64,
            orders,
            duplicates: self.answered.all().saturating_sub(orders),
            gateway_charges: totals.charges,
            double_charges: totals.double_charged,
            elapsed_ms: u64::try_from(elapsed.as_millis()).context("the clock went wrong")?,
            stored_paid: tally.paid,
            stored_failed: tally.failed,
            ..Accounts::default()
        };
        for record in self.read(self.kafka.outcome_topic.clone()).await? {
            count_outcome(&mut accounts, &record.payload)?;
        }
        for record in self.read(self.kafka.dead_letter_topic.clone()).await? {
            let reason = record.header("order-payments-reason").unwrap_or("unknown").to_owned();
            accounts.dead_lettered += 1;
            *accounts.dead_lettered_by_reason.entry(reason).or_default() += 1;
        }
        Ok(accounts)
    }
}

fn count_outcome(accounts: &mut Accounts, payload: &[u8]) -> anyhow::Result<()> {
    let outcome: PaymentOutcomeV1 = serde_json::from_slice(payload).context("an outcome cannot be read")?;
    accounts.outcomes += 1;
    match (outcome.status, outcome.reason) {
        (StatusV1::Paid, _) => accounts.paid += 1,
        (StatusV1::Failed, reason) => {
            accounts.failed += 1;
            let code = reason.map_or_else(|| "unknown".to_owned(), |reason| reason.code);
            *accounts.failed_by_reason.entry(code).or_default() += 1;
        }
    }
    Ok(())
}
