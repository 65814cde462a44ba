//! What an order costs PostgreSQL, and whether that grows with what is stored: `cargo bench --bench store`.
//!
//! ```text
//! fill up to --filled settled orders ─► waves of orders: begin ─► arm ─► settle ─► relay ─► report
//! ```
//! Speaks to the repository as the service does, through its ports. The database of `DATABASE_URL` must be
//! on this machine, as the CPU of its processes is read from /proc, and is filled with orders: use one of its own.

mod fill;
mod report;
mod server;
mod waves;

use anyhow::Context;
use clap::Parser;
use order_payments::adapters::postgres::PostgresOrderRepository;
use order_payments::adapters::sql::config::Config;
use order_payments::domain::payment::ChargeFlow;
use sqlx::{Connection, PgConnection};

/// Measures what an order costs PostgreSQL: CPU of the server, bytes of its log, time.
#[derive(Debug, Parser)]
struct Args {
    /// Where PostgreSQL is; a database for this alone, by a role that may read the server's files.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Orders to be measured.
    #[arg(long, default_value_t = 50_000)]
    orders: usize,
    /// Settled orders that are to be stored before; those that are there count.
    #[arg(long, default_value_t = 0)]
    filled: u64,
    /// Orders that are under way at the same time.
    #[arg(long, default_value_t = 1_000)]
    in_flight: usize,
    /// How order ids follow each other.
    #[arg(long, value_enum, default_value_t = Ids::Rising)]
    ids: Ids,
    /// Make and charge in one step.
    #[arg(long)]
    one_step: bool,
    /// Given by `cargo bench`, and of no meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How order ids follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ids {
    /// As a counter has them: new ones lie beside each other in every index.
    Rising,
    /// As UUIDs are: each lies anywhere.
    Random,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let config = Config { url: args.database_url.clone().into(), max_connections: 8 };
    PostgresOrderRepository::migrate(&config).await.context("the tables could not be made")?;
    let mut db = PgConnection::connect(&args.database_url).await?;
    fill::up_to(&mut db, args.filled, args.ids).await?;
    let store = PostgresOrderRepository::connect(&config).await?;
    let flow = if args.one_step { ChargeFlow::OneStep } else { ChargeFlow::TwoStep };
    let load = waves::Load { orders: args.orders, in_flight: args.in_flight, ids: args.ids, flow };
    let costs = waves::measure(&store, &mut db, &load).await?;
    report::print(&mut db, &load, &costs).await
}
