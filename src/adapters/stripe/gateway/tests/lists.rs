//! The list of charges: what is asked for, and where the next page begins.

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
