//! The lists of charges and refunds: what is asked for, and where the next page begins.

use super::*;
use crate::ports::payment_gateway::Window;

#[tokio::test]
async fn a_page_of_charges_is_asked_for_by_whole_seconds() {
    let mut listed = intent("succeeded");
    listed["created"] = json!(1_700_000_000);
    let page = json!({"object": "list", "data": [listed], "has_more": true});
    let stage = Stage::set([Act::reply(200, &page), Act::reply(200, &json!({"data": [], "has_more": false}))]).await;
    let gateway = gateway(&stage.base());
    let at = |micros| Some(Timestamp::from_micros(micros));
    let window = Window { from: at(1_699_999_999_500_000), to: at(1_700_000_000_500_000) };
    let first = gateway.charges(window, None).await.expect("a page");
    assert_eq!(first.charges.len(), 1);
    assert_eq!(first.next, Some(reference()));
    let last = gateway.charges(Window { from: None, to: None }, first.next.as_ref()).await.expect("a page");
    assert_eq!((last.charges.len(), last.next), (0, None));
    let [one, two] = stage.requests().try_into().expect("two requests");
    let window = "created%5Bgte%5D=1699999999&created%5Blt%5D=1700000001";
    assert_eq!(one.line, format!("GET /v1/payment_intents?{window}&limit=100 HTTP/1.1"));
    assert_eq!(two.line, "GET /v1/payment_intents?limit=100&starting_after=pi_1 HTTP/1.1");
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_no_empty_page() {
    let odd = json!({"object": "list", "data": [{"id": "pi_1"}], "has_more": false});
    let stage = Stage::set([Act::reply(200, &odd)]).await;
    let answer = gateway(&stage.base()).charges(Window { from: None, to: None }, None).await;
    assert!(matches!(answer, Err(GatewayError::Unknown { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_page_of_refunds_is_asked_for_as_one_of_charges_is() {
    let foreign = json!({"id": "re_1", "object": "refund", "status": "succeeded", "amount": 500, "currency": "eur",
        "payment_intent": "pi_1", "metadata": {}, "created": 1_700_000_000});
    let page = json!({"object": "list", "data": [foreign], "has_more": true});
    let stage = Stage::set([Act::reply(200, &page), Act::reply(200, &json!({"data": [], "has_more": false}))]).await;
    let gateway = gateway(&stage.base());
    let window = Window { from: Some(Timestamp::from_micros(1_699_999_999_500_000)), to: None };
    let first = gateway.refunds(window, None).await.expect("a page");
    assert_eq!((first.refunds.len(), first.next.as_ref().map(ProviderToken::as_str)), (1, Some("re_1")));
    let last = gateway.refunds(window, first.next.as_ref()).await.expect("a page");
    assert_eq!((last.refunds.len(), last.next), (0, None));
    let lines: Vec<_> = stage.requests().into_iter().map(|request| request.line).collect();
    let page = "GET /v1/refunds?created%5Bgte%5D=1699999999&limit=100";
    assert_eq!(lines, [format!("{page} HTTP/1.1"), format!("{page}&starting_after=re_1 HTTP/1.1")]);
}
