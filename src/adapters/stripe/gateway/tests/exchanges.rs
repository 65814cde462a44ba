//! What the journal is told of each request.

use super::*;
use crate::domain::evidence::Exchange;

#[tokio::test]
async fn every_try_is_noted_as_it_was_answered() {
    let limited = Act::reply(429, &failure("invalid_request_error", "rate_limit")).with_header("Request-Id: req_1");
    let replayed =
        Act::reply(200, &intent("succeeded")).with_header("Request-Id: req_2").with_header("Idempotent-Replayed: true");
    let stage = Stage::set([limited, replayed]).await;
    let mut sent = Exchanges::new();
    gateway(&stage.base()).charge(&armed(ChargeFlow::TwoStep), &mut sent).await.expect("an answer");
    let [first, second] = sent.try_into().expect("two exchanges");
    let key = Some("shop:ord_1/#1:1:charge".to_owned());
    let expected = Exchange {
        operation: "charge",
        key: key.clone(),
        digest: first.digest.clone(),
        status: Some(429),
        code: Some("rate_limit".to_owned()),
        request_id: Some("req_1".to_owned()),
        is_replayed: false,
        class: "retry",
        took_ms: first.took_ms,
    };
    assert_eq!(first, expected);
    let expected = Exchange {
        status: Some(200),
        code: None,
        request_id: Some("req_2".to_owned()),
        is_replayed: true,
        class: "approved",
        took_ms: second.took_ms,
        ..expected
    };
    assert_eq!(second, expected);
    assert_eq!(first.digest.len(), 64, "SHA-256, in hexadecimal");
}

#[tokio::test]
async fn a_request_without_an_answer_is_noted_too() {
    let stage = Stage::set([Act::Close]).await;
    let mut sent = Exchanges::new();
    let answer = gateway(&stage.base()).charge(&armed(ChargeFlow::OneStep), &mut sent).await;
    assert!(answer.is_err());
    let [lost] = sent.try_into().expect("one exchange");
    assert_eq!((lost.status, lost.class, lost.code, lost.request_id), (None, "unknown", None, None));
}

#[tokio::test]
async fn a_digest_stands_for_the_bytes() {
    let stage = Stage::set((0..4).map(|_| Act::reply(200, &intent("succeeded")))).await;
    let gateway = gateway(&stage.base());
    let mut sent = Exchanges::new();
    for armed in [armed(ChargeFlow::TwoStep), armed(ChargeFlow::TwoStep), armed(ChargeFlow::OneStep)] {
        gateway.charge(&armed, &mut sent).await.expect("an answer");
    }
    let dearer = paying("12.51", "EUR", ChargeFlow::OneStep).as_armed(NOW).expect("armed");
    assert!(gateway.charge(&dearer, &mut sent).await.is_err(), "another amount");
    let digests: Vec<_> = sent.iter().map(|exchange| exchange.digest.as_str()).collect();
    assert_eq!(digests[0], digests[1]);
    assert!(digests[0] != digests[2] && digests[2] != digests[3]);
    let told = format!("{sent:?}");
    for private in ["ada@", "example.com", "canary", "pm_card"] {
        assert!(!told.contains(private), "{told}");
    }
}
