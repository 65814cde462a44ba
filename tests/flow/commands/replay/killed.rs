//! A replay that is killed half-way goes on where it was.

use std::process::Stdio;

use order_payments::adapters::simulator::intent::Status;
use serde_json::Value;

use crate::flow::Stage;
use crate::flow::commands::replay::records::{Mixture, PATIENCE, RECORDS};
use crate::flow::commands::replay::{BY_ADA, call, planned, reported, text};
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_goes_on_and_reports_each_record_once() {
    let stage = Stage::new("two-step", 0.1).await;
    let mixture = Mixture::of(RECORDS);
    mixture.settle_the_first(&stage).await;
    mixture.send_the_rest(&stage).await;
    let plan = planned(&stage).await;
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report");
    let path = report.to_str().expect("a path of plain text");

    let mut arguments = vec!["replay", "run", "--all", "--yes", "--policy", "process", "--report", path];
    arguments.extend(BY_ADA);
    let mut first = stage.setup.command(&arguments).stderr(Stdio::null()).spawn().expect("the program starts");
    let half = plan.len() * 3 / 4;
    eventually("most of it being reported", PATIENCE, async || {
        let lines = std::fs::read_to_string(&report).unwrap_or_default().lines().count();
        (lines > half || first.try_wait().expect("a child").is_some()).then_some(())
    })
    .await;
    first.kill().await.expect("it can be killed");
    // What a crash of the machine may leave behind.
    let mut torn = std::fs::read(&report).expect("a report");
    torn.extend_from_slice(br#"{"partition":0,"off"#);
    std::fs::write(&report, torn).expect("it can be written");

    let said = call(&stage, &format!("replay run --yes --json --resume {path}"), &BY_ADA).await;
    let lines = reported(&report);
    assert_eq!(lines.len(), plan.len(), "every record is reported: {said:?}");
    assert!(lines.iter().all(|line| line["as_foreseen"] == Value::Bool(true)), "{said:?}");
    assert!(lines.iter().all(|line| text(line, "result") != "not_now"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let again = call(&stage, &format!("replay run --yes --json --resume {path}"), &BY_ADA).await;
    assert_eq!((again.code, &again.json()["records"]), (Some(0), &Value::from(plan.len())), "{again:?}");
    let acts = stage.setup.database.count("SELECT count(*) FROM journal WHERE state = 'RESUMED'").await;
    assert_eq!(acts, 2);

    // What was being declined in the moment of the crash is the service's to end, as after any crash.
    let service = stage.setup.start();
    let orders = mixture.settled() + i64::try_from(mixture.unknown()).expect("few");
    stage.settled(usize::try_from(orders).expect("few"), PATIENCE).await;
    service.stop().await;
    assert_eq!(stage.setup.database.settled().await, orders);
    let ledger = stage.simulator.provider().ledger();
    assert_eq!(ledger.totals.double_charged, 0);
    // An object that was made in that moment was found on the list and canceled.
    let intents = ledger.orders.values().flat_map(|order| &order.intents);
    let open = intents.filter(|intent| !matches!(intent.status, Status::Succeeded | Status::Canceled)).count();
    assert_eq!(open, 0, "something could still be charged");
}
