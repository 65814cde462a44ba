//! Instances of the program in one group, in every way that partitions can be divided: one is killed, and its
//! work goes on elsewhere.

use futures_util::future::join_all;

use crate::flow::Stage;
use crate::flow::main_job::requests;
use crate::support::eventually;
use crate::support::service::Setup;

const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);
const ORDERS: usize = 2_000;

async fn kill_one(assignment: &str, names: [&str; 2]) {
    let stage = Stage::new("two-step", 0.0).await;
    let start = |name: &str| {
        let mut further = stage.setup.further.clone();
        further.extend([("KAFKA__ASSIGNMENT", assignment.to_owned()), ("KAFKA__INSTANCE_ID", name.to_owned())]);
        Setup { further, ..stage.setup.clone() }.start()
    };
    let services = names.map(start);
    stage.setup.topics.send(&requests(ORDERS)).await;
    eventually("a part of the orders settled", PATIENCE, async || {
        let settled: i64 = stage.setup.database.statuses().await.values().sum();
        (settled >= i64::try_from(ORDERS / 4).expect("few orders")).then_some(())
    })
    .await;
    let [killed, left] = services;
    killed.kill().await;
    stage.settled(ORDERS, PATIENCE).await;
    left.stop().await;
    stage.account().await.assert_balanced(ORDERS.try_into().expect("few orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_killed_is_replaced_however_partitions_are_divided() {
    let kinds =
        [("cooperative-sticky", ["", ""]), ("eager", ["", ""]), ("cooperative-sticky", ["payments-0", "payments-1"])];
    join_all(kinds.map(|(assignment, names)| kill_one(assignment, names))).await;
}
