//! Payment intents: their states, their declines, and that each is charged once.

use super::*;
use crate::adapters::simulator::book::DECISION_TIME;

#[test]
fn an_intent_is_charged_once_however_often_it_is_confirmed() {
    let bench = Bench::new();
    let id = bench.intent(PREPARE);
    let (_, prepared) = bench.get(&format!("/v1/payment_intents/{id}"), "");
    assert_eq!((text(&prepared["status"]), &prepared["amount_received"]), ("requires_confirmation".into(), &0.into()));
    let (status, charged) = bench.confirm(&id);
    assert_eq!((status, text(&charged["status"])), (200, "succeeded".into()));
    assert_eq!(charged["amount_received"], 1250);
    assert!(text(&charged["latest_charge"]).starts_with("ch_"));

    let (status, error) = bench.confirm(&id);
    assert_eq!((status, text(&error["error"]["code"])), (400, "payment_intent_unexpected_state".into()));
    assert_eq!(error["error"]["payment_intent"], charged, "the intent itself is the evidence");
    assert_eq!(bench.provider.ledger().orders["o-1"].successes, 1);
}

#[test]
fn two_charged_intents_of_one_order_show_as_double_charged() {
    let bench = Bench::new();
    let (one, two) = (bench.intent(PREPARE), bench.intent(PREPARE));
    bench.confirm(&one);
    assert_eq!((bench.provider.totals().double_charged, bench.provider.ledger().double_charged.len()), (0, 0));
    bench.confirm(&two);
    let ledger = bench.provider.ledger();
    assert_eq!((ledger.totals.double_charged, ledger.double_charged.as_slice()), (1, &["o-1".to_owned()][..]));
    assert_eq!((ledger.orders["o-1"].successes, ledger.orders["o-1"].charged), (2, 2500));
}

#[test]
fn a_canceled_intent_is_never_charged() {
    let bench = Bench::new();
    let id = bench.intent(PREPARE);
    let cancel = format!("/v1/payment_intents/{id}/cancel");
    let (_, canceled) = bench.post(&cancel, "cancellation_reason=abandoned");
    assert_eq!(
        (text(&canceled["status"]), text(&canceled["cancellation_reason"])),
        ("canceled".into(), "abandoned".into())
    );
    for (status, error) in [bench.confirm(&id), bench.post(&cancel, "")] {
        assert_eq!((status, text(&error["error"]["code"])), (400, "payment_intent_unexpected_state".into()));
        assert_eq!(text(&error["error"]["payment_intent"]["status"]), "canceled");
    }
    assert_eq!(bench.provider.totals().charges, 0);
}

#[test]
fn a_charged_intent_cannot_be_canceled() {
    let bench = Bench::new();
    let id = bench.intent(PAY);
    let (status, error) = bench.post(&format!("/v1/payment_intents/{id}/cancel"), "");
    assert_eq!((status, text(&error["error"]["payment_intent"]["status"])), (400, "succeeded".into()));
}

#[test]
fn the_name_of_a_payment_method_says_how_it_is_declined() {
    let cases = [
        ("pm_card_visa_chargeDeclined", "card_declined", Some("generic_decline")),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", Some("insufficient_funds")),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", Some("lost_card")),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", Some("stolen_card")),
        ("pm_card_visa_chargeDeclinedDoNotHonor", "card_declined", Some("do_not_honor")),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ];
    for (method, code, decline_code) in cases {
        let bench = Bench::new();
        let (status, answer) = bench.post("/v1/payment_intents", &PAY.replace("pm_card_visa", method));
        let error = &answer["error"];
        assert_eq!((status, text(&error["type"]), text(&error["code"])), (402, "card_error".into(), code.into()));
        assert_eq!(error["decline_code"].as_str(), decline_code, "{method}");
        let intent = &error["payment_intent"];
        assert_eq!(text(&intent["status"]), "requires_payment_method");
        assert_eq!(text(&intent["last_payment_error"]["code"]), code);
        assert!(intent["payment_method"].is_null());
        assert_eq!(bench.provider.ledger().orders["o-1"].charged, 0);
    }
}

#[test]
fn a_declined_intent_needs_a_new_payment_method_and_can_then_be_charged() {
    let bench = Bench::new();
    let id = bench.intent(&PREPARE.replace("pm_card_visa", "pm_card_visa_chargeDeclined"));
    assert_eq!(bench.confirm(&id).0, 402);
    let (status, error) = bench.confirm(&id);
    assert_eq!((status, text(&error["error"]["code"])), (400, "payment_intent_unexpected_state".into()));
    let (status, intent) = bench.post(&format!("/v1/payment_intents/{id}/confirm"), "payment_method=pm_card_visa");
    assert_eq!((status, text(&intent["status"])), (200, "succeeded".into()));
    assert!(intent["last_payment_error"].is_null());
}

