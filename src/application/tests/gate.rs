//! Tests of the gate: closed by what refuses us, opened by a probe; by a person's word; by too much doubt.

use std::time::Duration;

use crate::adapters::simulator::faults::{Fault, Faults};
use crate::adapters::simulator::request::Operation as Request;
use crate::application::gatekeeper::change_by_hand;
use crate::application::process_payment::ProcessError;
use crate::application::tests::stage::{
    MAX_FAILURES, MAX_REFUSALS, MAX_UNRESOLVED, PROBE_INTERVAL, START, Stage, request_for,
};
use crate::domain::order::OrderStatus;
use crate::domain::payment::ChargeFlow;
use crate::ports::order_repository::OrderRepository;
use crate::ports::payment_gateway::GatewayError;

const VISA: &str = "pm_card_visa";

async fn handle(stage: &Stage, id: &str, method: &str) -> Result<(), ProcessError> {
    stage.service.handle(&request_for(id, method)).await.map(drop)
}

async fn look(stage: &Stage) {
    stage.keeper.round().await.expect("memory answers");
}

fn is_paused(stage: &Stage) -> bool {
    stage.keeper.valve().borrow().is_some()
}

fn requests(stage: &Stage) -> u64 {
    stage.provider.totals().requests.values().sum()
}

fn only(fault: Fault) -> Faults {
    Faults { shares: [(fault, 1.0)].into(), ..Faults::default() }
}

#[tokio::test]
async fn bad_credentials_close_the_gate_and_change_no_order() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.set_faults(only(Fault::Unauthorized));
    assert!(matches!(handle(&stage, "ord_1", VISA).await, Err(ProcessError::Gateway { .. })));
    assert!(is_paused(&stage), "intake goes on before the next look at the gate");
    look(&stage).await;
    let sent = requests(&stage);
    let answer = handle(&stage, "ord_2", VISA).await;
    assert!(matches!(answer, Err(ProcessError::Gateway { source: GatewayError::Closed { .. }, .. })));
    assert_eq!(requests(&stage), sent, "something was sent through a closed gate");
    assert_eq!(stage.orders.tally().await.expect("memory answers").pending, 2);

    for _ in 0..3 {
        stage.clock.advance(PROBE_INTERVAL);
        look(&stage).await;
    }
    assert!(is_paused(&stage), "a probe that is refused opens nothing");
    stage.provider.set_faults(Faults::default());
    stage.clock.advance(PROBE_INTERVAL);
    look(&stage).await;
    assert!(!is_paused(&stage));
    handle(&stage, "ord_1", VISA).await.expect("the gate is open");
    stage.assert_paid("ord_1").await;
    let journal = stage.store.gates.gate_journal("simulator").await.expect("memory answers");
    assert_eq!(journal.len(), 2, "closed and opened: {journal:?}");
}

#[tokio::test]
async fn another_instance_sees_the_gate_closed() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.inject(Fault::Unauthorized);
    assert!(handle(&stage, "ord_1", VISA).await.is_err());
    look(&stage).await;
    let closed = stage.store.gates.gate("simulator").await.expect("memory answers").closed;
    let closed = closed.expect("it is stored");
    assert_eq!((closed.since, closed.actor), (START, None));
}

#[tokio::test]
async fn what_a_person_closed_no_probe_opens() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    let gates = &*stage.store.gates;
    let change = async |close| {
        change_by_hand(gates, "simulator", close, "ada", "we count", START).await.expect("memory answers")
    };
    assert!(change(true).await);
    assert!(!change(true).await, "it is closed already");
    look(&stage).await;
    stage.clock.advance(PROBE_INTERVAL * 10);
    look(&stage).await;
    assert!(is_paused(&stage));
    assert!(handle(&stage, "ord_1", VISA).await.is_err());
    assert!(change(false).await);
    look(&stage).await;
    assert!(!is_paused(&stage));
    handle(&stage, "ord_1", VISA).await.expect("the gate is open");
}

#[tokio::test]
async fn customers_bad_payment_methods_never_close_the_gate() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    for number in 0..MAX_REFUSALS * 3 {
        handle(&stage, &format!("ord_{number}"), "pm_card_missing").await.expect("it fails, as it should");
    }
    look(&stage).await;
    assert!(!is_paused(&stage));
}

#[tokio::test]
async fn a_run_of_refusals_closes_the_gate_where_its_own_probe_is_refused_too() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    for number in 1..MAX_REFUSALS {
        handle(&stage, &format!("ord_{number}"), "pm_card_missing").await.expect("it fails");
    }
    // From here on the account itself is refused.
    stage.provider.set_faults(Faults { on: vec![Request::Balance], ..only(Fault::Unauthorized) });
    let answer = handle(&stage, "ord_last", "pm_card_missing").await;
    assert!(matches!(answer, Err(ProcessError::Gateway { source: GatewayError::Closed { .. }, .. })), "{answer:?}");
    assert!(is_paused(&stage));
    let last = "ord_last".parse().expect("an id");
    let stored = stage.orders.find(&last).await.expect("memory answers").expect("it was begun");
    assert_eq!(stored.order.status(), OrderStatus::Pending);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_left_alone_and_found_back() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    stage.provider.set_faults(only(Fault::CutBefore));
    for number in 0..MAX_FAILURES {
        let _parked = handle(&stage, &format!("ord_{number}"), VISA).await;
    }
    assert!(is_paused(&stage));
    let sent = requests(&stage);
    assert!(handle(&stage, "ord_more", VISA).await.is_err());
    look(&stage).await;
    assert_eq!(requests(&stage), sent, "it is not left alone");
    stage.provider.set_faults(Faults::default());
    stage.clock.advance(Duration::from_secs(1));
    look(&stage).await;
    assert!(!is_paused(&stage));
    handle(&stage, "ord_more", VISA).await.expect("it is back");
    stage.assert_paid("ord_more").await;
}

#[tokio::test]
async fn too_many_unknown_outcomes_pause_intake_until_they_are_fewer() {
    let stage = Stage::new(ChargeFlow::TwoStep);
    for number in 0..MAX_UNRESOLVED {
        stage.provider.inject_on(Request::Confirm, Fault::CutAfter);
        handle(&stage, &format!("ord_{number}"), VISA).await.expect("it waits");
        look(&stage).await;
        assert_eq!(is_paused(&stage), number + 1 == MAX_UNRESOLVED, "at {number}");
    }
    stage.reconcile_after(Duration::from_secs(10)).await;
    look(&stage).await;
    assert!(!is_paused(&stage));
}
