//! What was confirmed is stored, whole, whenever the process that stored it is killed.

use std::collections::BTreeSet;
use std::process::Stdio;

use futures_util::future::join_all;
use order_payments::domain::evidence::Evidence;
use order_payments::domain::order::OrderStatus;
use order_payments::domain::payment::ChargeFlow;
use order_payments::ports::order_repository::{Begun, Settling, Standing};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::contract::database::{Database, Kind, Store, open_at};
use crate::contract::samples::{NOW, id, paid, request, token};

/// Tells the child process of this test where it is to write.
const WRITE_TO: &str = "ORDER_PAYMENTS_TEST_WRITE_TO";

/// Orders that are settled at the same time, so that some are always at their commit.
const WRITERS: usize = 8;

/// Orders that were confirmed before the kill; different for each, so that it comes at other places.
const CONFIRMED_BEFORE_KILL: [usize; 3] = [1, 20, 77];

/// This test runs itself in a child process, which writes until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the child is told by its environment that it is one")]
async fn what_was_confirmed_survives_a_kill() {
    if let Ok(url) = std::env::var(WRITE_TO) {
        let store = open_at(&url).await;
        join_all((0..WRITERS).map(|writer| write_for_ever(&*store, writer))).await;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for enough in CONFIRMED_BEFORE_KILL {
            let database = Database::create(kind).await;
            let confirmed = confirmed_before_kill(&database.url(), enough).await;
            check(&*database.open().await, &confirmed).await;
            database.destroy().await;
        }
    }
}

/// Settles every eighth order, and says so.
async fn write_for_ever(store: &dyn Store, writer: usize) {
    for number in (writer..).step_by(WRITERS) {
        let name = format!("ord_{number:05}");
        settle(store, &name).await;
        println!("\nsettled {name}");
    }
}

/// Pays an order from wherever it stands; whether that was something new.
async fn settle(store: &dyn Store, name: &str) -> Settling {
    let standing = match store.begin(&request(name), ChargeFlow::TwoStep, NOW).await.expect("an answer") {
        Begun::Prepare(payment) => {
            store.arm(&payment, &token("pi_1"), NOW, &Evidence::default()).await.expect("an answer")
        }
        Begun::Met(standing) => standing,
        Begun::Contradicts(stored) => panic!("{name} is stored as {stored:?}"),
    };
    match standing {
        Standing::Armed(armed) => store.settle(&paid(&armed)).await.expect("an answer"),
        Standing::Settled(_) => Settling::Before,
        Standing::Parked(payment) => panic!("{name} was never parked: {payment:?}"),
    }
}

/// The orders whose settlement the child had confirmed when it was killed.
async fn confirmed_before_kill(url: &str, enough: usize) -> BTreeSet<String> {
    let mut child = Command::new(std::env::current_exe().expect("a test has a file"))
        .args(["contract::killed::what_was_confirmed_survives_a_kill", "--exact", "--nocapture"])
        .env(WRITE_TO, url)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a test may be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
    let mut confirmed = BTreeSet::new();
    // What it had said before the kill is still read after it.
    while let Some(line) = lines.next_line().await.expect("text") {
        confirmed.extend(line.strip_prefix("settled ").map(str::to_owned));
        if confirmed.len() == enough {
            child.start_kill().expect("it runs");
        }
    }
    assert!(confirmed.len() >= enough, "the child ended by itself");
    confirmed
}

async fn check(store: &dyn Store, confirmed: &BTreeSet<String>) {
    let stored = store.list(None, 100_000).await.expect("read");
    for stored in &stored {
        let order_id = stored.order.id().as_str();
        let is_settled = stored.order.status() != OrderStatus::Pending;
        assert!(is_settled || !confirmed.contains(order_id), "{order_id} was confirmed and is not settled");
        let told = settle(store, order_id).await;
        // What the server still had of the dead process when this began may have been carried out since.
        let is_sound = told == Settling::Before || (told == Settling::Stored && !is_settled);
        assert!(is_sound, "{order_id}: {told:?} after {is_settled}");
    }
    for order_id in confirmed {
        assert!(store.get(&id(order_id)).await.expect("read").is_some(), "{order_id} was confirmed and is gone");
    }
    let outcomes = store.unpublished(100_000).await.expect("read").len();
    assert_eq!(outcomes, stored.len(), "each order has one outcome");
}
