//! Tests of a payment that others meddle with: workers that race or die, services that tell other ends,
//! a database that refuses.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_racers_for_one_order_charge_it_once() {
    for flow in FLOWS {
        let stage = Arc::new(Stage::new(flow));
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let stage = Arc::clone(&stage);
            racers.spawn(async move { stage.service.handle(&request()).await });
        }
        let answers = racers.join_all().await;
        let settled = answers.iter().filter(|answer| matches!(answer, Ok(Settled::Now(_)))).count();
        assert_eq!(settled, 1, "{answers:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn a_late_refusal_fails_no_order_that_another_worker_charges() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let begin = async || stage.orders.begin(&request(), ChargeFlow::TwoStep, START).await.expect("memory answers");
    let (Begun::Prepare(late), Begun::Prepare(quick)) = (begin().await, begin().await) else { panic!("both prepare") };
    let Ok(Preparation::Prepared(reference)) = stage.gateway.prepare(&quick, &mut Vec::new()).await else {
        panic!("prepared")
    };
    let armed = stage.orders.arm(&quick, &reference, START, &Evidence::default()).await.expect("memory answers");
    let Standing::Armed(armed) = armed else { panic!("it may be charged") };
    assert!(matches!(stage.service.fail(&late, reason(), Evidence::default()).await, Ok(Settled::Later(_))));
    assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "CONFIRMING"));
    assert!(matches!(stage.service.charge(&armed, Evidence::default()).await, Ok(Settled::Now(_))));
    stage.assert_settled(OrderStatus::Paid).await;
}

#[tokio::test]
async fn a_payment_whose_worker_died_is_paid_by_reconciliation() {
    for (flow, step) in
        FLOWS.into_iter().flat_map(|flow| [(flow, (Step::Begin, Cut::After)), (flow, (Step::Settle, Cut::Before))])
    {
        let stage = Stage::new(flow);
        stage.orders.cut(step.0, step.1);
        assert!(stage.service.handle(&request()).await.is_err(), "and the record never comes again");
        assert_eq!(stage.reconcile_after(UNATTENDED_AFTER).await, 1, "{flow:?} {step:?}");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}

#[tokio::test]
async fn an_order_whose_other_end_was_told_is_reviewed_and_never_due() {
    for (request, told) in [(request(), OrderStatus::Failed), (declined(), OrderStatus::Paid)] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.adopt(told).await;
        assert!(matches!(stage.service.handle(&request).await, Ok(Settled::Later(_))));
        assert_eq!((stage.status().await, stage.state().await), (OrderStatus::Pending, "REVIEW"));
        assert_eq!(stage.orders.inner.unpublished(10).await.expect("memory answers"), []);
        assert_eq!(stage.reconcile_after(UNATTENDED_AFTER).await, 0);
        assert_eq!(stage.state().await, "REVIEW");
    }
}

#[tokio::test]
async fn only_what_was_never_begun_is_unstorable() {
    for (step, is_given_up) in [(Step::Begin, true), (Step::Arm, false), (Step::Settle, false)] {
        let stage = Stage::new(ChargeFlow::TwoStep);
        stage.orders.cut(step, Cut::Refused);
        let told = stage.service.handle(&request()).await.expect_err("the database refuses");
        assert_eq!(matches!(told, ProcessError::Unstorable(_)), is_given_up, "{step:?}: {told:?}");
        stage.service.handle(&request()).await.expect("the database takes it now");
        stage.assert_settled(OrderStatus::Paid).await;
    }
}