#[test]
fn authentication_is_asked_for_or_declined_where_nobody_is_there() {
    let form = PAY.replace("pm_card_visa", "pm_card_authenticationRequired");
    let bench = Bench::new();
    let (status, intent) = bench.post("/v1/payment_intents", &form);
    assert_eq!((status, text(&intent["status"])), (200, "requires_action".into()));
    for absent in ["off_session=true", "error_on_requires_action=true"] {
        let (status, answer) = bench.post("/v1/payment_intents", &format!("{form}&{absent}"));
        assert_eq!((status, text(&answer["error"]["code"])), (402, "authentication_required".into()));
    }
}

#[test]
fn a_bank_debit_is_decided_later() {
    for (method, status) in
        [("pm_usBankAccount_success", "succeeded"), ("pm_usBankAccount_insufficientFunds", "requires_payment_method")]
    {
        let bench = Bench::new();
        let id = bench.intent(&PAY.replace("pm_card_visa", method));
        let seen = || text(&bench.get(&format!("/v1/payment_intents/{id}"), "").1["status"]);
        assert_eq!(seen(), "processing");
        assert_eq!(bench.confirm(&id).0, 400, "it is under way already");
        bench.wait(DECISION_TIME);
        assert_eq!(seen(), status);
        assert_eq!(bench.provider.totals().charges, u64::from(status == "succeeded"));
    }
}

#[test]
fn manual_capture_takes_no_money() {
    let bench = Bench::new();
    let (_, intent) = bench.post("/v1/payment_intents", &format!("{PAY}&capture_method=manual"));
    assert_eq!(text(&intent["status"]), "requires_capture");
    assert_eq!((&intent["amount_received"], &intent["amount_capturable"]), (&0.into(), &1250.into()));
}

#[test]
fn bad_requests_are_refused_by_code_and_make_nothing() {
    let cases = [
        ("currency=eur", "parameter_missing", "amount"),
        ("amount=100", "parameter_missing", "currency"),
        ("amount=-5&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=1.5&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=49&currency=eur", "amount_too_small", "amount"),
        ("amount=100000000&currency=eur", "amount_too_large", "amount"),
        ("amount=100&currency=eur&payment_method=pm_x_missing", "resource_missing", "payment_method"),
        ("amount=100&currency=eur&confirm=true", "parameter_missing", "payment_method"),
    ];
    let bench = Bench::new();
    for (form, code, param) in cases {
        let (status, answer) = bench.post("/v1/payment_intents", form);
        let error = &answer["error"];
        assert_eq!((status, text(&error["type"])), (400, "invalid_request_error".into()), "{form}");
        assert_eq!((text(&error["code"]), text(&error["param"])), (code.into(), param.into()), "{form}");
    }
    assert_eq!(bench.provider.totals().intents, 0);
    assert_eq!(bench.confirm("pi_unknown").0, 404);
    assert_eq!(bench.get("/v1/customers", "").0, 404);
}

#[test]
fn a_share_of_orders_is_declined_always_the_same_ones() {
    let declined = |seed| -> Vec<u32> {
        let bench = Bench::with(ProviderConfig { seed, decline_share: 0.2, ..ProviderConfig::default() });
        let pay = |order: &u32| bench.post("/v1/payment_intents", &PAY.replace("o-1", &format!("o-{order}"))).0 == 402;
        (0..500).filter(pay).collect()
    };
    let first = declined(1);
    assert!((60..140).contains(&first.len()), "about a fifth: {}", first.len());
    assert_eq!(declined(1), first);
    assert_ne!(declined(2), first);
}

#[test]
fn the_key_says_whether_an_intent_is_live() {
    let bench = Bench::new();
    let request = Request::post("/v1/payment_intents", PREPARE, None);
    let live = Request { authorization: Some("Bearer sk_live_1"), ..request };
    let answer = bench.provider.handle(&live).answer.expect("an answer");
    assert_eq!(parsed(&answer).1["livemode"], true);
    let stranger = Request { authorization: Some("Bearer pk_test_1"), ..request };
    assert_eq!(bench.provider.handle(&stranger).answer.expect("an answer").status, 401);
}
