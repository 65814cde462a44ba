//! The contract of `PositionRepository`, clause by clause.

use order_payments::ports::position_repository::HandledPosition;

use crate::contract::database::{Database, Store};
use crate::contract::every_repository_keeps;

every_repository_keeps!(
    positions_are_kept_for_every_instance,
    positions_are_never_taken_back,
    positions_are_set_wherever_a_person_wants_them_and_horizons_are_not,
    groups_and_topics_have_their_own_positions,
);

fn at(partition: i32, next_offset: i64, horizon: i64) -> HandledPosition {
    HandledPosition { partition, next_offset, horizon }
}

async fn positions(store: &dyn Store) -> Vec<HandledPosition> {
    store.positions_of("group", "requests").await.expect("read")
}

async fn positions_are_kept_for_every_instance(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    assert_eq!(positions(&*one).await, []);
    one.store_positions("group", "requests", &[]).await.expect("nothing to store");
    one.store_positions("group", "requests", &[at(2, 7, 0), at(0, 9, 4)]).await.expect("stored");
    assert_eq!(positions(&*other).await, [at(0, 9, 4), at(2, 7, 0)]);
}

async fn positions_are_never_taken_back(database: &Database) {
    let store = database.open().await;
    store.store_positions("group", "requests", &[at(0, 9, 4)]).await.expect("stored");
    store.store_positions("group", "requests", &[at(0, 8, 5)]).await.expect("stored");
    assert_eq!(positions(&*store).await, [at(0, 9, 5)], "each of the two for itself");
    store.store_positions("group", "requests", &[at(0, 11, 0), at(0, 10, 6), at(1, 1, 0)]).await.expect("stored");
    assert_eq!(positions(&*store).await, [at(0, 11, 6), at(1, 1, 0)]);
}

async fn positions_are_set_wherever_a_person_wants_them_and_horizons_are_not(database: &Database) {
    let (store, other) = (database.open().await, database.open().await);
    store.store_positions("group", "requests", &[at(0, 9, 4), at(1, 9, 0), at(2, 9, 0)]).await.expect("stored");
    store.set_positions("group", "requests", &[]).await.expect("nothing to set");
    store.set_positions("group", "requests", &[at(3, 7, 0), at(0, 2, 0), at(1, 30, 6)]).await.expect("set");
    let expected = [at(0, 2, 4), at(1, 30, 6), at(2, 9, 0), at(3, 7, 0)];
    assert_eq!(positions(&*other).await, expected);
    store.set_positions("group", "requests", &[at(0, 2, 0)]).await.expect("set again");
    assert_eq!(positions(&*other).await, expected);
    store.store_positions("group", "requests", &[at(0, 3, 0)]).await.expect("raised from where it was set");
    assert_eq!(positions(&*other).await[0], at(0, 3, 4));
}

async fn groups_and_topics_have_their_own_positions(database: &Database) {
    let store = database.open().await;
    store.store_positions("group", "requests", &[at(0, 9, 0)]).await.expect("stored");
    store.store_positions("other", "requests", &[at(0, 3, 0)]).await.expect("stored");
    store.store_positions("group", "others", &[at(0, 5, 0)]).await.expect("stored");
    store.set_positions("fourth", "requests", &[at(0, 1, 0)]).await.expect("set");
    assert_eq!(positions(&*store).await, [at(0, 9, 0)]);
    assert_eq!(store.positions_of("group", "others").await.expect("read"), [at(0, 5, 0)]);
    assert_eq!(store.positions_of("third", "requests").await.expect("read"), []);
}
