//! Looking at dead letters and leaving them: filters, safety, one decision each, and what is not understood.

use serde_json::Value;

use crate::flow::Stage;
use crate::flow::commands::dead_letters::samples::{Sample, write};
use crate::flow::commands::dead_letters::{BY_ADA, REDRIVE_ALL, desk, redrive, without_currency};
use crate::flow::commands::requested;

async fn with_letters(letters: &[Sample]) -> Stage {
    let stage = Stage::new("two-step", 0.0).await;
    let topics = &stage.setup.topics;
    topics.create_topic(&topics.dead_letters).await;
    write(topics, &topics.dead_letters, letters).await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_found_by_reason_dialect_time_and_order() {
    let of = |dialect: &str, key: &str| Sample::of(dialect, key, &without_currency("o-9", "10"), "t", 0);
    let stage = with_letters(&[of("order-payments", "o-1"), of("spring", "o-2"), of("connect", "o-1")]).await;
    let desk = desk(&stage);
    for (filter, expected) in [
        ("", 3),
        ("--refused-for contract", 1),
        ("--refused-for foreign", 2),
        ("--refused-for undecodable", 0),
        ("--dialect spring", 1),
        ("--dialect watermill", 0),
        ("--order-id o-1", 2),
        ("--order-id o-9", 3),
        ("--order-id o-1 --dialect connect", 1),
        ("--from 1h", 3),
        ("--to 1h", 0),
        ("--from 2020-01-01T00:00:00Z --to 2020-01-02T00:00:00Z", 0),
        ("0/1", 1),
        ("0/0 0/2", 2),
    ] {
        let said = desk.call(&format!("dead-letters list --json {filter}")).await;
        assert_eq!((said.code, &said.json()["letters"]), (Some(0), &Value::from(expected)), "{filter}: {said:?}");
    }
    let short = desk.call("dead-letters list --json --limit 2").await.json();
    assert_eq!((&short["letters"], short["shown"].as_array().map(Vec::len)), (&Value::from(3), Some(2)), "{short}");
    assert_eq!(short["shown"][0]["key"], "o-1", "the oldest first");
    let table = desk.call("dead-letters list").await;
    assert!(
        table.out.contains("3 dead letters: 1 contract, 2 foreign") && table.out.contains("spring"),
        "{}",
        table.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_shown_whole_without_addresses_and_without_moving_the_cursor() {
    let value =
        "{\"order_id\":\"o-1\",\"customer_email\":\"ada@example.com\",\"total_amount\":12.50,\"note\":\"\u{9b}31m\"}";
    let letter = Sample::of("connect", "o-1", value, "orders", 3)
        .with_header("x-mail", b"ada@example.com")
        .with_header("x-bell\u{1b}[2J", b"\x07\x1b[31m\xff");
    let other = Sample::of("smallrye", "bob@example.com", "not JSON\u{1b}]0;title\u{7}", "orders", 0);
    let stage = with_letters(&[letter, other]).await;
    let desk = desk(&stage);
    for line in ["dead-letters show 3/0", "dead-letters show 3/0 --json", "dead-letters show 0/0", "dead-letters list"]
    {
        let said = desk.call(line).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(!said.out.contains("@example.com"), "an address in {line}: {}", said.out);
        let unsafe_letters: Vec<char> =
            said.out.chars().filter(|letter| letter.is_control() && *letter != '\n').collect();
        assert!(unsafe_letters.is_empty(), "{line}: {unsafe_letters:?}");
    }
    let shown = desk.call("dead-letters show 3/0").await.out;
    for told in
        ["\"total_amount\": 12.50", "[e-mail]", r"\u{7}\u{1b}[31m\xff", "orders 3/7", "not JSON", "still refused"]
    {
        assert!(shown.contains(told), "{told} is not in {shown}");
    }
    let revealed = desk.call("dead-letters show 3/0 --reveal").await;
    assert!(revealed.out.contains("ada@example.com"), "{revealed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_tells_what_it_would_be_today() {
    let body = |order_id: &str| String::from_utf8(requested(order_id).1.expect("a value")).expect("text");
    let other_terms = body("o-1").replace("12.50", "99.00");
    let letters = [body("o-1"), body("o-2"), other_terms].map(|value| {
        let key = if value.contains("o-2") { "o-2" } else { "o-1" };
        Sample::of("streams", key, &value, "t", 0)
    });
    let stage = with_letters(&letters).await;
    let service = stage.setup.start();
    stage.setup.topics.send(&[requested("o-1")]).await;
    stage.settled(1, super::PATIENCE).await;
    service.stop().await;
    for (offset, expected) in ["paid", "unknown", "contradicts"].into_iter().enumerate() {
        let shown = desk(&stage).call(&format!("dead-letters show 0/{offset} --json")).await.json();
        let today = (&shown["today"]["would_be"], &shown["today"]["order"]);
        assert_eq!(today, (&Value::from("request"), &Value::from(expected)), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_is_decided_for_good_and_stays_on_the_topic() {
    let of = |key: &str| Sample::of("watermill", key, &without_currency(key, "10"), "t", 0);
    let stage = with_letters(&[of("o-1"), of("o-2"), of("o-3")]).await;
    let (desk, topics) = (desk(&stage), &stage.setup.topics);
    let unasked = desk.call_with("dead-letters discard 0/1", &BY_ADA).await;
    assert_eq!((unasked.code, unasked.err.contains("--yes")), (Some(1), true), "{unasked:?}");
    let discarded = desk.call_with("dead-letters discard 0/1 --yes --json", &BY_ADA).await;
    assert_eq!((discarded.code, &discarded.json()["discarded"]), (Some(0), &Value::from(1)), "{discarded:?}");
    let again = desk.call_with("dead-letters discard 0/1 --yes --json", &BY_ADA).await;
    assert_eq!((&again.json()["discarded"], &again.json()["decided_before"]), (&Value::from(0), &Value::from(1)));
    let redriven = redrive(&desk, REDRIVE_ALL).await.json();
    let counts = (&redriven["redriven"], &redriven["left_out"]["decided_before"]);
    assert_eq!(counts, (&Value::from(2), &Value::from(1)), "{redriven}");
    let undone = desk.call_with("dead-letters discard --all --yes --json", &BY_ADA).await.json();
    assert_eq!((&undone["discarded"], &undone["decided_before"]), (&Value::from(0), &Value::from(3)), "{undone}");
    assert_eq!(desk.call("dead-letters list --json").await.json()["letters"], 0);
    let all = desk.call("dead-letters list --all --json").await.json();
    let states: Vec<_> = all["shown"].as_array().expect("letters").iter().map(|letter| &letter["state"]).collect();
    assert_eq!(states, ["redriven", "discarded", "redriven"], "{all}");
    assert_eq!((topics.count(&topics.dead_letters), topics.count(&topics.requests)), (3, 2));
    for seen in topics.read(&topics.requests) {
        let names: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
        let redriven = ["order-payments-first-failed-at", "order-payments-redrives"];
        assert_eq!(names, [&["ce_specversion", "ce_type", "ce_id"][..], &redriven].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_makes_no_sense_is_said_in_one_line_and_nothing_is_done() {
    let stage = with_letters(&[Sample::of("spring", "o-1", "{}", "t", 0)]).await;
    let (desk, topics) = (desk(&stage), &stage.setup.topics);
    let lines = [
        ("dead-letters show 0/1", 1, "goes from 0 to 0"),
        ("dead-letters show 1/0", 1, "is empty"),
        ("dead-letters show 99/0", 1, "has 6 partitions"),
        ("dead-letters show 0", 2, "PARTITION/OFFSET"),
        ("dead-letters show 0/0 --topic nowhere", 1, "nowhere"),
        ("dead-letters list --refused-for astrology", 2, "key_mismatch"),
        ("dead-letters list --dialect rabbit", 2, "watermill"),
        ("dead-letters list --from yesterday", 2, "2h"),
        ("dead-letters list --from 1h --to 2h", 2, "--to lies before --from"),
        ("dead-letters list --from 2999-01-01T00:00:00Z", 2, "future"),
        ("dead-letters list 0/0 --dialect spring", 2, "not both"),
        ("dead-letters list --limit 0", 2, "--limit"),
        ("dead-letters list --source-config nowhere.toml", 1, "nowhere.toml"),
        ("dead-letters redrive --yes --actor ada --reason r", 2, "say which letters"),
        ("dead-letters redrive --all 0/0 --yes --actor ada --reason r", 2, "say which letters"),
        ("dead-letters redrive --all --yes", 2, "--actor"),
        ("dead-letters redrive --all --actor ada --reason r", 1, "--yes"),
        ("dead-letters redrive 0/7 --yes --actor ada --reason r", 1, "goes from 0 to 0"),
        ("dead-letters redrive --all --yes --to-topic nowhere --actor ada --reason r", 1, "nowhere"),
        ("dead-letters discard --yes --actor ada --reason r", 2, "say which letters"),
    ];
    for (line, code, told) in lines {
        let said = desk.call(line).await;
        assert_eq!((said.code, said.err.contains(told)), (Some(code), true), "{line}: {said:?}");
        assert!(said.out.is_empty(), "{line}: {said:?}");
    }
    let looped = desk.call_with(&format!("{REDRIVE_ALL} --to-topic {}", topics.dead_letters), &BY_ADA).await;
    assert_eq!((looped.code, looped.err.contains("no topic of requests")), (Some(1), true), "{looped:?}");
    assert_eq!((topics.count(&topics.dead_letters), topics.count(&topics.requests)), (1, 0));
    let journal = "SELECT count(*) FROM journal WHERE subject LIKE 'dead-letter/%'";
    assert_eq!(stage.setup.database.count(journal).await, 0);
}
