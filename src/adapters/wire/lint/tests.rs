//! Each rule broken once, several at once, and that the decoder and the linter are of one mind.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const EMAIL: &str = "canary@example.com";
const KEYED: Option<&[u8]> = Some(b"o-1");

fn good() -> Value {
    json!({ "order_id": "o-1", "customer_email": EMAIL, "total_amount": "12.50", "currency": "EUR",
            "payment_method": "pm_card_visa" })
}

fn binary() -> EventHeaders<'static> {
    EventHeaders::gather([
        ("ce_specversion", Some(&b"1.0"[..])),
        ("ce_type", Some(b"payment-requested")),
        ("ce_id", Some(b"e-1")),
        ("ce_time", Some(b"2026-01-02T03:04:05Z")),
    ])
}

fn structured() -> EventHeaders<'static> {
    EventHeaders::gather([("content-type", Some(&b"application/cloudevents+json"[..]))])
}

fn told_of(value: &[u8], headers: &EventHeaders<'_>) -> Linted {
    lint(KEYED, Some(value), headers, &DecodeOptions::default())
}

/// Where each problem is, and what it is.
fn problems_of(linted: &Linted) -> Vec<(Option<&str>, &str)> {
    match &linted.verdict {
        Verdict::Refused(problems) => {
            problems.iter().map(|problem| (problem.pointer.as_deref(), problem.message.as_str())).collect()
        }
        Verdict::Good | Verdict::OtherType => Vec::new(),
    }
}

fn hints_of(linted: &Linted) -> Vec<(&str, Option<&str>)> {
    linted.hints.iter().map(|hint| (hint.name, hint.pointer.as_deref())).collect()
}

#[test]
fn a_good_event_has_neither_problems_nor_hints() {
    let linted = told_of(good().to_string().as_bytes(), &binary());
    assert_eq!(linted, Linted { verdict: Verdict::Good, hints: Vec::new() });
}

