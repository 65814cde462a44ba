//! One suite for each port, which every adapter of it passes.

mod audit_trail;
mod database;
pub(crate) mod event_publisher;
mod findings;
mod gates;
mod history;
mod journal;
mod killed;
mod lists;
mod lost_answers;
mod money_races;
mod order_repository;
mod order_waits;
mod outbox;
mod payment_gateway;
mod positions;
mod races;
mod refunds;
mod renewal;
mod samples;
mod start;
mod upgrade;
mod waiting;

/// Runs every clause against every repository, each time on a database of its own.
macro_rules! every_repository_keeps {
    ($($clause:ident),+ $(,)?) => {
        every_repository_keeps!(@ memory, $crate::contract::database::Kind::Memory, $($clause),+);
        every_repository_keeps!(@ sqlite, $crate::contract::database::Kind::Sqlite, $($clause),+);
        every_repository_keeps!(@ postgres, $crate::contract::database::Kind::Postgres, $($clause),+);
    };
    (@ $adapter:ident, $kind:expr, $($clause:ident),+) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $clause() {
                    let database = $crate::contract::database::Database::create($kind).await;
                    super::$clause(&database).await;
                    database.destroy().await;
                }
            )+
        }
    };
}
use every_repository_keeps;
