//! Records that can never be paid: each a dead letter with a reason, nothing else disturbed.

use std::time::Duration;

use crate::flow::Stage;

fn body(order_id: &str, fields: &str) -> Vec<u8> {
    format!(r#"{{"order_id":"{order_id}",{fields}}}"#).into_bytes()
}

const GOOD: &str =
    r#""customer_email":"ada@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_card_visa""#;

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_record_is_a_dead_letter_and_the_good_ones_are_paid() {
    let with = |amount: &str, currency: &str, email: &str| {
        format!(
            r#""customer_email":"{email}","total_amount":{amount},"currency":{currency},"payment_method":"pm_card_visa""#
        )
    };
    let (mail, long_id) = ("ada@example.com", "x".repeat(200));
    let bad: Vec<(&str, Vec<u8>, &str)> = vec![
        ("undecodable", vec![0xff, 0xfe, 0x00], "undecodable"),
        ("empty", Vec::new(), "undecodable"),
        ("wrong-type", body("wrong-type", &with("[1]", "\"EUR\"", mail)), "contract"),
        (
            "no-currency",
            body("no-currency", r#""customer_email":"a@b.de","total_amount":"1","payment_method":"pm_1""#),
            "contract",
        ),
        ("odd-currency", body("odd-currency", &with("\"1.00\"", "\"EURO\"", mail)), "contract"),
        ("decimals", body("decimals", &with("\"1.001\"", "\"EUR\"", mail)), "contract"),
        ("zero", body("zero", &with("\"0\"", "\"EUR\"", mail)), "contract"),
        ("negative", body("negative", &with("-3", "\"EUR\"", mail)), "contract"),
        ("absurd", body("absurd", &with("1e30", "\"EUR\"", mail)), "contract"),
        ("no-mail", body("no-mail", &with("\"1.00\"", "\"EUR\"", "nobody")), "contract"),
        (&long_id, body(&long_id, GOOD), "contract"),
        ("other-key", body("another-id", GOOD), "key_mismatch"),
        ("huge", format!(r#"{{"order_id":"huge","padding":"{}"}}"#, "x".repeat(1_000_000)).into_bytes(), "contract"),
        ("good-1", body("good-1", &with("\"99.00\"", "\"EUR\"", mail)), "contradiction"),
    ];
    let stage = Stage::new("two-step", 0.0).await;
    let mut records = vec![("good-1".to_owned(), Some(body("good-1", GOOD)))];
    records.extend(bad.iter().map(|(key, value, _)| ((*key).to_owned(), Some(value.clone()))));
    records.push(("null".to_owned(), None));
    records.push(("good-2".to_owned(), Some(body("good-2", GOOD))));
    stage.setup.topics.send(&records).await;

    let service = stage.setup.start();
    stage.settled(2, Duration::from_mins(1)).await;
    let log = service.stop().await;
    assert!(!log.contains("@example.com"), "an e-mail address in the log");

    let dead = stage.setup.topics.read(&stage.setup.topics.dead_letters);
    assert_eq!(dead.len(), bad.len() + 1);
    let null = dead.iter().find(|letter| letter.key == "null").expect("a dead letter of the record without a value");
    assert_eq!((null.header("order-payments-reason"), &null.value), (Some("no_value"), &None));
    for (key, value, reason) in &bad {
        let letter = dead.iter().find(|letter| letter.key == *key).unwrap_or_else(|| panic!("no dead letter of {key}"));
        assert_eq!(letter.header("order-payments-reason"), Some(*reason), "{key}");
        assert_eq!(letter.value.as_ref(), Some(value), "{key}");
        assert_eq!(letter.header("ce_type"), Some("payment-requested"), "{key}");
        assert_eq!(letter.header("__dlq.errors.topic"), Some(stage.setup.topics.requests.as_str()), "{key}");
        let message = letter.header("__dlq.errors.message").expect("a message for a person");
        assert!(!message.is_empty() && !message.contains("ada@example.com"), "{key}: {message}");
    }
    stage.account().await.assert_balanced(2);
}