#[test]
fn each_broken_rule_is_told_alone_with_its_place_and_its_remedy() {
    let cases = [
        ("order_id", json!("a b"), "the order id may only have letters, digits and . _ : / # -"),
        ("order_id", json!(7), "wrong type, expected a string"),
        ("customer_email", json!("nobody"), "the customer's e-mail address is not of the form name@domain.tld"),
        ("customer_email", json!(null), "wrong type, expected a string"),
        ("total_amount", json!("12.505"), "the amount has more decimals than EUR has (2)"),
        ("total_amount", json!("0"), "the amount must be more than zero"),
        ("total_amount", json!("twelve"), "the amount is not a decimal number"),
        ("total_amount", json!("99999999999.00"), "the amount is too large for a payment in EUR"),
        ("total_amount", json!([1]), "wrong type, expected a decimal string or a number"),
        ("currency", json!("eur"), "the currency is not an ISO 4217 code such as EUR"),
        ("currency", json!(978), "wrong type, expected a string"),
        ("currency", json!(null), "is missing, and no default is configured"),
        (
            "payment_method",
            json!("pm card"),
            "a payment method or customer reference has 1 to 255 visible ASCII characters",
        ),
        ("payment_method", json!(null), "is missing, and no default is configured"),
        ("customer", json!(""), "a payment method or customer reference has 1 to 255 visible ASCII characters"),
    ];
    for (field, value, message) in cases {
        let mut event = good();
        event[field] = value;
        let key = event["order_id"].as_str().map(str::as_bytes);
        let linted = lint(key, Some(event.to_string().as_bytes()), &binary(), &DecodeOptions::default());
        assert_eq!(problems_of(&linted), [(Some(format!("/{field}").as_str()), message)], "{event}");
        let Verdict::Refused(problems) = &linted.verdict else { panic!("{linted:?}") };
        assert!(problems.iter().all(|problem| !problem.remedy.is_empty()), "{problems:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let event = br#"{"order_id":"a b","order_id":"o","total_amount":"-1","currency":"eur","customer":5} {}"#;
    let expected = [
        (None, "the value has more after its JSON object"),
        (Some("/order_id"), "is there twice"),
        (Some("/customer_email"), "is missing"),
        (Some("/customer"), "wrong type, expected a string"),
        (Some("/currency"), "the currency is not an ISO 4217 code such as EUR"),
        (Some("/total_amount"), "the amount must be more than zero"),
        (Some("/payment_method"), "is missing, and no default is configured"),
    ];
    assert_eq!(problems_of(&told_of(event, &binary())), expected);
}

#[test]
fn problems_of_a_structured_event_are_where_they_are_in_the_whole() {
    let event = json!({ "specversion": "0.3", "type": "payment-requested", "id": "e", "time": "2026-01-02T03:04:05Z",
        "data_base64": "e30=", "data": { "order_id": "o-1", "customer_email": EMAIL, "total_amount": 1.5,
        "currency": "EURO", "payment_method": "pm" } });
    let linted = told_of(event.to_string().as_bytes(), &structured());
    let places: Vec<_> = problems_of(&linted).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [Some("/specversion"), Some("/data_base64"), Some("/data/currency")]);
    assert_eq!(hints_of(&linted), [("number-amount", Some("/data/total_amount"))]);
}

#[test]
fn what_cannot_be_read_at_all_is_told_once() {
    let value: [(&[u8], &str); 4] = [
        (b"", "the value is not valid JSON (line 1, column 0)"),
        (b"{\"order_id\": oops}", "the value is not valid JSON (line 1, column 14)"),
        (b"[\"o-1\",\"canary@example.com\",\"1\",\"EUR\",\"pm\"]", "the value is no JSON object"),
        (b"\"o-1\"", "the value is no JSON object"),
    ];
    for (value, message) in value {
        let linted = told_of(value, &binary());
        let told: Vec<_> = problems_of(&linted).into_iter().map(|(_, message)| message).collect();
        assert_eq!(told, [message]);
    }
    let nothing = lint(KEYED, None, &binary(), &DecodeOptions::default());
    assert_eq!(problems_of(&nothing), [(None, "the record has no value: there is nothing to pay")]);
    let batch = EventHeaders::gather([("content-type", Some(&b"application/cloudevents-batch+json"[..]))]);
    assert_eq!(problems_of(&told_of(b"[]", &batch)).len(), 1);
}

#[test]
fn another_key_is_told_beside_the_rest() {
    let mut event = good();
    event["currency"] = json!("eur");
    let linted = lint(Some(b"o-2"), Some(event.to_string().as_bytes()), &binary(), &DecodeOptions::default());
    let places: Vec<_> = problems_of(&linted).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [Some("/order_id"), Some("/currency")]);
}

#[test]
fn another_type_is_passed_over_without_a_word_about_it() {
    let headers = EventHeaders::gather([("ce_type", Some(&b"order-shipped"[..]))]);
    assert_eq!(told_of(b"nonsense", &headers), Linted { verdict: Verdict::OtherType, hints: Vec::new() });
}

