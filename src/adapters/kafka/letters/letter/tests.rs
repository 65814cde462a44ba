//! Samples of each dialect, as their writers make them.

use super::*;

const WRITTEN: Timestamp = Timestamp::from_micros(1_767_323_045_000_000); // 2026-01-02T03:04:05Z

type Sample<'a> = Vec<HeaderView<'a>>;

fn texts<'a>(pairs: &[(&'a str, &'a str)]) -> Sample<'a> {
    pairs.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect()
}

fn told(headers: &[HeaderView<'_>]) -> Letter {
    Letter::told(headers, Some(WRITTEN))
}

fn origin(letter: &Letter) -> (Option<&str>, Option<i32>, Option<i64>) {
    (letter.topic.as_deref(), letter.partition, letter.offset)
}

#[test]
fn our_own_letter_tells_everything() {
    let letter = told(&texts(&[
        ("ce_id", "7"),
        ("__dlq.errors.topic", "payments.requested"),
        ("__dlq.errors.partition", "3"),
        ("__dlq.errors.offset", "41"),
        ("__dlq.errors.group", "order-payments"),
        ("__dlq.errors.message", "/currency: is missing"),
        ("order-payments-reason", "contract"),
        ("order-payments-stage", "validate"),
        ("order-payments-first-failed-at", "2026-01-01T00:00:00Z"),
        ("order-payments-redrives", "2"),
    ]));
    assert_eq!(letter.dialect, Some(Dialect::OrderPayments));
    assert_eq!(origin(&letter), (Some("payments.requested"), Some(3), Some(41)));
    assert_eq!((letter.reason, letter.redrives), (Some(RejectionReason::Contract), 2));
    assert_eq!(letter.message.as_deref(), Some("/currency: is missing"));
    assert_eq!(letter.first_failed_at, Some(Timestamp::from_micros(1_767_225_600_000_000)));
    assert!(letter.is_original("ce_id") && !letter.is_original("order-payments-redrives"));
}

/// Who wrote it, what it looks like, what was wrong, and whether it tells partition and offset.
fn of_others() -> [(Dialect, Sample<'static>, &'static str, bool); 5] {
    [
        (
            Dialect::Kafka,
            texts(&[
                ("__dlq.errors.topic", "t"),
                ("__dlq.errors.partition", "3"),
                ("__dlq.errors.offset", "41"),
                ("__dlq.errors.group", "share"),
                ("__dlq.errors.delivery.count", "5"),
                ("__dlq.errors.message", "delivered too often"),
            ]),
            "delivered too often",
            true,
        ),
        (
            Dialect::Connect,
            texts(&[
                ("__connect.errors.topic", "t"),
                ("__connect.errors.partition", "3"),
                ("__connect.errors.offset", "41"),
                ("__connect.errors.connector.name", "sink"),
                ("__connect.errors.task.id", "0"),
                ("__connect.errors.stage", "VALUE_CONVERTER"),
                ("__connect.errors.class.name", "org.apache.kafka.connect.json.JsonConverter"),
                ("__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"),
                ("__connect.errors.exception.message", "no schema"),
                ("__connect.errors.exception.stacktrace", "at …"),
            ]),
            "no schema",
            true,
        ),
        (
            Dialect::Streams,
            texts(&[
                ("__streams.errors.exception", "java.lang.RuntimeException"),
                ("__streams.errors.message", "no field"),
                ("__streams.errors.topic", "t"),
                ("__streams.errors.partition", "3"),
                ("__streams.errors.offset", "41"),
            ]),
            "no field",
            true,
        ),
        (
            Dialect::SmallRye,
            texts(&[
                ("dead-letter-exception-class-name", "java.lang.RuntimeException"),
                ("dead-letter-reason", "it broke"),
                ("dead-letter-topic", "t"),
                ("dead-letter-partition", "3"),
                ("dead-letter-offset", "41"),
            ]),
            "it broke",
            true,
        ),
        (
            Dialect::Watermill,
            texts(&[("reason_poisoned", "cannot"), ("topic_poisoned", "t"), ("handler_poisoned", "h")]),
            "cannot",
            false,
        ),
    ]
}

#[test]
fn letters_of_others_tell_where_they_are_from_and_what_was_wrong() {
    for (dialect, headers, message, has_place) in of_others() {
        let letter = told(&headers);
        assert_eq!(letter.dialect, Some(dialect));
        let place = if has_place { (Some(3), Some(41)) } else { (None, None) };
        assert_eq!(origin(&letter), (Some("t"), place.0, place.1), "{dialect:?}");
        assert_eq!(
            (letter.message.as_deref(), letter.reason, letter.redrives),
            (Some(message), None, 0),
            "{dialect:?}"
        );
        assert_eq!(letter.first_failed_at, None, "nothing tells how old it is: {dialect:?}");
        assert!(headers.iter().all(|(name, _)| !letter.is_original(name)), "{dialect:?}");
        assert!(letter.is_original("ce_id") && letter.is_original("dead-letter-office"), "{dialect:?}");
    }
}

#[test]
fn springs_numbers_are_big_endian_and_its_record_is_older_than_its_letter() {
    let (partition, offset) = (3_i32.to_be_bytes(), 41_i64.to_be_bytes());
    let earlier = 1_767_225_600_000_i64.to_be_bytes();
    let letter = told(&[
        ("kafka_dlt-exception-fqcn", Some(b"java.lang.IllegalStateException")),
        ("kafka_dlt-exception-message", Some(b"")),
        ("kafka_dlt-original-topic", Some(b"t")),
        ("kafka_dlt-original-partition", Some(&partition)),
        ("kafka_dlt-original-offset", Some(&offset)),
        ("kafka_dlt-original-timestamp", Some(&earlier)),
        ("kafka_dlt-original-timestamp-type", Some(b"CreateTime")),
        ("kafka_dlt-original-consumer-group", Some(b"g")),
    ]);
    assert_eq!((letter.dialect, origin(&letter)), (Some(Dialect::Spring), (Some("t"), Some(3), Some(41))));
    assert_eq!(letter.message.as_deref(), Some("java.lang.IllegalStateException"));
    assert_eq!(letter.first_failed_at, Some(Timestamp::from_micros(1_767_225_600_000_000)));
}

#[test]
fn what_cannot_be_read_is_not_told() {
    let broken: [&[u8]; 6] = [b"", b"x", b"-1", b"\xff\xfe", b"99999999999999999999", &[0; 4096]];
    for value in broken {
        for dialect in
            ["__dlq.errors.", "__connect.errors.", "__streams.errors.", "kafka_dlt-original-", "dead-letter-"]
        {
            let names = ["partition", "offset", "timestamp"].map(|field| format!("{dialect}{field}"));
            let mut headers: Vec<HeaderView<'_>> = names.iter().map(|name| (name.as_str(), Some(value))).collect();
            headers.push((FIRST_FAILED_AT, Some(value)));
            headers.push((REDRIVES, Some(value)));
            let letter = told(&headers);
            assert_eq!(origin(&letter), (None, None, None), "{dialect} {value:?}");
            assert_eq!((letter.redrives, letter.first_failed_at), (0, None), "{dialect} {value:?}");
        }
    }
    let nothing = told(&[("__dlq.errors.message", None), ("order-payments-reason", None), (REDRIVES, None)]);
    assert_eq!((nothing.dialect, nothing.reason), (Some(Dialect::OrderPayments), None));
    let newer = told(&texts(&[("order-payments-reason", "astrology")]));
    assert_eq!((newer.dialect, newer.reason), (Some(Dialect::OrderPayments), None));
    assert_eq!(Letter::told(&[], None).first_failed_at, None);
}

#[test]
fn a_redriven_record_that_others_refuse_keeps_its_count_and_its_first_failure() {
    let letter = told(&texts(&[
        ("order-payments-first-failed-at", "2026-01-01T00:00:00Z"),
        ("order-payments-redrives", "1"),
        ("reason_poisoned", "cannot"),
    ]));
    assert_eq!((letter.dialect, letter.redrives), (Some(Dialect::Watermill), 1));
    assert_eq!(letter.first_failed_at, Some(Timestamp::from_micros(1_767_225_600_000_000)));
}

#[test]
fn a_time_behind_the_letter_itself_makes_no_record_younger() {
    let future = ("order-payments-first-failed-at", "2999-01-01T00:00:00Z");
    assert_eq!(told(&texts(&[future, ("order-payments-reason", "contract")])).first_failed_at, Some(WRITTEN));
    assert_eq!(told(&texts(&[future, ("reason_poisoned", "cannot")])).first_failed_at, None);
    let (later, earlier) = (4_000_000_000_000_i64.to_be_bytes(), 1_767_225_600_000_i64.to_be_bytes());
    let spring = |original, noted: &'static str| {
        let letter = told(&[
            (FIRST_FAILED_AT, Some(noted.as_bytes())),
            ("kafka_dlt-exception-message", Some(b"no")),
            ("kafka_dlt-original-timestamp", Some(original)),
        ]);
        letter.first_failed_at
    };
    let original = Some(Timestamp::from_micros(1_767_225_600_000_000));
    assert_eq!(spring(&earlier, "2026-01-02T00:00:00Z"), original, "the earlier of both");
    assert_eq!(spring(&earlier, future.1), original);
    assert_eq!(spring(&later, future.1), None);
}
