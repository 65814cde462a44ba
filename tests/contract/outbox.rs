//! The contract of `Outbox`, clause by clause.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use order_payments::adapters::wire::outcome::encode;
use order_payments::domain::order::OrderStatus;
use order_payments::ports::order_repository::Settling;
use order_payments::ports::outbox::{Adopted, FoundEvent, KeptEvent, OutcomeEvent, Position, Published};

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{armed, failed, id, paid};

every_repository_keeps!(
    a_settlement_leaves_its_event_with_its_bytes,
    unpublished_events_come_oldest_first,
    a_published_event_is_not_unpublished_again,
    marking_again_changes_nothing,
    an_unknown_event_may_be_marked,
    publishing_only_raises_a_position,
    reading_stores_the_position_as_it_is,
    reading_lowers_nothing_that_a_relay_raised_meanwhile,
    reading_raises_nothing_that_was_restored_meanwhile,
    a_position_belongs_to_its_topic,
    the_storage_has_one_name,
    an_order_tells_its_events_and_which_are_published,
    a_known_event_that_is_found_is_marked,
    a_known_event_that_is_found_with_other_bytes_is_marked,
    an_unknown_event_that_is_found_is_stored_as_published,
    an_event_that_is_found_twice_is_one,
    a_settlement_that_was_told_before_publishes_nothing,
    a_settlement_that_was_told_otherwise_stores_nothing,
    one_relay_leads,
    a_lead_ends_with_its_lease,
    a_relay_that_resigns_frees_the_lead,
    a_relay_cannot_resign_for_another,
);

const TOPIC: &str = "outcomes";
const LEASE: Duration = Duration::from_mins(10);

async fn a_settlement_leaves_its_event_with_its_bytes(database: &Database) {
    let store = database.open().await;
    let (one, two) = (paid(&armed(&*store, "ord_1").await), failed(&armed(&*store, "ord_2").await));
    store.settle(&one).await.expect("settled");
    store.settle(&two).await.expect("settled");
    let events = store.unpublished(10).await.expect("read");
    assert_eq!(events, [encode(&one.outcome), encode(&two.outcome)]);
}

async fn unpublished_events_come_oldest_first(database: &Database) {
    let store = database.open().await;
    for name in ["ord_b", "ord_c", "ord_a"] {
        settled(&*store, name).await;
    }
    let events = store.unpublished(2).await.expect("read");
    assert_eq!(names(&events), ["ord_b", "ord_c"]);
}

async fn a_published_event_is_not_unpublished_again(database: &Database) {
    let store = database.open().await;
    let (one, _) = (settled(&*store, "ord_1").await, settled(&*store, "ord_2").await);
    store.mark_published(TOPIC, &[at(&one, 3, 41)]).await.expect("marked");
    assert_eq!(names(&store.unpublished(10).await.expect("read")), ["ord_2"]);
    assert_eq!(store.positions(TOPIC).await.expect("read"), [Position { partition: 3, next_offset: 42 }]);
}

async fn marking_again_changes_nothing(database: &Database) {
    let store = database.open().await;
    let one = settled(&*store, "ord_1").await;
    for _ in 0..2 {
        store.mark_published(TOPIC, &[at(&one, 0, 7)]).await.expect("marked");
    }
    assert_eq!(store.unpublished(10).await.expect("read"), []);
    assert_eq!(store.positions(TOPIC).await.expect("read"), [Position { partition: 0, next_offset: 8 }]);
}

async fn an_unknown_event_may_be_marked(database: &Database) {
    let (store, elsewhere) = (database.open().await, Database::create(crate::contract::database::Kind::Memory).await);
    let unknown = settled(&*elsewhere.open().await, "ord_9").await;
    store.mark_published(TOPIC, &[at(&unknown, 1, 1)]).await.expect("marked");
    store.mark_published(TOPIC, &[]).await.expect("nothing to mark");
    assert_eq!(store.positions(TOPIC).await.expect("read"), [Position { partition: 1, next_offset: 2 }]);
}

async fn publishing_only_raises_a_position(database: &Database) {
    let store = database.open().await;
    let events = [settled(&*store, "ord_1").await, settled(&*store, "ord_2").await];
    let batch = [at(&events[0], 2, 9), at(&events[1], 2, 5), at(&events[1], 0, 0)];
    store.mark_published(TOPIC, &batch).await.expect("marked");
    store.mark_published(TOPIC, &[at(&events[0], 2, 3)]).await.expect("marked");
    let raised = [Position { partition: 0, next_offset: 1 }, Position { partition: 2, next_offset: 10 }];
    assert_eq!(store.positions(TOPIC).await.expect("read"), raised);
}

