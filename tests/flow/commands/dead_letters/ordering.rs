//! Letters of one key on a real cluster: none overtakes another, whoever sends them and whatever is left out.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::flow::Stage;
use crate::flow::commands::dead_letters::samples::{Sample, write};
use crate::flow::commands::dead_letters::{BY_ADA, REDRIVE_ALL, desk, redrive, redriven, without_currency};

const KEYS: usize = 300;

async fn with_letters(letters: &[Sample]) -> Stage {
    let stage = Stage::new("two-step", 0.0).await;
    let topics = &stage.setup.topics;
    topics.create_topic(&topics.dead_letters).await;
    write(topics, &topics.dead_letters, letters).await;
    stage
}

/// The amounts of an order in the order in which its requests lie on the topic.
fn amounts(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    let mut amounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in stage.setup.topics.read(&stage.setup.topics.requests) {
        let value: Value = serde_json::from_slice(&seen.value.expect("a value")).expect("JSON");
        let text = |name: &str| value[name].as_str().expect("text").to_owned();
        amounts.entry(text("order_id")).or_default().push(text("total_amount"));
    }
    amounts
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_keep_the_order_of_each_key() {
    let partition = |number: usize| i32::try_from(number % 6).expect("few");
    let letters: Vec<Sample> = ["10", "20", "30"]
        .into_iter()
        .flat_map(|amount| (0..KEYS).map(move |number| (number, amount)))
        .map(|(number, amount)| {
            let key = format!("o-{number}");
            Sample::of("spring", &key, &without_currency(&key, amount), "t", partition(number))
        })
        .collect();
    let stage = with_letters(&letters).await;
    let desk = desk(&stage);
    let mut sent = 0;
    // What one has left to the other is sent by whoever comes next.
    while sent < 3 * i64::try_from(KEYS).expect("few") {
        let (one, other) = tokio::join!(redrive(&desk, REDRIVE_ALL), redrive(&desk, REDRIVE_ALL));
        let both = redriven(&one) + redriven(&other);
        assert!(both > 0, "nothing is left for good: {one:?} {other:?}");
        sent += both;
    }
    let amounts = amounts(&stage);
    assert_eq!(amounts.len(), KEYS);
    for (key, amounts) in amounts {
        assert_eq!(amounts, ["10", "20", "30"], "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_holds_back_the_later_letters_of_its_key() {
    let of = |dialect: &str, key: &str, amount: &str| Sample::of(dialect, key, &without_currency(key, amount), "t", 0);
    let too_often = of("spring", "o-1", "10").with_header("order-payments-redrives", b"5");
    let letters = [too_often, of("spring", "o-1", "20"), of("spring", "o-2", "10"), of("kafka", "o-3", "10")];
    let stage = with_letters(&letters).await;
    let desk = desk(&stage);
    let dry = desk.call("dead-letters redrive --all --dry-run --json").await;
    let said = redrive(&desk, REDRIVE_ALL).await;
    for said in [dry, said] {
        let told = said.json();
        assert_eq!((said.code, &told["selected"]), (Some(4), &Value::from(1)), "{told}");
        let left_out = &told["left_out"];
        let counts = (&left_out["redriven_too_often"], &left_out["behind_another_of_its_key"]);
        assert_eq!(counts, (&Value::from(1), &Value::from(1)), "{told}");
        assert_eq!(left_out["without_record"][0], "0/3 carries no record; it is t 0/7: replay it from there");
    }
    assert_eq!(amounts(&stage).into_keys().collect::<Vec<_>>(), ["o-2"]);
    let both = desk.call_with(&format!("{REDRIVE_ALL} --max-redrives 6"), &BY_ADA).await;
    assert_eq!((both.code, redriven(&both)), (Some(4), 2), "{both:?}");
    assert_eq!(amounts(&stage)["o-1"], ["10", "20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_key_go_to_the_partition_of_their_order() {
    let of = |number: i32, partition: i32| {
        let order_id = format!("o-{number}");
        Sample::of("watermill", &order_id, &without_currency(&order_id, "10"), "t", partition)
    };
    let letters: Vec<Sample> = (0..6).flat_map(|number| [of(number, 0), of(number, 1)]).collect();
    let stage = with_letters(&letters).await;
    let desk = desk(&stage);
    assert_eq!(redriven(&redrive(&desk, REDRIVE_ALL).await), 12);
    for offset in 0..6 {
        let mut sent_to = Vec::new();
        for partition in 0..2 {
            let shown = desk.call(&format!("dead-letters show {partition}/{offset} --json")).await.json();
            let note = shown["history"][1]["note"].as_str().expect("a note").to_owned();
            sent_to.push(note.split('/').next().expect("a partition").to_owned());
        }
        assert_eq!(sent_to[0], sent_to[1], "o-{offset}");
    }
    assert!(stage.setup.topics.read(&stage.setup.topics.requests).iter().all(|seen| seen.key.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_not_sent_to_itself_under_another_name_of_its_cluster() {
    let stage = with_letters(&[]).await;
    let (desk, topics) = (desk(&stage), &stage.setup.topics);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.toml");
    std::fs::write(&file, format!("[kafka]\nbrokers = {:?}\n", topics.brokers)).expect("it can be written");
    topics.send(&[("o-1".to_owned(), Some(without_currency("o-1", "10").into_bytes()))]).await;
    let line = format!("{REDRIVE_ALL} --topic {} --source-config {}", topics.requests, file.display());
    let said = desk.call_with(&line, &BY_ADA).await;
    assert_eq!((said.code, said.err.contains("no topic of requests")), (Some(1), true), "{said:?}");
    assert_eq!(topics.count(&topics.requests), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_the_storage_went_away_is_told() {
    let letters: Vec<Sample> = (0..4)
        .map(|number| {
            let key = format!("o-{number}");
            Sample::of("spring", &key, &without_currency(&key, "10"), "t", 0)
        })
        .collect();
    let stage = with_letters(&letters).await;
    alter(&stage, "ALTER TABLE journal ADD CONSTRAINT broken CHECK (subject NOT LIKE '%/0/2@%')").await;
    let said = desk(&stage).call_with(&format!("{REDRIVE_ALL} --rate 2"), &BY_ADA).await;
    assert_eq!((said.code, redriven(&said)), (Some(1), 2), "{said:?}");
    let told = said.json()["failure"].as_str().expect("a failure").to_owned();
    assert!(told.contains("2 of 4 letters") && said.err.contains("two minutes"), "{said:?}");
    alter(&stage, "ALTER TABLE journal DROP CONSTRAINT broken").await;
    let rest = redriven(&redrive(&desk(&stage), REDRIVE_ALL).await);
    assert_eq!((rest, stage.setup.topics.count(&stage.setup.topics.requests)), (2, 4));
}

async fn alter(stage: &Stage, statement: &'static str) {
    let mut connection = PgConnection::connect(&stage.setup.database.url).await.expect("PostgreSQL answers");
    sqlx::query(statement).execute(&mut connection).await.expect("lawful");
}
