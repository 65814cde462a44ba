//! What ends a replay before its end, and what does not.

use std::process::Stdio;

use serde_json::Value;

use crate::flow::Stage;
use crate::flow::commands::replay::records::PATIENCE;
use crate::flow::commands::replay::{BY_ADA, call, reported, text};
use crate::flow::commands::requested;
use crate::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_told_to_stop_says_how_to_go_on_and_goes_on() {
    let stage = Stage::new("two-step", 0.0).await;
    let records: Vec<_> = (0..12).map(|number| requested(&format!("o-{number}"))).collect();
    stage.setup.topics.send(&records).await;
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report");
    let path = report.to_str().expect("a path of plain text");
    let mut arguments = vec!["replay", "run", "--all", "--policy", "observe", "--rate", "2", "--report", path];
    arguments.extend(BY_ADA);
    let mut command = stage.setup.command(&arguments);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program starts");
    eventually("some of it being reported", PATIENCE, async || {
        let lines = std::fs::read_to_string(&report).unwrap_or_default().lines().count();
        (lines > 2).then_some(())
    })
    .await;
    let id = child.id().expect("it runs").to_string();
    let told = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("it can be told");
    assert!(told.success());
    let output = child.wait_with_output().await.expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{err}");
    assert!(err.contains(&format!("the report is {path}")), "{err}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("--resume {path}")));
    let before = reported(&report).len();
    assert!(before < records.len(), "it went through");
    let stopped = stage.setup.database.count("SELECT count(*) FROM journal WHERE state = 'STOPPED'").await;
    assert_eq!(stopped, 1);

    let said = call(&stage, &format!("replay run --json --resume {path}"), &BY_ADA).await;
    assert_eq!((said.code, &said.json()["records"]), (Some(0), &Value::from(records.len())), "{said:?}");
    assert!(said.err.contains("observe over"), "{said:?}");
    assert_eq!(reported(&report).len(), records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_read_is_told_as_such_and_hinders_no_other() {
    let stage = Stage::new("two-step", 0.0).await;
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1"), requested("o-2")]).await;
    stage.settled(2, PATIENCE).await;
    service.stop().await;
    let spoiled = "WITH spoiled AS (UPDATE orders SET currency = '?' WHERE id = 'o-1' RETURNING 1)
        SELECT count(*) FROM spoiled";
    assert_eq!(stage.setup.database.count(spoiled).await, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report");
    let line = format!("replay run --all --yes --policy process --report {}", report.display());
    let said = call(&stage, &line, &BY_ADA).await;
    assert_eq!(said.code, Some(4), "a person should look: {said:?}");
    let mut results: Vec<_> =
        reported(&report).iter().map(|line| (text(line, "order_id"), text(line, "result"))).collect();
    results.sort();
    let expected = [("o-1", "unreadable"), ("o-2", "already_paid")];
    assert_eq!(results, expected.map(|(order, result)| (order.to_owned(), result.to_owned())));
}