async fn reading_stores_the_position_as_it_is(database: &Database) {
    let store = database.open().await;
    let event = settled(&*store, "ord_1").await;
    store.mark_published(TOPIC, &[at(&event, 2, 9)]).await.expect("marked");
    let known = store.positions(TOPIC).await.expect("read");
    let read = [Position { partition: 1, next_offset: 7 }, Position { partition: 2, next_offset: 0 }];
    store.adopt(TOPIC, &[], &known, &read).await.expect("adopted");
    assert_eq!(store.positions(TOPIC).await.expect("read"), read, "the topic may have been made anew");
}

async fn reading_lowers_nothing_that_a_relay_raised_meanwhile(database: &Database) {
    let store = database.open().await;
    let event = settled(&*store, "ord_1").await;
    store.mark_published(TOPIC, &[at(&event, 0, 4)]).await.expect("marked");
    let known = store.positions(TOPIC).await.expect("read");
    store.mark_published(TOPIC, &[at(&event, 0, 9), at(&event, 1, 2)]).await.expect("marked");
    let up_to =
        |zeroth, first| [Position { partition: 0, next_offset: zeroth }, Position { partition: 1, next_offset: first }];
    store.adopt(TOPIC, &[], &known, &up_to(7, 0)).await.expect("adopted");
    assert_eq!(store.positions(TOPIC).await.expect("read"), up_to(10, 3), "the relay knows better");
    store.adopt(TOPIC, &[], &known, &up_to(12, 5)).await.expect("adopted");
    assert_eq!(store.positions(TOPIC).await.expect("read"), up_to(12, 5), "unless more was read than it wrote");
}

async fn reading_raises_nothing_that_was_restored_meanwhile(database: &Database) {
    let store = database.open().await;
    let event = settled(&*store, "ord_1").await;
    store.mark_published(TOPIC, &[at(&event, 0, 4)]).await.expect("marked");
    let before = [Position { partition: 0, next_offset: 90 }, Position { partition: 1, next_offset: 90 }];
    let up_to = [Position { partition: 0, next_offset: 99 }, Position { partition: 1, next_offset: 99 }];
    store.adopt(TOPIC, &[], &before, &up_to).await.expect("adopted");
    let restored = [Position { partition: 0, next_offset: 5 }];
    assert_eq!(store.positions(TOPIC).await.expect("read"), restored, "what lies between was not read");
}

async fn a_position_belongs_to_its_topic(database: &Database) {
    let store = database.open().await;
    let event = settled(&*store, "ord_1").await;
    store.mark_published(TOPIC, &[at(&event, 0, 9)]).await.expect("marked");
    assert_eq!(store.positions("outcomes-2").await.expect("read"), []);
    let read = [Position { partition: 0, next_offset: 3 }];
    store.adopt("outcomes-2", &[], &[], &read).await.expect("adopted");
    assert_eq!(store.positions("outcomes-2").await.expect("read"), read);
    assert_eq!(store.positions(TOPIC).await.expect("read"), [Position { partition: 0, next_offset: 10 }]);
}

async fn an_order_tells_its_events_and_which_are_published(database: &Database) {
    let store = database.open().await;
    let (one, other) = (settled(&*store, "ord_1").await, settled(&*store, "ord_2").await);
    store.mark_published(TOPIC, &[at(&one, 3, 41)]).await.expect("marked");
    let kept = |event: OutcomeEvent, is_published| vec![KeptEvent { event, is_published }];
    assert_eq!(store.events_of(&id("ord_1")).await.expect("read"), kept(one, true));
    assert_eq!(store.events_of(&id("ord_2")).await.expect("read"), kept(other, false));
    assert_eq!(store.events_of(&id("ord_3")).await.expect("read"), []);
}

async fn the_storage_has_one_name(database: &Database) {
    let instances = [database.open().await, database.open().await];
    let names = join_all((0..20).map(|racer| instances[racer % 2].identity())).await;
    let names: HashSet<String> = names.into_iter().map(|name| name.expect("an answer")).collect();
    assert_eq!(names.len(), 1, "all are told one name: {names:?}");
    assert!(names.contains(&database.open().await.identity().await.expect("an answer")), "and it stays");
    let elsewhere = Database::create(crate::contract::database::Kind::Memory).await;
    assert!(!names.contains(&elsewhere.open().await.identity().await.expect("an answer")), "no other has it");
}

async fn a_known_event_that_is_found_is_marked(database: &Database) {
    let store = database.open().await;
    let event = settled(&*store, "ord_1").await;
    let read = [Position { partition: 0, next_offset: 5 }];
    let adopted = store.adopt(TOPIC, &[found(&event, 4)], &[], &read).await.expect("adopted");
    assert_eq!(adopted, Adopted { marked: 1, stored: 0 });
    assert_eq!(store.unpublished(10).await.expect("read"), []);
    assert_eq!(store.positions(TOPIC).await.expect("read"), read);
    let again = store.adopt(TOPIC, &[found(&event, 4)], &[], &read).await.expect("adopted");
    assert_eq!(again, Adopted::default());
}

