//! Where the group goes on, set by an operator: what is read again is not charged again, what is skipped is not
//! paid, and nothing is set while somebody reads.

use std::process::Stdio;

use order_payments::adapters::system::SystemClock;
use order_payments::adapters::wire::outcome::rfc3339;
use order_payments::ports::clock::Clock;
use serde_json::{Value, json};

use crate::flow::Stage;
use crate::flow::commands::{PATIENCE, Said, requested};
use crate::support::eventually;
use crate::support::kafka::{PARTITIONS, Topics};

const BY_ADA: [&str; 5] = ["--yes", "--actor", "ada", "--reason", "the day is checked"];

/// `order-payments offsets …` with the settings of the instances.
async fn offsets(stage: &Stage, line: &str, words: &[&str]) -> Said {
    let arguments: Vec<&str> =
        ["offsets"].into_iter().chain(line.split_whitespace()).chain(words.iter().copied()).collect();
    let mut command = stage.setup.command(&arguments);
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).output().await.expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

async fn show(stage: &Stage) -> Value {
    let said = offsets(stage, "show --json", &[]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    said.json()
}

/// This value of every partition.
fn each(shown: &Value, name: &str) -> Vec<Value> {
    shown["partitions"].as_array().expect("partitions").iter().map(|row| row[name].clone()).collect()
}

fn sum(shown: &Value, name: &str) -> i64 {
    each(shown, name).iter().map(|value| value.as_i64().expect("a number")).sum()
}

/// A stage whose topics have one partition, so that an offset is a request.
async fn one_partition() -> Stage {
    let mut stage = Stage::new("two-step", 0.0).await;
    stage.setup.topics = Topics::create_at(stage.setup.topics.brokers.clone(), 1).await;
    stage.setup.further.push(("KAFKA__NEW_TOPIC_PARTITIONS", "1".to_owned()));
    stage
}

async fn send(stage: &Stage, orders: &[&str]) {
    stage.setup.topics.send(&orders.iter().map(|order| requested(order)).collect::<Vec<_>>()).await;
}

/// Runs an instance until all that is on the topic is handled and so many orders are settled.
async fn work(stage: &Stage, orders: usize) -> String {
    let service = stage.setup.start();
    stage.settled(orders, PATIENCE).await;
    service.stop().await
}

fn charges(stage: &Stage) -> u64 {
    stage.simulator.provider().totals().charges
}

/// The group's and the database's positions on partition 0.
async fn positions(stage: &Stage) -> (Value, Value) {
    let shown = show(stage).await;
    (each(&shown, "committed")[0].clone(), each(&shown, "stored")[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_set_back_reads_everything_again_and_charges_nobody() {
    let stage = Stage::new("two-step", 0.0).await;
    let fresh = show(&stage).await;
    assert_eq!((&fresh["state"], &fresh["first_start"]), (&json!("Unknown"), &json!("earliest")));
    assert_eq!(each(&fresh, "committed"), vec![Value::Null; 6]);
    assert_eq!((each(&fresh, "reason"), sum(&fresh, "next_start")), (vec![json!("first_start"); 6], 0));

    let orders: Vec<String> = (0..30).map(|number| format!("o-{number}")).collect();
    send(&stage, &orders.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let service = stage.setup.start();
    stage.settled(30, PATIENCE).await;
    let with_member = show(&stage).await;
    assert_eq!((&with_member["state"], &with_member["protocol"]), (&json!("Stable"), &json!("cooperative-sticky")));
    let member = &with_member["members"][0];
    assert_eq!((&member["client"], &member["partitions"]), (&json!("order-payments"), &json!([0, 1, 2, 3, 4, 5])));
    let refused = offsets(&stage, "reset --to-earliest", &BY_ADA).await;
    assert_eq!(refused.code, Some(5), "{refused:?}");
    for told in [member["id"].as_str().expect("an id"), "stop all instances", "6 s", "nothing was done"] {
        assert!(refused.err.contains(told), "{told}: {refused:?}");
    }
    let dry = offsets(&stage, "reset --to-earliest --dry-run --json", &[]).await;
    assert!(dry.code == Some(0) && dry.json()["refused"].as_str().is_some(), "{dry:?}");
    service.stop().await;

    let (worked, before) = (show(&stage).await, stage.account().await);
    assert_eq!((sum(&worked, "committed"), sum(&worked, "stored"), sum(&worked, "lag")), (30, 30, 0), "{worked}");
    let dry = offsets(&stage, "reset --to-earliest --dry-run --json", &[]).await;
    assert_eq!((dry.code, &dry.json()["read_again"], &dry.json()["skipped"]), (Some(0), &json!(30), &json!(0)));
    assert_eq!((show(&stage).await, dry.json().get("refused")), (worked, None), "a dry run changes nothing");

    let set = offsets(&stage, "reset --to-earliest --json", &BY_ADA).await;
    assert_eq!((set.code, &set.json()["read_again"]), (Some(0), &json!(30)), "{set:?}");
    let back = show(&stage).await;
    assert_eq!((sum(&back, "committed"), sum(&back, "stored"), sum(&back, "horizon")), (0, 0, 0), "{back}");
    assert_eq!((each(&back, "reason"), sum(&back, "lag")), (vec![json!("committed"); 6], 30));
    let log = work(&stage, 30).await;
    assert!(!log.contains("restored"), "{log}");
    assert_eq!(stage.account().await, before);
    let again = show(&stage).await;
    assert_eq!((sum(&again, "committed"), sum(&again, "stored")), (30, 30), "{again}");
    let entries =
        "SELECT count(*) FROM journal WHERE subject LIKE 'offsets/group-%' AND order_id = '' AND actor = 'ada'";
    assert_eq!(stage.setup.database.count(entries).await, 2, "begun and ended");
    assert_eq!(i32::try_from(each(&again, "partition").len()), Ok(PARTITIONS));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_is_not_paid_and_what_comes_later_is() {
    let stage = one_partition().await;
    send(&stage, &["o-0", "o-1", "o-2"]).await;
    work(&stage, 3).await;
    send(&stage, &["skipped-3", "skipped-4"]).await;
    let refused = offsets(&stage, "reset --to-latest", &BY_ADA).await;
    assert_eq!(refused.code, Some(5), "{refused:?}");
    for told in ["up to 2 records would be SKIPPED", "2 of partition 0", "never paid", "--skip-unread"] {
        assert!(refused.err.contains(told), "{told}: {refused:?}");
    }
    let unasked = offsets(&stage, "reset --to-latest --skip-unread --actor ada --reason test", &[]).await;
    assert!(
        unasked.code == Some(1) && unasked.err.contains("--yes") && unasked.err.contains("never paid"),
        "{unasked:?}"
    );
    assert_eq!(positions(&stage).await, (json!(3), json!(3)));

    let set = offsets(&stage, "reset --to-latest --skip-unread", &BY_ADA).await;
    assert_eq!((set.code, positions(&stage).await), (Some(0), (json!(5), json!(5))), "{set:?}");
    let done = offsets(&stage, "reset --to-latest --skip-unread", &BY_ADA).await;
    assert_eq!((done.code, done.err.contains("stands there already")), (Some(0), true), "{done:?}");
    send(&stage, &["o-5"]).await;
    work(&stage, 4).await;
    assert_eq!(charges(&stage), 4, "the skipped ones are not paid");

    // It was a mistake: what was skipped is read after all, and only that is charged.
    let set = offsets(&stage, "reset --to-offset 0:3", &BY_ADA).await;
    assert_eq!((set.code, positions(&stage).await), (Some(0), (json!(3), json!(3))), "{set:?}");
    work(&stage, 6).await;
    assert_eq!(charges(&stage), 6);
    stage.account().await.assert_balanced(6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_set_to_the_first_record_that_is_not_older_than_a_moment() {
    let stage = one_partition().await;
    send(&stage, &["o-0", "o-1"]).await;
    work(&stage, 2).await;
    let moment = rfc3339(SystemClock.now());
    send(&stage, &["o-2", "o-3"]).await;
    work(&stage, 4).await;
    let set = offsets(&stage, "reset --to-time", &[&[moment.as_str()], BY_ADA.as_slice()].concat()).await;
    assert_eq!((set.code, positions(&stage).await), (Some(0), (json!(2), json!(2))), "{set:?}");
    work(&stage, 4).await;
    let all = offsets(&stage, "reset --to-time 1h --dry-run --json", &[]).await;
    assert_eq!((all.code, &all.json()["partitions"][0]["to"]), (Some(0), &json!(0)), "{all:?}");
    let later = offsets(&stage, "reset --to-time 2999-01-01T00:00:00Z --dry-run", &[]).await;
    assert_eq!((later.code, later.err.contains("in the future")), (Some(1), true), "{later:?}");
    assert_eq!(charges(&stage), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_in_one_message_and_nothing_is_done() {
    let stage = one_partition().await;
    send(&stage, &["o-0", "o-1"]).await;
    work(&stage, 2).await;
    for (line, code, told) in [
        ("reset --to-offset 0:3", 1, "offset 3 is not in partition 0: its log begins at 0 and ends at 2"),
        ("reset --to-offset 7:0", 1, "has no partition 7"),
        ("reset --to-earliest --partition 7", 1, "has no partition 7"),
        ("reset --to-offset 1", 1, "does not say of which partition"),
        ("reset --to-offset 0:one", 2, "as 0:1500"),
        ("reset --to-time yesterday", 2, "as 2026-01-31T12:00:00Z"),
        ("reset --to-earliest --to-latest", 2, "cannot be used with"),
        ("reset", 2, "--to-earliest"),
    ] {
        let said = offsets(&stage, line, &BY_ADA).await;
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{line}: {said:?}");
        assert!(said.err.contains(told), "{line}: {said:?}");
    }
    let anonymous = offsets(&stage, "reset --to-earliest --yes", &[]).await;
    assert_eq!((anonymous.code, anonymous.err.contains("--actor")), (Some(2), true), "{anonymous:?}");
    let elsewhere = offsets(&stage, "show --set kafka.request_topic=no-such-topic", &[]).await;
    assert_eq!((elsewhere.code, elsewhere.err.contains("no-such-topic")), (Some(1), true), "{elsewhere:?}");
    assert_eq!(positions(&stage).await, (json!(2), json!(2)));
    assert_eq!(stage.setup.database.count("SELECT count(*) FROM journal WHERE subject LIKE 'offsets/%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_was_cut_off_skips_nothing_and_is_ended_by_the_same_command() {
    let stage = one_partition().await;
    send(&stage, &["o-0", "o-1", "o-2"]).await;
    work(&stage, 3).await;

    // Back: Kafka has its offset, the database has not been set.
    stage.setup.topics.commit(&stage.setup.group, 0, 1);
    let shown = show(&stage).await;
    assert_eq!((&each(&shown, "next_start")[0], &each(&shown, "reason")[0]), (&json!(1), &json!("committed")));
    let ended = offsets(&stage, "reset --to-offset 0:1", &BY_ADA).await;
    assert_eq!((ended.code, positions(&stage).await), (Some(0), (json!(1), json!(1))), "{ended:?}");
    work(&stage, 3).await;

    // Forward: the same, and an instance starts before the command is repeated.
    send(&stage, &["o-3", "o-4"]).await;
    stage.setup.topics.commit(&stage.setup.group, 0, 5);
    let shown = show(&stage).await;
    assert_eq!((&each(&shown, "next_start")[0], &each(&shown, "reason")[0]), (&json!(3), &json!("restored_database")));
    work(&stage, 5).await;
    assert_eq!(charges(&stage), 5, "nothing was skipped, nothing was charged twice");

    // Forward: the same, and the command is repeated.
    send(&stage, &["skipped-5", "skipped-6"]).await;
    stage.setup.topics.commit(&stage.setup.group, 0, 7);
    let refused = offsets(&stage, "reset --to-latest", &BY_ADA).await;
    assert_eq!(refused.code, Some(5), "{refused:?}");
    let ended = offsets(&stage, "reset --to-latest --skip-unread", &BY_ADA).await;
    assert_eq!((ended.code, positions(&stage).await), (Some(0), (json!(7), json!(7))), "{ended:?}");
    send(&stage, &["o-7"]).await;
    work(&stage, 6).await;
    assert_eq!(charges(&stage), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_known_as_that_after_its_group_was_set_back() {
    let mut stage = one_partition().await;
    send(&stage, &["o-0"]).await;
    work(&stage, 1).await;
    let backup = stage.setup.database.dump().await;
    send(&stage, &["o-1", "o-2"]).await;
    work(&stage, 3).await;
    let before = stage.account().await;
    stage.setup.database = backup.restore().await;
    let set = offsets(&stage, "reset --to-earliest", &BY_ADA).await;
    assert_eq!(set.code, Some(0), "{set:?}");
    let shown = show(&stage).await;
    let of = |name| each(&shown, name)[0].clone();
    assert_eq!((of("next_start"), of("horizon"), of("reason")), (json!(0), json!(3), json!("committed")));
    work(&stage, 3).await;
    let after = stage.account().await;
    assert_eq!((after.outcomes, after.statuses), (before.outcomes, before.statuses), "told or kept otherwise");
    assert_eq!((charges(&stage), after.ledger["intents"].as_u64()), (3, Some(3)), "nobody was charged again");
    assert_eq!(after.ledger["requests"]["list"], 1, "the gateway was asked first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_is_a_member_until_its_session_ends() {
    let stage = one_partition().await;
    send(&stage, &["o-0"]).await;
    let service = stage.setup.start();
    stage.settled(1, PATIENCE).await;
    service.kill().await;
    let refused = offsets(&stage, "reset --to-earliest", &BY_ADA).await;
    assert!(refused.code == Some(5) && refused.err.contains("until its session ends"), "{refused:?}");
    eventually("the group being empty", PATIENCE, async || (show(&stage).await["state"] == "Empty").then_some(()))
        .await;
    let set = offsets(&stage, "reset --to-earliest", &BY_ADA).await;
    assert_eq!((set.code, positions(&stage).await), (Some(0), (json!(0), json!(0))), "{set:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_requests_were_deleted_goes_on_where_a_person_says() {
    let stage = one_partition().await;
    send(&stage, &["o-0"]).await;
    work(&stage, 1).await;
    send(&stage, &["gone-1", "gone-2", "o-3"]).await;
    stage.setup.topics.delete_before(0, 3).await;
    let (code, log) = stage.setup.start().end().await;
    assert!(code == Some(1) && log.contains("order-payments offsets reset"), "{code:?}: {log}");
    let shown = offsets(&stage, "show --json", &[]).await;
    let row = &shown.json()["partitions"][0];
    assert_eq!((shown.code, &row["reason"], &row["next_start"]), (Some(4), &json!("outside_log"), &Value::Null));
    assert_eq!(row["gone"], 2);
    let people = offsets(&stage, "show", &[]).await;
    assert!(people.out.contains("requests 1..3 were deleted"), "{people:?}");
    eventually("the group being empty", PATIENCE, async || {
        (offsets(&stage, "reset --to-earliest --json", &BY_ADA).await.code == Some(0)).then_some(())
    })
    .await;
    assert_eq!(positions(&stage).await, (json!(3), json!(3)));
    work(&stage, 2).await;
    assert_eq!(charges(&stage), 2);
}
