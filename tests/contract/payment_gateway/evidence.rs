//! The clauses about what the journal is told.

use order_payments::adapters::simulator::faults::Fault;
use order_payments::adapters::simulator::request::Operation;
use order_payments::domain::evidence::Exchange;
use order_payments::domain::payment::ChargeFlow;

use crate::contract::payment_gateway::every_gateway_keeps;
use crate::contract::payment_gateway::world::{World, payment, payment_by};

every_gateway_keeps!(each_request_is_noted_with_what_it_came_to, nothing_private_is_noted);

async fn each_request_is_noted_with_what_it_came_to(world: &World) {
    let armed = world.armed(&payment("ord_1", ChargeFlow::TwoStep)).await;
    world.provider.inject_on(Operation::Confirm, Fault::CutAfter);
    assert!(world.charge(&armed).await.is_err());
    let reference = world.approved(&armed).await;
    world.look_up(armed.payment()).await.expect("seen");
    world.cancel(armed.payment(), &reference).await.expect("too late");

    let sent = world.sent();
    // A cancellation may have any key that is used once.
    let key = |note: &Exchange| note.key.clone().filter(|_| note.operation != "cancel");
    let keys: Vec<_> = sent.iter().map(key).collect();
    let noted = sent.iter().zip(&keys);
    let noted: Vec<_> = noted.map(|(note, key)| (note.operation, key.as_deref(), note.status, note.class)).collect();
    let expected = [
        ("prepare", Some("ord_1:1:prepare"), Some(200), "unconfirmed"),
        ("charge", Some("ord_1:1:charge"), None, "unknown"),
        ("charge", Some("ord_1:1:charge"), Some(200), "approved"),
        ("look_up", None, Some(200), "approved"),
        ("cancel", None, Some(400), "approved"),
    ];
    assert_eq!(noted, expected);
    assert_eq!(sent.iter().map(|note| note.is_replayed).collect::<Vec<_>>(), [false, false, true, false, false]);
    assert_eq!(sent[4].code.as_deref(), Some("payment_intent_unexpected_state"));
    assert!(sent.iter().all(|note| note.request_id.is_some() == note.status.is_some()), "{sent:?}");
}

async fn nothing_private_is_noted(world: &World) {
    let declined = payment_by("ord_1", "pm_card_chargeDeclinedLostCard", ChargeFlow::OneStep);
    world.declined(&world.armed(&declined).await).await;
    let sent = world.sent();
    assert_eq!(sent[0].code.as_deref(), Some("lost_card"));
    let told = format!("{sent:?}");
    for private in ["ada", "example.com", "sk_test", "pm_card", "1250", "Your card"] {
        assert!(!told.contains(private), "{told}");
    }
}