async fn a_known_event_that_is_found_with_other_bytes_is_marked(database: &Database) {
    let store = database.open().await;
    let event = settled(&*store, "ord_1").await;
    let other = OutcomeEvent { payload: b"{}".to_vec(), ..event };
    for marked in [1, 0] {
        let adopted = store.adopt(TOPIC, &[found(&other, 4)], &[], &[]).await.expect("adopted");
        assert_eq!(adopted, Adopted { marked, stored: 0 });
    }
    assert_eq!(store.unpublished(10).await.expect("read"), [], "it must not be published a second time");
}

async fn an_unknown_event_that_is_found_is_stored_as_published(database: &Database) {
    let (store, elsewhere) = (database.open().await, Database::create(crate::contract::database::Kind::Memory).await);
    let unknown = settled(&*elsewhere.open().await, "ord_9").await;
    let adopted = store.adopt(TOPIC, &[found(&unknown, 0)], &[], &[]).await.expect("adopted");
    assert_eq!(adopted, Adopted { marked: 0, stored: 1 });
    assert_eq!(store.unpublished(10).await.expect("read"), []);
}

async fn an_event_that_is_found_twice_is_one(database: &Database) {
    let (store, elsewhere) = (database.open().await, Database::create(crate::contract::database::Kind::Memory).await);
    let unknown = settled(&*elsewhere.open().await, "ord_9").await;
    let known = settled(&*store, "ord_1").await;
    let stretch = [found(&unknown, 0), found(&known, 1), found(&unknown, 2), found(&known, 3)];
    let adopted = store.adopt(TOPIC, &stretch, &[], &[]).await.expect("adopted");
    assert_eq!(adopted, Adopted { marked: 1, stored: 1 });
}

async fn a_settlement_that_was_told_before_publishes_nothing(database: &Database) {
    let store = database.open().await;
    let settlement = paid(&armed(&*store, "ord_1").await);
    store.adopt(TOPIC, &[found(&encode(&settlement.outcome), 0)], &[], &[]).await.expect("adopted");
    assert_eq!(store.settle(&settlement).await.expect("settled"), Settling::Stored);
    assert_eq!(store.unpublished(10).await.expect("read"), []);
}

async fn a_settlement_that_was_told_otherwise_stores_nothing(database: &Database) {
    let store = database.open().await;
    let armed = armed(&*store, "ord_1").await;
    store.adopt(TOPIC, &[found(&encode(&paid(&armed).outcome), 0)], &[], &[]).await.expect("adopted");
    let told = store.settle(&failed(&armed)).await.expect("an answer");
    assert_eq!(told, Settling::ToldOtherwise);
    let stored = store.get(&id("ord_1")).await.expect("read").expect("stored");
    assert_eq!(stored.status(), OrderStatus::Pending, "a person decides");
    assert_eq!(store.unpublished(10).await.expect("read"), []);
}

async fn one_relay_leads(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    assert!(one.lead("relay-1", LEASE).await.expect("an answer"));
    assert!(!other.lead("relay-2", LEASE).await.expect("an answer"));
    assert!(one.lead("relay-1", LEASE).await.expect("an answer"), "its own lead is kept");
}

async fn a_lead_ends_with_its_lease(database: &Database) {
    let store = database.open().await;
    assert!(store.lead("relay-1", LEASE).await.expect("an answer"));
    assert!(store.lead("relay-1", Duration::ZERO).await.expect("an answer"), "kept, until now");
    assert!(store.lead("relay-2", LEASE).await.expect("an answer"), "free from now on");
    assert!(!store.lead("relay-1", LEASE).await.expect("an answer"));
}

async fn a_relay_that_resigns_frees_the_lead(database: &Database) {
    let store = database.open().await;
    assert!(store.lead("relay-1", LEASE).await.expect("an answer"));
    store.resign("relay-1").await.expect("resigned");
    assert!(store.lead("relay-2", LEASE).await.expect("an answer"));
}

async fn a_relay_cannot_resign_for_another(database: &Database) {
    let store = database.open().await;
    assert!(store.lead("relay-1", LEASE).await.expect("an answer"));
    store.resign("relay-2").await.expect("no error");
    assert!(!store.lead("relay-2", LEASE).await.expect("an answer"));
}

async fn settled(store: &dyn Store, name: &str) -> OutcomeEvent {
    let settlement = paid(&armed(store, name).await);
    store.settle(&settlement).await.expect("settled");
    encode(&settlement.outcome)
}

fn at(event: &OutcomeEvent, partition: i32, offset: i64) -> Published {
    Published { event_id: event.id, partition, offset }
}

fn found(event: &OutcomeEvent, offset: i64) -> FoundEvent {
    FoundEvent { event: event.clone(), partition: 0, offset }
}

fn names(events: &[OutcomeEvent]) -> Vec<&str> {
    events.iter().map(|event| event.order_id.as_str()).collect()
}
