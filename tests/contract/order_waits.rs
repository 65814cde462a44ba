//! The contract of `OrderWaits`, clause by clause.

use std::time::Duration;

use order_payments::domain::outcome::{EventId, OutcomeKind};
use order_payments::ports::order_repository::UNATTENDED_AFTER;
use order_payments::ports::order_waits::Waits;
use order_payments::ports::outbox::Published;

use crate::contract::database::Database;
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, armed, id, paid};

every_repository_keeps!(
    an_unknown_order_waits_for_nothing,
    a_waiting_order_is_told_with_when_it_is_due,
    a_settled_order_waits_until_its_outcome_is_published,
);

async fn an_unknown_order_waits_for_nothing(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.waits_of(&id("ord_1")).await.expect("read"), Waits::default());
}

async fn a_waiting_order_is_told_with_when_it_is_due(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    let due = |due| Waits { due, unpublished: Vec::new() };
    assert_eq!(store.waits_of(&id("ord_1")).await.expect("read"), due(Some(NOW.plus(UNATTENDED_AFTER))));
    let later = NOW.plus(Duration::from_hours(3));
    store.park(&armed.payment().unresolved(), Some(later)).await.expect("parked");
    assert_eq!(store.waits_of(&id("ord_1")).await.expect("read"), due(Some(later)));
    store.park(&armed.payment().under_review("two charges".to_owned()), None).await.expect("parked");
    assert_eq!(store.waits_of(&id("ord_1")).await.expect("read"), due(None));
}

async fn a_settled_order_waits_until_its_outcome_is_published(database: &Database) {
    let store = database.open().await;
    for name in ["ord_1", "ord_2"] {
        store.settle(&paid(&armed(&*store, name).await)).await.expect("settled");
    }
    let event_id = EventId::of(&id("ord_1"), OutcomeKind::Paid);
    let waits = store.waits_of(&id("ord_1")).await.expect("read");
    assert_eq!(waits, Waits { due: None, unpublished: vec![event_id] });
    let published = Published { event_id, partition: 0, offset: 7 };
    store.mark_published("outcomes", &[published]).await.expect("marked");
    assert_eq!(store.waits_of(&id("ord_1")).await.expect("read"), Waits::default());
    assert_eq!(store.waits_of(&id("ord_2")).await.expect("read").unpublished.len(), 1);
}
