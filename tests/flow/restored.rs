//! A database that is restored from a backup, while the topics and the gateway have gone on.
//!
//! The gateway has forgotten every idempotency key by then: what keeps an order from being charged twice is
//! that its past is asked for, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use order_payments::adapters::simulator::faults::{Fault, Faults};
use order_payments::adapters::simulator::provider::ProviderConfig;
use order_payments::adapters::simulator::request::Operation;
use order_payments::adapters::simulator::server::SimulatorConfig;
use order_payments::adapters::system::SystemClock;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::clock::Clock;

use crate::flow::Stage;
use crate::flow::main_job::requests;
use crate::support::eventually;

const ORDERS: usize = 1_500;
const PATIENCE: Duration = Duration::from_mins(3);
/// Longer than the gateway keeps a key.
const LATER: Duration = Duration::from_hours(30);

/// The system's clock, moved on by hand.
#[derive(Default)]
struct Shifted(AtomicI64);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs()))
    }
}

/// Charges and outcomes, as the world sees them.
async fn seen(stage: &Stage) -> (i64, i64, i64) {
    let account = stage.account().await;
    (account.ledger("charges"), account.with_one("payment-paid"), account.with_one("payment-failed"))
}

/// Orders of which the gateway has more than one object: they had reached a second attempt.
fn second_attempts(stage: &Stage) -> usize {
    stage.simulator.provider().ledger().orders.values().filter(|order| order.intents.len() > 1).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_restored_in_mid_run_charges_and_tells_nothing_twice() {
    let clock = Arc::new(Shifted::default());
    let provider = ProviderConfig { decline_share: 0.05, ..ProviderConfig::default() };
    let config = SimulatorConfig { provider, ..SimulatorConfig::default() };
    let mut stage = Stage::with(config, clock.clone(), "two-step").await;
    stage.setup.further = vec![
        ("RECONCILE__FIRST_LOOK_MS", "200".to_owned()),
        ("RECONCILE__ABANDON_AFTER_MS", "1000".to_owned()),
        ("RECONCILE__INTERVAL_MS", "200".to_owned()),
    ];
    // One charge in twenty is answered by a 500 that its key repeats: those orders need a second attempt.
    let sticky =
        Faults { shares: [(Fault::ErrorBeforeSticky, 0.05)].into(), on: vec![Operation::Confirm], ..Faults::default() };
    stage.simulator.provider().set_faults(sticky);

    let service = stage.setup.start();
    let (first_half, second_half) = {
        let mut records = requests(ORDERS);
        let second_half = records.split_off(records.len() / 2);
        (records, second_half)
    };
    stage.setup.topics.send(&first_half).await;
    eventually("a part of the orders settled", PATIENCE, async || {
        (stage.setup.database.settled().await >= 300).then_some(())
    })
    .await;
    let backup = stage.setup.database.dump().await;
    stage.setup.topics.send(&second_half).await;
    stage.settled(ORDERS, PATIENCE).await;
    service.kill().await;
    let before = seen(&stage).await;
    assert!(second_attempts(&stage) > 10, "too few second attempts to prove anything");

    clock.0.store(i64::try_from(LATER.as_secs()).expect("some hours"), Ordering::SeqCst);
    stage.simulator.provider().set_faults(Faults::default());
    stage.setup.database = backup.restore().await;
    let forgotten = i64::try_from(ORDERS).expect("few orders") - stage.setup.database.settled().await;
    assert!(forgotten > 300, "the backup has forgotten too little: {forgotten}");
    let service = stage.setup.start();
    stage.settled(ORDERS, PATIENCE).await;
    let log = service.stop().await;
    assert_eq!(seen(&stage).await, before, "charges, paid and failed; {log}");
    stage.account().await.assert_balanced(i64::try_from(ORDERS).expect("few orders"));
    assert_eq!(stage.setup.database.under_review().await, 0, "nothing contradicts, so no person is needed");
}
