//! History that an operator removes: never younger than what the topics keep, and no order is paid once more.

use serde_json::{Value, json};

use crate::flow::Stage;
use crate::flow::commands::{Desk, PATIENCE, requested};
use crate::support::eventually;

const OLD: &str = "prune --older-than 400d --yes --json";

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_order_that_is_read_again_is_not_charged_again() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = Desk { database: &stage.setup.database, topics: &stage.setup.topics, simulator: &stage.simulator };
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1"), requested("o-2")]).await;
    stage.settled(2, PATIENCE).await;
    eventually("both outcomes being marked", PATIENCE, async || {
        (stage.setup.database.count("SELECT count(*) FROM unpublished").await == 0).then_some(())
    })
    .await;

    let by_ada = ["--actor", "ada", "--reason", "kept for a year"];
    let young = desk.call_with("prune --older-than 6d --yes", &by_ada).await;
    assert_eq!((young.code, young.err.contains("the request topic")), (Some(5), true), "{young:?}");
    assert!(young.err.contains("keeps records for 7 days"), "{young:?}");
    let anonymous = desk.call(OLD).await;
    assert_eq!((anonymous.code, anonymous.err.contains("--actor")), (Some(2), true), "{anonymous:?}");
    let nothing = desk.call_with(OLD, &by_ada).await;
    assert_eq!((nothing.code, &nothing.json()["orders_pruned"]), (Some(0), &Value::from(0)), "{nothing:?}");

    stage.setup.database.make_older("o-1", "500 days").await;
    let counted = desk.call("prune --older-than 400d --dry-run --json").await;
    assert_eq!((counted.code, &counted.json()["orders_pruned"]), (Some(0), &Value::from(1)), "{counted:?}");
    let went = desk.call_with(OLD, &by_ada).await;
    let rows = json!({"payments": 1, "outcomes": 1, "refunds": 0, "findings": 0, "journal": 2});
    assert_eq!((went.code, &went.json()["rows"], &went.json()["dry_run"]), (Some(0), &rows, &Value::from(false)));
    assert_eq!(desk.call("orders get o-1 --json").await.json()["status"], "PAID");
    let refund = desk.call_with("refund o-1 --yes --amount 1", &by_ada).await;
    assert_eq!(refund.code, Some(5), "by what it was charged is known no more: {refund:?}");

    // A producer sends the request anew, as young as can be.
    stage.setup.topics.send(&[requested("o-1"), requested("o-3")]).await;
    stage.settled(3, PATIENCE).await;
    let log = service.stop().await;
    assert_eq!(desk.ledger_of("o-1").intents.len(), 1, "{log}");
    assert_eq!(stage.setup.topics.read(&stage.setup.topics.dead_letters).len(), 0);
    assert_eq!(desk.ledger_of("o-2").intents.len(), 1);
}