#[test]
fn a_type_that_is_like_ours_is_hinted_at_and_no_other_is() {
    let alike = ["payment-requsted", "PaymentRequested", "payment_request", "com.example.payment.requested"];
    let others = ["order-shipped", "payment-refunded", "payment-paid", "payment-failed", ""];
    for (name, is_hinted) in alike.map(|name| (name, true)).into_iter().chain(others.map(|name| (name, false))) {
        let headers = EventHeaders::gather([("ce_type", Some(name.as_bytes()))]);
        let linted = told_of(b"{}", &headers);
        assert_eq!(linted.verdict, Verdict::OtherType, "{name}");
        assert_eq!(hints_of(&linted), if is_hinted { vec![("misspelt-type", None)] } else { Vec::new() }, "{name}");
    }
    let whole = told_of(br#"{"specversion":"1.0","type":"payment-requestd","data":{}}"#, &structured());
    assert_eq!(hints_of(&whole), [("misspelt-type", Some("/type"))]);
}

#[test]
fn what_is_better_done_otherwise_is_hinted_at() {
    let bare = lint(None, Some(good().to_string().as_bytes()), &EventHeaders::default(), &DecodeOptions::default());
    assert_eq!(bare.verdict, Verdict::Good);
    assert_eq!(hints_of(&bare), [("no-key", None), ("no-id", None), ("no-time", None)]);

    let odd = json!({ "orderId": "o-1", "customer_emial": EMAIL, "amount": "1", "currencies/~": "EUR", "note": EMAIL,
        "payment_method": "pm" });
    let linted = told_of(odd.to_string().as_bytes(), &binary());
    let names: Vec<_> = hints_of(&linted).into_iter().map(|(_, place)| place.unwrap_or_default()).collect();
    assert_eq!(names, ["/amount", "/customer_emial", "/orderId"]);

    let event = json!({ "specversion": "1.0", "type": "payment-requested", "data": good() });
    let linted = told_of(event.to_string().as_bytes(), &EventHeaders::default());
    assert!(hints_of(&linted).contains(&("unmarked-event", None)), "{linted:?}");
}

/// A member as producers get it wrong, or do not.
fn member() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![6 => prop::sample::select(FIELDS.to_vec()).prop_map(str::to_owned), 1 => "[a-z_]{0,8}"];
    let value = prop_oneof![
        4 => prop::sample::select(vec!["\"o-1\"", "\"canary@example.com\"", "\"12.50\"", "\"EUR\"", "\"pm_1\""]),
        2 => prop::sample::select(vec!["null", "12.5", "-1", "1e400", "true", "[]", "{}", "\"\"", "\"\\ud800\""]),
        1 => prop::sample::select(vec!["\"12.505\"", "\"eur\"", "\"a b\"", "\"\u{1}\"", "01", "oops"]),
    ];
    (name, value.prop_map(str::to_owned))
}

/// An event of which each field is mostly as it should be.
fn event() -> impl Strategy<Value = String> {
    let right = ["\"o-1\"", "\"canary@example.com\"", "\"12.50\"", "\"EUR\"", "\"pm_1\"", "\"cus_1\""];
    let fields: Vec<_> = FIELDS.iter().zip(right).map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let kept = prop::sample::subsequence(fields, 3..=FIELDS.len());
    let others = prop::collection::vec(member(), 0..3);
    let end = prop::sample::select(vec!["}", "}", "}", "} ", "} 1", ""]);
    (kept, others, end).prop_map(|(mut members, others, end)| {
        members.extend(others.into_iter().map(|(name, value)| format!("\"{name}\":{value}")));
        format!("{{{}{end}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_event_has_no_problems_if_and_only_if_the_service_takes_it(
        data in event(), key in prop::option::of("o-[12]"), in_envelope: bool, version in "1\\.0|0\\.3", kind in "payment-requested|other"
    ) {
        let whole = format!(r#"{{"specversion":"{version}","type":"{kind}","data":{data}}}"#);
        let (value, headers) = if in_envelope { (&whole, structured()) } else { (&data, binary()) };
        let (key, value) = (key.as_deref().map(str::as_bytes), Some(value.as_bytes()));
        let options = DecodeOptions { default_currency: "EUR".parse().ok(), ..DecodeOptions::default() };
        let linted = lint(key, value, &headers, &options);
        match decode(key, value, &headers, &options) {
            Ok(Decoded::Request(_)) => prop_assert_eq!(&linted.verdict, &Verdict::Good),
            Ok(Decoded::OtherType(_)) => prop_assert_eq!(&linted.verdict, &Verdict::OtherType),
            Err(first) => {
                let Verdict::Refused(problems) = &linted.verdict else { panic!("{first} is not told") };
                prop_assert!(problems.iter().any(|told| told.message == first.problem() && told.reason == first.reason));
            }
        }
        prop_assert!(!format!("{linted:?}").contains("canary"), "{linted:?}");
    }

    #[test]
    fn no_bytes_are_told_of_otherwise_than_they_are_read(value: Vec<u8>, key: Option<Vec<u8>>) {
        let linted = lint(key.as_deref(), Some(&value), &binary(), &DecodeOptions::default());
        let decoded = decode(key.as_deref(), Some(&value), &binary(), &DecodeOptions::default());
        prop_assert_eq!(decoded.is_ok(), linted.verdict == Verdict::Good);
    }
}
