//! Orders, payments and outcomes in PostgreSQL, with group commit hidden inside.
//!
//! ```text
//! begin ─► queue ─┐
//! arm   ─► queue ─┤   one statement for all that waits
//! settle─► queue ─┼──────────────────────────────────► pool ─► PostgreSQL
//! park  ─► queue ─┤
//! find  ─► queue ─┘
//! everything else: one statement or one small transaction a call
//! ```
//!
//! No transaction is open while another machine is called: every step of a payment is one statement that
//! commits itself. Whatever else reads the tables meanwhile waits for nothing.

mod arm;
mod audit;
mod begin;
mod columns;
mod connections;
mod find;
mod findings;
mod gates;
mod history;
mod journal;
mod lists;
mod load;
mod order_repository;
mod outbox;
mod paid;
mod park;
mod positions;
mod refunds;
mod renew;
mod settle;
mod waits;

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::timeout;

use crate::adapters::postgres::arm::Arm;
use crate::adapters::postgres::begin::Begin;
use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::find::Find;
use crate::adapters::postgres::park::Park;
use crate::adapters::postgres::settle::Settle;
use crate::adapters::sql::config::{Config, ConnectError};
use crate::adapters::sql::group_commit::GroupCommit;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a start waits for its first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Small batches of one step under way at the same time: at a few hundred orders a second an order does not wait
/// for the flush of another one's.
pub(in crate::adapters::postgres) const CONCURRENT_BATCHES: usize = 3;

/// What every connection is told, and how statements are planned on it.
///
/// A statement that hangs is broken off after five seconds and repeated by its caller, and so is the
/// transaction of a relay that fell silent in it: it would hold its rows for as long as its connection
/// looks alive, which may be hours. The plans: every
/// statement here walks its input, in key order, and finds each row by its key; so two instances also
/// lock rows in the same order. A planner that remembers small tables prefers to scan or hash them
/// whole for each batch (measured: 171 ms for arming 500 of 700 orders, now about 20, whatever the table). It may do
/// neither. Nor may it compile plans to machine code: an estimate of a large table is enough for that, and no
/// statement here reads much of one.
macro_rules! session {
    ($plans:literal) => {
        concat!(
            "SET statement_timeout = '5s';
            SET idle_in_transaction_session_timeout = '5s';
            SET default_transaction_isolation = 'read committed';
            SET random_page_cost = 1.1;
            SET enable_seqscan = off;
            SET enable_hashjoin = off;
            SET enable_mergejoin = off;
            SET jit = off;
            SET plan_cache_mode = ",
            $plans
        )
    };
}

/// Lists are planned anew each time, for the tables as they are.
const LISTS: &str = session!("force_custom_plan");

/// The steps of a payment have one plan each, whatever the tables: from the keys of their input. It is made once, as
/// making it takes longer than a small batch does (measured: 0.40 ► 0.31 s of the server's CPU for 1,000
/// orders in batches of ten, 0.077 ► 0.070 in large ones).
const STEPS: &str = session!("force_generic_plan");

/// Of the connections, one in so many is kept for lists and the relay.
const LISTS_SHARE: u32 = 3;

/// Orders, payments and outbox in PostgreSQL.
pub struct PostgresOrderRepository {
    pub(in crate::adapters::postgres) pool: Connections,
    pub(in crate::adapters::postgres) begin: GroupCommit<Begin>,
    pub(in crate::adapters::postgres) arm: GroupCommit<Arm>,
    pub(in crate::adapters::postgres) settle: GroupCommit<Settle>,
    pub(in crate::adapters::postgres) park: GroupCommit<Park>,
    pub(in crate::adapters::postgres) find: GroupCommit<Find>,
}

impl PostgresOrderRepository {
    /// Connects, and checks that the database keeps what it confirms and has this version's tables.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing was changed.
    pub async fn connect(config: &Config) -> Result<Self, ConnectError> {
        let options = options(config)?;
        let mut first = first_connection(&options).await?;
        check_durability(&mut first).await?;
        check_version(&mut first).await?;
        first.close().await?;
        let for_lists = (config.max_connections / LISTS_SHARE).max(1);
        let steps = Connections::new(options.clone(), STEPS, config.max_connections.saturating_sub(for_lists).max(1));
        Ok(Self {
            begin: GroupCommit::start(Begin { pool: steps.clone() }),
            arm: GroupCommit::start(Arm { pool: steps.clone() }),
            settle: GroupCommit::start(Settle { pool: steps.clone() }),
            park: GroupCommit::start(Park { pool: steps.clone() }),
            find: GroupCommit::start(Find { pool: steps }),
            pool: Connections::new(options, LISTS, for_lists),
        })
    }

    /// Brings the tables up to date. Instances that do so at the same time wait for each other.
    ///
    /// # Errors
    /// [`ConnectError`]; repeating is safe.
    pub async fn migrate(config: &Config) -> Result<(), ConnectError> {
        let mut first = first_connection(&options(config)?).await?;
        MIGRATIONS.run(&mut first).await?;
        first.close().await?;
        Ok(())
    }
}

fn options(config: &Config) -> Result<PgConnectOptions, ConnectError> {
    let invalid = |_| ConnectError::Url { expected: "postgres://user:password@host/name" };
    let options: PgConnectOptions = config.url.expose_secret().parse().map_err(invalid)?;
    Ok(options.application_name("order-payments"))
}

/// One connection by itself: where none can be made, it says what is wrong.
async fn first_connection(options: &PgConnectOptions) -> Result<PgConnection, ConnectError> {
    let first = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await;
    Ok(first.map_err(|_| sqlx::Error::PoolTimedOut)??)
}

async fn check_durability(db: &mut PgConnection) -> Result<(), ConnectError> {
    let setting: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(db).await?;
    if setting == "off" { Err(ConnectError::NotDurable) } else { Ok(()) }
}

async fn check_version(db: &mut PgConnection) -> Result<(), ConnectError> {
    const UNDEFINED_TABLE: &str = "42P01";

    let applied = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success");
    let applied: Option<i64> = match applied.fetch_one(db).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => None,
        applied => applied?,
    };
    ConnectError::unless_current(applied, &MIGRATIONS)
}
