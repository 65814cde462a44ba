//! Dead letters on a real cluster: what is shown, what is sent again, and that no order is paid twice for it.

mod looking;
mod ordering;
mod samples;

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::flow::Stage;
use crate::flow::commands::dead_letters::samples::{FOREIGN, Sample, write};
use crate::flow::commands::{Desk, Said};
use crate::support::eventually;

/// Orders of each dialect; every tenth has a second letter behind the first.
const ORDERS: usize = 1_000;
/// Letters of which some are being redriven when the command is killed.
const KILLED_AMONG: usize = 300;
const PATIENCE: Duration = Duration::from_mins(2);
const BY_ADA: [&str; 4] = ["--actor", "ada", "--reason", "the cause is mended"];
const REDRIVE_ALL: &str = "dead-letters redrive --all --yes --json";

fn desk(stage: &Stage) -> Desk<'_> {
    Desk { database: &stage.setup.database, topics: &stage.setup.topics, simulator: &stage.simulator }
}

/// A request without a currency: refused, until a default is configured.
fn without_currency(order_id: &str, amount: &str) -> String {
    format!(
        r#"{{"order_id":"{order_id}","customer_email":"ada@example.com","total_amount":"{amount}","payment_method":"pm_card_visa"}}"#
    )
}

async fn redrive(desk: &Desk<'_>, line: &str) -> Said {
    let said = desk.call_with(line, &BY_ADA).await;
    assert!(matches!(said.code, Some(0 | 4)), "{said:?}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_every_dialect_are_paid_once_and_in_order_once_the_cause_is_mended() {
    let mut stage = Stage::new("two-step", 0.0).await;
    let topics = stage.setup.topics.clone();
    topics.create_topic(&topics.dead_letters).await;
    // Ours are written by the service itself.
    let mut ours = Vec::new();
    for number in 0..ORDERS {
        let key = format!("order-payments-{number}");
        ours.push((key.clone(), Some(without_currency(&key, "10").into_bytes())));
        if number % 10 == 0 {
            ours.push((key.clone(), Some(without_currency(&key, "20").into_bytes())));
        }
    }
    let refusing = stage.setup.start();
    topics.send(&ours).await;
    eventually("every record being a dead letter", PATIENCE, async || {
        (topics.count(&topics.dead_letters) == i64::try_from(ours.len()).expect("few")).then_some(())
    })
    .await;
    refusing.stop().await;
    let mut letters = Vec::new();
    for (number, dialect) in (0..ORDERS).flat_map(|number| FOREIGN.map(|dialect| (number, dialect))) {
        let (key, partition) = (format!("{dialect}-{number}"), i32::try_from(number % 6).expect("few"));
        letters.push(Sample::of(dialect, &key, &without_currency(&key, "10"), &topics.requests, partition));
        if number % 10 == 0 {
            letters.push(Sample::of(dialect, &key, &without_currency(&key, "20"), &topics.requests, partition));
        }
    }
    write(&topics, &topics.dead_letters, &letters).await;

    let orders = ORDERS * 7;
    let (all, second) = (orders + orders / 10, orders / 10);
    let dry = desk(&stage).call("dead-letters redrive --all --dry-run --json").await;
    assert_eq!((dry.code, &dry.json()["forecast"]["refused_again"]), (Some(0), &Value::from(all)), "{dry:?}");
    stage.setup.further.push(("PROCESSING__DEFAULT_CURRENCY", "EUR".to_owned()));
    let service = stage.setup.start();
    let said = redrive(&desk(&stage), REDRIVE_ALL).await;
    assert_eq!((said.code, &said.json()["redriven"]), (Some(0), &Value::from(all)), "{said:?}");
    stage.settled(orders, PATIENCE).await;
    // The second letter of an order has another amount: had it been first, the first would be the contradiction.
    let back = eventually("every second letter coming back", PATIENCE, async || {
        let list = desk(&stage).call("dead-letters list --json --limit 10000").await.json();
        (list["letters"] == second).then_some(list)
    })
    .await;
    assert_eq!(back["by_reason"]["contradiction"], second, "{back}");
    let letters = back["shown"].as_array().expect("letters");
    assert!(letters.iter().all(|letter| letter["redrives"] == 1 && letter["dialect"] == "order-payments"), "{back}");
    let ledger = stage.simulator.provider().ledger();
    assert!(ledger.orders.values().all(|entry| entry.intents.len() == 1), "one charge for each order");
    let account = stage.account().await;
    account.assert_balanced(i64::try_from(orders).expect("few"));
    assert_eq!(account.dead_letters, all + second);
    let log = service.stop().await;
    assert!(!log.contains("@example.com"), "an e-mail address in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_fails_again_is_a_new_letter_with_its_count_raised_and_is_not_looped() {
    let stage = Stage::new("two-step", 0.0).await;
    let (topics, desk) = (&stage.setup.topics, desk(&stage));
    let service = stage.setup.start();
    topics.send(&[("o-1".to_owned(), Some(without_currency("o-1", "10").into_bytes()))]).await;
    let first = open_letter(&desk, 0).await;
    let again = redrive(&desk, REDRIVE_ALL).await;
    assert_eq!(again.json()["redriven"], 1, "{again:?}");
    let second = open_letter(&desk, 1).await;
    for field in ["first_failed_at", "key", "reason", "message"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    assert_eq!(first["from"]["partition"], second["from"]["partition"], "the record went where it came from");

    let position = format!("{}/{}", first["partition"], first["offset"]);
    let twice = redrive(&desk, &format!("dead-letters redrive {position} --yes --json")).await;
    let counts = (&twice.json()["redriven"], &twice.json()["left_out"]["decided_before"]);
    assert_eq!((twice.code, counts), (Some(0), (&Value::from(0), &Value::from(1))), "{twice:?}");
    let too_often = redrive(&desk, "dead-letters redrive --all --max-redrives 1 --yes --json").await;
    assert_eq!((too_often.code, &too_often.json()["left_out"]["redriven_too_often"]), (Some(4), &Value::from(1)));

    let all = desk.call("dead-letters list --all --json").await.json();
    assert_eq!((&all["letters"], &all["shown"][0]["state"]), (&Value::from(2), &Value::from("redriven")), "{all}");
    let shown = desk.call(&format!("dead-letters show {position} --json")).await.json();
    let history = shown["history"].as_array().expect("a history");
    let states: Vec<_> = history.iter().filter_map(|entry| entry["state"].as_str()).collect();
    assert_eq!(states, ["REDRIVING", "REDRIVEN"], "{shown}");
    assert_eq!((&history[0]["actor"], &history[0]["note"]), (&Value::from("ada"), &Value::from("the cause is mended")));
    let note = format!("sent to {}/", first["from"]["partition"]);
    assert!(history[1]["note"].as_str().is_some_and(|told| told.starts_with(&note)), "{shown}");
    service.stop().await;
    assert_eq!(topics.count(&topics.requests), 2);
}

/// The one letter that is open, once its record was redriven so often.
async fn open_letter(desk: &Desk<'_>, redrives: u32) -> Value {
    eventually("the letter being there", PATIENCE, async || {
        let said = desk.call("dead-letters list --json").await;
        let letters = said.out.starts_with('{').then(|| said.json()["shown"].clone())?;
        let letters = letters.as_array().filter(|letters| letters.len() == 1)?;
        (letters[0]["redrives"] == redrives).then(|| letters[0].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_after_one_was_killed_send_each_letter_and_nobody_is_charged_twice() {
    let mut stage = Stage::new("two-step", 0.0).await;
    stage.setup.further.push(("PROCESSING__DEFAULT_CURRENCY", "EUR".to_owned()));
    let topics = stage.setup.topics.clone();
    topics.create_topic(&topics.dead_letters).await;
    let letters: Vec<Sample> = (0..KILLED_AMONG)
        .map(|number| {
            let (key, partition) = (format!("o-{number}"), i32::try_from(number % 6).expect("few"));
            Sample::of("spring", &key, &without_currency(&key, "10"), &topics.requests, partition)
        })
        .collect();
    write(&topics, &topics.dead_letters, &letters).await;
    let service = stage.setup.start();

    // The end of this letter's batch cannot be stored: sent and confirmed it is, and nobody knows.
    let listed = desk(&stage).call("dead-letters list --json --limit 1000").await.json();
    let blocked = Blocked::conclusion_of(&stage, &subject_of(&topics.dead_letters, &listed["shown"][170])).await;
    let line = ["dead-letters", "redrive", "--all", "--yes", "--rate", "50"];
    let mut first = stage.setup.command(&[&line[..], &BY_ADA].concat());
    let mut first = first.stderr(Stdio::null()).spawn().expect("the program starts");
    let half_way = async || {
        let counts = (decided(&stage, "REDRIVING").await, decided(&stage, "REDRIVEN").await);
        (counts == (200, 150) && topics.count(&topics.requests) == 200).then_some(())
    };
    eventually("the fourth batch being sent", PATIENCE, half_way).await;
    first.kill().await.expect("it was running");
    blocked.give_way(&stage).await;

    let desk = desk(&stage);
    let (one, other) = tokio::join!(redrive(&desk, REDRIVE_ALL), redrive(&desk, REDRIVE_ALL));
    assert_eq!(redriven(&one) + redriven(&other), 100, "{one:?} {other:?}");
    assert_eq!((one.code, other.code), (Some(4), Some(4)), "what the dead one left may still be under way");
    // Time passes: what the dead one left is nobody's any more.
    let aged = "WITH aged AS (UPDATE journal SET recorded_at = recorded_at - interval '10 minutes' \
                WHERE subject LIKE 'dead-letter/%' RETURNING 1) SELECT count(*) FROM aged";
    stage.setup.database.count(aged).await;
    let interrupted = desk.call("dead-letters list --json").await.json();
    assert_eq!((&interrupted["letters"], &interrupted["shown"][0]["state"]), (&50.into(), &"interrupted".into()));
    let last = redrive(&desk, REDRIVE_ALL).await;
    assert_eq!((last.code, redriven(&last)), (Some(0), 50), "{last:?}");
    let nothing = redrive(&desk, REDRIVE_ALL).await;
    assert_eq!((nothing.code, redriven(&nothing)), (Some(0), 0), "{nothing:?}");
    stage.settled(KILLED_AMONG, PATIENCE).await;
    service.stop().await;
    stage.account().await.assert_balanced(300);
    assert_eq!(decided(&stage, "REDRIVEN").await, 300);
    assert_eq!(topics.count(&topics.requests), 350, "the batch of the dead one was sent twice, and nothing else");
}

/// What is kept of a letter's decisions.
fn subject_of(topic: &str, letter: &Value) -> String {
    let written = OffsetDateTime::parse(letter["written_at"].as_str().expect("a moment"), &Rfc3339).expect("RFC 3339");
    let millis = written.unix_timestamp_nanos() / 1_000_000;
    format!("dead-letter/{topic}/{}/{}@{millis}", letter["partition"], letter["offset"])
}

/// A transaction in whose way the storing of a letter's end waits.
struct Blocked(PgConnection);

impl Blocked {
    async fn conclusion_of(stage: &Stage, subject: &str) -> Self {
        const STATEMENT: &str = "INSERT INTO journal (order_id, subject, version, recorded_at, state) \
                                 VALUES ('', $1, 2, clock_timestamp(), 'TEST')";
        let mut connection = PgConnection::connect(&stage.setup.database.url).await.expect("PostgreSQL answers");
        sqlx::query("BEGIN").execute(&mut connection).await.expect("lawful");
        sqlx::query(STATEMENT).bind(subject).execute(&mut connection).await.expect("lawful");
        Self(connection)
    }

    /// Ends what waits, whose process is dead, and leaves no trace.
    async fn give_way(mut self, stage: &Stage) {
        let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        stage.setup.database.count(ended).await;
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("nothing waiting any more", PATIENCE, async || {
            (stage.setup.database.count(waiting).await == 0).then_some(())
        })
        .await;
        sqlx::query("ROLLBACK").execute(&mut self.0).await.expect("lawful");
    }
}

fn redriven(said: &Said) -> i64 {
    said.json()["redriven"].as_i64().expect("a count")
}

/// How many letters have got so far.
async fn decided(stage: &Stage, state: &'static str) -> i64 {
    let statement = match state {
        "REDRIVEN" => {
            "SELECT count(DISTINCT subject) FROM journal WHERE subject LIKE 'dead-letter/%' AND state = 'REDRIVEN'"
        }
        _ => "SELECT count(DISTINCT subject) FROM journal WHERE subject LIKE 'dead-letter/%' AND state = 'REDRIVING'",
    };
    stage.setup.database.count(statement).await
}
