//! An order's whole story, told by the real program of orders that real servers have seen.

use serde_json::Value;

use order_payments::adapters::simulator::faults::{Fault, Faults};
use order_payments::adapters::simulator::request::Operation;

use crate::flow::Stage;
use crate::flow::commands::{Desk, PATIENCE, Said, requested};
use crate::support::eventually;

fn desk(stage: &Stage) -> Desk<'_> {
    Desk { database: &stage.setup.database, topics: &stage.setup.topics, simulator: &stage.simulator }
}

fn assert_private(said: &Said) {
    assert!(!said.out.contains("ada@") && !said.err.contains("ada@"), "an e-mail address: {said:?}");
}

/// What happened, in order: `asked`, `told`, or the state that an attempt became.
fn happenings(story: &Value) -> Vec<&str> {
    let timeline = story["timeline"].as_array().expect("a timeline");
    timeline.iter().map(|each| each["entry"]["state"].as_str().or(each["what"].as_str()).expect("what")).collect()
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

async fn published(stage: &Stage) {
    eventually("every outcome being marked", PATIENCE, async || {
        (stage.setup.database.count("SELECT count(*) FROM unpublished").await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_is_told_from_its_request_to_its_outcome_each_delivery_of_it_included() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = desk(&stage);
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1"), requested("o-1"), requested("o-2")]).await;
    stage.settled(2, PATIENCE).await;
    published(&stage).await;
    service.stop().await;

    let said = desk.call("explain o-1 --json").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_private(&said);
    let story = said.json();
    let happened = sorted(happenings(&story));
    assert_eq!(happened, ["CONFIRMING", "PREPARING", "SUCCEEDED", "asked", "asked", "told"], "{story:#}");
    let timeline = story["timeline"].as_array().expect("a timeline");
    let told = timeline.iter().find(|each| each["what"] == "told").expect("told");
    assert_eq!(told["record"]["topic"], stage.setup.topics.outcomes.as_str());
    assert!(told["record"]["offset"].is_i64() && told["record"]["partition"].is_i64(), "{told}");
    assert!(told["record"]["says"].as_str().expect("words").starts_with("payment-paid"), "{told}");
    let asked = timeline.iter().find(|each| each["what"] == "asked").expect("asked");
    assert_eq!(asked["record"]["says"], "asks for 12.50 EUR");
    assert!(asked["record"].get("value").is_none(), "{asked}");
    let stages: Vec<_> = story["stages"].as_array().expect("stages").iter().map(|each| each["to"].as_str()).collect();
    assert_eq!(stages, [Some("begun"), Some("charging"), Some("settled"), Some("published")]);
    assert_eq!((&story["waits_for"], &story["notes"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert!(
        story["remarks"][0].as_str().expect("a remark").contains("2 requests ask for it: it is paid once"),
        "{story:#}"
    );

    let looked = story["looked"].as_array().expect("places");
    let of = |topic: &str| looked.iter().filter(|each| each["topic"] == topic).collect::<Vec<_>>();
    // The tests' own producer chooses partitions otherwise than the service does.
    assert!(!of(&stage.setup.topics.requests).is_empty(), "{looked:?}");
    let outcomes = of(&stage.setup.topics.outcomes);
    assert_eq!(outcomes.len(), 1, "its own partition is enough: {looked:?}");
    assert_eq!(outcomes[0]["partitions"].as_array().map(Vec::len), Some(1), "{outcomes:?}");
    assert!(outcomes[0]["since"].is_string(), "{outcomes:?}");
    let cut = desk.call("explain o-1 --scan-limit 1").await;
    assert!(cut.out.contains("the first only (--scan-limit)"), "{cut:?}");

    let table = desk.call("explain o-1").await;
    assert_private(&table);
    for told in ["PAID", "asks for 12.50 EUR", "taken for approved", "payment-paid", "waits for: nothing", "took:"] {
        assert!(table.out.contains(told), "{told}: {}", table.out);
    }
    let revealed = desk.call("explain o-1 --reveal").await;
    assert!(revealed.out.contains("ada@example.com"), "{revealed:?}");
    let alone = desk.call("explain o-1 --no-kafka --json").await;
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert_eq!(sorted(happenings(&alone.json())), ["CONFIRMING", "PREPARING", "SUCCEEDED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_order_is_told_with_its_end() {
    let stage = Stage::new("two-step", 1.0).await;
    let desk = desk(&stage);
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1")]).await;
    stage.settled(1, PATIENCE).await;
    published(&stage).await;
    service.stop().await;
    let said = desk.call("explain o-1").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_private(&said);
    for told in ["FAILED", "CANCELED", "taken for declined", "payment-failed", "waits for: nothing"] {
        assert!(said.out.contains(told), "{told}: {}", said.out);
    }
    let alone = desk.call("explain o-1 --set kafka.brokers=127.0.0.1:1").await;
    assert_eq!(alone.code, Some(0), "what the database knows is told: {alone:?}");
    assert!(alone.out.contains("Kafka could not be asked") && alone.out.contains("CANCELED"), "{alone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_is_told_with_its_reason() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = desk(&stage);
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1")]).await;
    stage.settled(1, PATIENCE).await;
    let (key, value) = requested("o-1");
    let other = String::from_utf8(value.expect("a value")).expect("text").replace("12.50", "99.00");
    stage.setup.topics.send(&[(key, Some(other.into_bytes()))]).await;
    eventually("the other request being refused", PATIENCE, async || {
        (stage.setup.topics.read(&stage.setup.topics.dead_letters).len() == 1).then_some(())
    })
    .await;
    service.stop().await;
    let said = desk.call("explain o-1").await;
    assert_private(&said);
    for told in ["dead letter", "contradiction: ", "(it was ", "asks for 99.00 EUR, with other terms", "PAID"] {
        assert!(said.out.contains(told), "{told}: {}", said.out);
    }
    assert!(!said.out.contains("requests ask for it"), "one of them does: {}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_waits_says_for_what_and_until_when() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = desk(&stage);
    let lost = Faults { shares: [(Fault::CutBefore, 1.0)].into(), on: vec![Operation::Confirm], ..Faults::default() };
    stage.simulator.provider().set_faults(lost);
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1")]).await;
    let said = eventually("the order being parked", PATIENCE, async || {
        let said = desk.call("explain o-1 --json").await;
        // The state that it waits in: the journal is read after the order, and may be a step ahead.
        (said.code == Some(0) && said.json()["waits_for"].to_string().contains("UNRESOLVED")).then_some(said)
    })
    .await;
    service.kill().await;
    assert_private(&said);
    let story = said.json();
    assert!(story["due_at"].is_string(), "{story:#}");
    let waits = story["waits_for"][0].as_str().expect("a sentence");
    assert!(waits.contains("UNRESOLVED") && waits.contains("looked at next at"), "{waits}");

    let closed = desk.call("gate close --actor ada --reason maintenance").await;
    assert_eq!(closed.code, Some(0), "{closed:?}");
    let said = desk.call("explain o-1").await;
    assert!(said.out.contains("the gate of stripe is closed") && said.out.contains("maintenance"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_known_here_is_looked_for_on_the_topics_if_asked() {
    let stage = Stage::new("two-step", 0.0).await;
    let desk = desk(&stage);
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-9")]).await;
    stage.settled(1, PATIENCE).await;
    published(&stage).await;
    service.stop().await;
    stage.setup.topics.send(&[requested("o-1"), requested("o-2")]).await;
    let said = desk.call("explain o-1").await;
    assert_eq!((said.code, said.err.contains("--scan")), (Some(3), true), "{said:?}");
    let scanned = desk.call("explain o-1 --scan --json").await;
    assert_eq!(scanned.code, Some(3), "{scanned:?}");
    assert_private(&scanned);
    assert_eq!(happenings(&scanned.json()), ["asked"]);
    let topics: Vec<Value> = scanned.json()["looked"].as_array().expect("places").clone();
    let outcomes = topics.iter().filter(|each| each["topic"] == stage.setup.topics.outcomes.as_str());
    let partitions: usize = outcomes.filter_map(|each| each["partitions"].as_array()).map(Vec::len).sum();
    assert!(partitions > 1, "outcomes are looked for in all partitions: {topics:?}");
    assert!(topics.iter().all(|each| each["since"].is_null()), "from the beginning: {topics:?}");
    let nothing = desk.call("explain o-3 --scan --json").await;
    assert_eq!((nothing.code, happenings(&nothing.json()).len()), (Some(3), 0), "{nothing:?}");
}
