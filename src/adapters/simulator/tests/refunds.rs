//! Refunds: whole, in parts, never more than was charged.

use super::*;
use crate::adapters::simulator::book::DECISION_TIME;

fn refund(bench: &Bench, id: &str, more: &str) -> (u16, Value) {
    bench.post("/v1/refunds", &format!("payment_intent={id}{more}"))
}

#[test]
fn parts_add_up_to_the_charge_and_no_further() {
    let bench = Bench::new();
    let id = bench.intent(PAY);
    let (_, first) = refund(&bench, &id, "&amount=1000&metadata[refund_id]=r-1");
    assert_eq!((text(&first["status"]), &first["amount"]), ("succeeded".into(), &1000.into()));
    let (status, error) = refund(&bench, &id, "&amount=251");
    assert_eq!((status, text(&error["error"]["param"])), (400, "amount".into()));
    let (_, rest) = refund(&bench, &id, "");
    assert_eq!(rest["amount"], 250, "what is left, where no amount is given");
    let (status, error) = refund(&bench, &id, "");
    assert_eq!((status, text(&error["error"]["code"])), (400, "charge_already_refunded".into()));
    let order = &bench.provider.ledger().orders["o-1"];
    assert_eq!((order.charged, order.refunded), (1250, 1250));
    assert_eq!(order.intents[0].refunds[0].refund_id.as_deref(), Some("r-1"));
}

#[test]
fn a_refund_under_the_same_key_is_made_once() {
    let bench = Bench::new();
    let form = format!("payment_intent={}&amount=500", bench.intent(PAY));
    bench.answer("/v1/refunds", &form, "r");
    assert!(bench.answer("/v1/refunds", &form, "r").replayed);
    assert_eq!(bench.provider.ledger().orders["o-1"].refunded, 500);
}

#[test]
fn what_was_not_charged_is_not_given_back() {
    let bench = Bench::new();
    let id = bench.intent(PREPARE);
    assert_eq!(refund(&bench, &id, "").0, 400);
    assert_eq!(refund(&bench, "pi_unknown", "").0, 404);
    for amount in ["0", "-1", "x"] {
        assert_eq!(refund(&bench, &id, &format!("&amount={amount}")).0, 400);
    }
    assert_eq!(bench.provider.totals().refunds, 0);
}

#[test]
fn refunds_are_listed_by_intent_newest_first() {
    let bench = Bench::new();
    let (id, other) = (bench.intent(PAY), bench.intent(PAY));
    for (id, name) in [(&id, "r-1"), (&other, "r-2"), (&id, "r-3")] {
        refund(&bench, id, &format!("&amount=100&metadata[refund_id]={name}"));
    }
    let (_, page) = bench.get("/v1/refunds", &format!("payment_intent={id}"));
    let names: Vec<_> =
        page["data"].as_array().expect("a list").iter().map(|r| text(&r["metadata"]["refund_id"])).collect();
    assert_eq!(names, ["r-3", "r-1"]);
    let refund_id = text(&page["data"][0]["id"]);
    assert_eq!(bench.get(&format!("/v1/refunds/{refund_id}"), "").1, page["data"][0]);
}

#[test]
fn a_refund_may_bounce_after_it_had_succeeded_and_its_money_can_be_given_back_anew() {
    for method in ["pm_card_visa", "pm_card_pendingRefund"] {
        let bench = Bench::new();
        let id = bench.intent(&PAY.replace("pm_card_visa", method));
        let (_, made) = refund(&bench, &id, "&metadata[refund_id]=r-1");
        assert!(bench.provider.fail_refund("r-1"));
        bench.wait(DECISION_TIME);
        let (_, seen) = bench.get(&format!("/v1/refunds/{}", text(&made["id"])), "");
        assert_eq!((text(&seen["status"]), seen["failure_reason"].is_null()), ("failed".into(), false));
        assert_eq!(bench.provider.ledger().orders["o-1"].refunded, 0);
        assert!(!bench.provider.fail_refund("r-1"), "it bounces once");
        assert_eq!(refund(&bench, &id, "").1["amount"], 1250);
    }
    assert!(!Bench::new().provider.fail_refund("re_unknown"));
}

#[test]
fn a_slow_refund_is_decided_later_and_a_failed_one_leaves_the_money() {
    for (method, status, refunded) in
        [("pm_card_pendingRefund", "succeeded", 1250), ("pm_card_refundFail", "failed", 0)]
    {
        let bench = Bench::new();
        let id = bench.intent(&PAY.replace("pm_card_visa", method));
        let (_, made) = refund(&bench, &id, "");
        assert_eq!(text(&made["status"]), "pending");
        bench.wait(DECISION_TIME);
        let (_, seen) = bench.get(&format!("/v1/refunds/{}", text(&made["id"])), "");
        assert_eq!(text(&seen["status"]), status);
        assert_eq!(bench.provider.ledger().orders["o-1"].refunded, refunded);
    }
}
