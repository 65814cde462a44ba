//! A run from start to account: the plan beside the load, then the evidence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, Row};
use tempfile::TempDir;

use crate::chaos::account::Account;
use crate::chaos::checker::judge;
use crate::chaos::evidence::gather;
use crate::chaos::form::Form;
use crate::chaos::load::{Sent, all_requested, send};
use crate::chaos::plan::Plan;
use crate::chaos::recovery::Passage;
use crate::chaos::stage::Stage;
use crate::chaos::witness::{Told, Witness};
use crate::support::service::Setup;

/// How often it is looked whether everything is settled.
const GLANCE: Duration = Duration::from_millis(250);

/// Runs a plan to its end and gives account of it.
pub(crate) async fn run(form: &Form) -> Account {
    let (began, plan) = (Instant::now(), Plan::of(form));
    println!("chaos: {} form, seed {}, {} s planned", form.name, form.seed, plan.lasts.as_secs());
    let stage = Arc::new(Stage::set(form).await);
    let topics = &stage.setup.topics;
    let witness = Witness::start(topics);
    let folder = TempDir::with_prefix("order-payments-chaos").expect("a folder for logs").keep();
    println!("chaos: logs in {}", folder.display());
    let fleet = stage.start_instances(&folder);

    let start = Instant::now();
    let (sent, ()) = tokio::join!(send(topics, form.orders, plan.lasts), stage.wreck(&fleet, &plan));
    let calm = Instant::now();
    let settled_after = settled(&stage.setup, form, calm).await;
    let events = fleet.diary.read();
    assert_no_secrets(&fleet.stop().await);

    let told = witness.finish();
    let ledger = stage.simulator.provider().ledger();
    let evidence = gather(&stage.setup, all_requested(form.orders), ledger).await;
    let account = Account {
        form: form.clone(),
        records: usize::try_from(topics.count(&topics.requests)).expect("not negative"),
        requested: evidence.requested.len(),
        findings: judge(&evidence),
        events,
        outages: stage.outages(),
        start,
        last_sent: sent.iter().map(|sent| sent.at).max().unwrap_or(calm),
        passages: passages(&sent, &told),
        gateway_faults: evidence.ledger.totals.faults,
        plan,
        settled_after,
        took: began.elapsed(),
    };
    Arc::into_inner(stage).expect("nothing goes wrong any more").strike().await;
    // The short form runs often; who asks for the full one may want to look up what a silence was.
    if account.is_flawless() && form.account_file.is_none() {
        std::fs::remove_dir_all(&folder).expect("the logs are ours");
    }
    account
}

/// Waits until every order has its end, or waits for a person, and everything is told and committed.
async fn settled(setup: &Setup, form: &Form, calm: Instant) -> Option<Duration> {
    const OPEN: &str = "
        SELECT (SELECT count(*) FROM orders),
            (SELECT count(*) FROM orders o WHERE status NOT IN ('PAID', 'FAILED') AND NOT EXISTS
                (SELECT FROM payments p WHERE p.order_id = o.id AND p.state = 'REVIEW'))
            + (SELECT count(*) FROM unpublished)";
    let mut connection = PgConnection::connect(&setup.database.url).await.expect("PostgreSQL answers");
    let mut glances = tokio::time::interval(GLANCE);
    while calm.elapsed() < form.settle_within {
        glances.tick().await;
        let row = sqlx::query(OPEN).fetch_one(&mut connection).await.expect("the tables are there");
        let (orders, open): (i64, i64) = (row.get(0), row.get(1));
        let is_all_here = usize::try_from(orders).is_ok_and(|orders| orders >= form.orders);
        if is_all_here && open == 0 && setup.topics.lag(&setup.group) == 0 {
            return Some(calm.elapsed());
        }
    }
    None
}

fn passages(sent: &[Sent], told: &[Told]) -> Vec<Passage> {
    let told: BTreeMap<_, _> = told.iter().rev().map(|told| (told.order.as_str(), told)).collect();
    let passage = |sent: &Sent| {
        let told = told.get(sent.order.as_str())?;
        Some(Passage {
            request_partition: sent.partition,
            outcome_partition: told.partition,
            sent: sent.at,
            told: told.at,
        })
    };
    sent.iter().filter_map(passage).collect()
}

fn assert_no_secrets(logs: &[String]) {
    for log in logs {
        assert!(!log.contains("@example.com") && !log.contains("sk_test_canary"), "a person or a secret in a log");
    }
}
