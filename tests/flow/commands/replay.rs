//! A topic that is gone over again: what is foreseen is what happens, and money moves only where that was chosen.

mod input;
mod killed;
mod records;
mod stopped;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Stdio;

use order_payments::adapters::simulator::request::Operation;
use serde_json::Value;

use crate::flow::Stage;
use crate::flow::commands::Said;
use crate::flow::commands::replay::records::{Mixture, PATIENCE, RECORDS};
use crate::support::kafka::Seen;

const BY_ADA: [&str; 4] = ["--actor", "ada", "--reason", "lost by a bad release"];

/// A record's place on the topic.
type Place = (i64, i64);

/// Calls the program.
async fn call(stage: &Stage, line: &str, words: &[&str]) -> Said {
    let arguments: Vec<_> = line.split_whitespace().chain(words.iter().copied()).collect();
    let mut command = stage.setup.command(&arguments);
    let output = command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = output.output().await.expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// What a plan foresees of each record.
async fn planned(stage: &Stage) -> BTreeMap<Place, String> {
    let plan = call(stage, "replay plan --all --json", &[]).await;
    assert_eq!(plan.code, Some(0), "{}", plan.err);
    let mut lines: Vec<_> = lines(&plan.out);
    let totals = lines.pop().expect("the sums");
    assert_eq!(totals["totals"]["records"], Value::from(lines.len()), "{totals}");
    lines.iter().map(|line| (place(line), text(line, "verdict"))).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn place(line: &Value) -> Place {
    (line["partition"].as_i64().expect("a partition"), line["offset"].as_i64().expect("an offset"))
}

fn text(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap_or_else(|| panic!("no {name}: {line}")).to_owned()
}

/// The lines of a report, each record's once.
fn reported(path: &std::path::Path) -> Vec<Value> {
    let mut lines = lines(&std::fs::read_to_string(path).expect("a report"));
    lines.remove(0);
    let places: HashSet<_> = lines.iter().map(place).collect();
    assert_eq!(places.len(), lines.len(), "a record is in the report twice");
    lines
}

fn by_id(outcomes: &[Seen]) -> HashMap<String, Vec<&Seen>> {
    let mut by_id: HashMap<String, Vec<&Seen>> = HashMap::new();
    for seen in outcomes {
        by_id.entry(seen.header("ce_id").expect("an id").to_owned()).or_default().push(seen);
    }
    by_id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_foresees_is_what_each_policy_does() {
    let stage = Stage::new("two-step", 0.1).await;
    let mixture = Mixture::of(RECORDS);
    mixture.settle_the_first(&stage).await;
    mixture.send_the_rest(&stage).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (before, lag) = (stage.simulator.provider().totals(), stage.setup.topics.lag(&stage.setup.group));
    let plan = planned(&stage).await;
    mixture.assert_foreseen(&plan);

    for policy in ["observe", "reconcile", "republish-outcomes", "process"] {
        let report = folder.path().join(policy);
        let line = format!("replay run --all --yes --json --policy {policy} --report {}", report.display());
        let said = call(&stage, &line, &BY_ADA).await;
        assert_eq!(said.code, Some(0), "{policy}: {said:?}");
        let lines = reported(&report);
        assert_eq!(lines.len(), plan.len(), "{policy}: every record is reported");
        for line in &lines {
            assert_eq!(Some(&text(line, "foreseen")), plan.get(&place(line)), "{policy}: {line}");
            assert_eq!(line["as_foreseen"], Value::Bool(true), "{policy}: {line}");
        }
        let totals = stage.simulator.provider().totals();
        if policy != "process" {
            assert_eq!((totals.intents, totals.charges), (before.intents, before.charges), "{policy} charged");
            assert_eq!(stage.setup.database.settled().await, mixture.settled(), "{policy} stored orders");
        }
    }

    let totals = stage.simulator.provider().totals();
    let lists = |totals: &order_payments::adapters::simulator::ledger::Totals| {
        totals.requests.get(&Operation::List).copied().unwrap_or(0)
    };
    assert!(lists(&totals) > lists(&before), "nothing was looked up");
    assert_eq!(totals.intents - before.intents, mixture.unknown(), "one object for each unknown order, and no other");
    assert_eq!((totals.double_charged, totals.mismatches), (0, 0));
    assert_eq!(
        stage.setup.database.settled().await,
        mixture.settled() + i64::try_from(mixture.unknown()).expect("few")
    );
    assert_eq!(stage.setup.topics.lag(&stage.setup.group), lag, "the group was touched");

    let outcomes = stage.setup.topics.read(&stage.setup.topics.outcomes);
    let by_id = by_id(&outcomes);
    assert_eq!(i64::try_from(by_id.len()).expect("few"), mixture.settled());
    for (id, seen) in by_id {
        let [one, other] = seen.as_slice() else { panic!("event {id} is there {} times", seen.len()) };
        assert_eq!((&one.key, &one.value, &one.headers), (&other.key, &other.value, &other.headers), "event {id}");
    }
    let audit = stage.setup.database.count("SELECT count(*) FROM journal WHERE subject LIKE 'replay/%'").await;
    assert_eq!(audit, 8, "each run begins and ends in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_here_and_paid_at_the_gateway_is_adopted_by_looking() {
    let stage = Stage::new("two-step", 0.0).await;
    let service = stage.setup.start();
    stage.setup.topics.send(&[crate::flow::commands::requested("o-1")]).await;
    stage.settled(1, PATIENCE).await;
    service.stop().await;
    // The same topic and gateway, and a database that knows nothing.
    let mut setup = stage.setup.clone();
    setup.database = crate::support::postgres::Database::create().await;
    setup.migrate().await;
    let charges = stage.simulator.provider().totals().intents;
    let stage = Stage { setup, simulator: stage.simulator };
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report");
    let line = format!("replay run --yes --order-id o-1 --policy reconcile --report {}", report.display());
    let said = call(&stage, &line, &BY_ADA).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = reported(&report);
    assert_eq!((text(&lines[0], "foreseen"), text(&lines[0], "result")), ("unknown".to_owned(), "paid".to_owned()));
    assert_eq!(stage.simulator.provider().totals().intents, charges, "it was charged anew");
    assert_eq!(stage.setup.database.settled().await, 1);
}
