//! The contract of `GateRepository`, clause by clause.

use order_payments::ports::gate_repository::{Closed, Gate, GateChange};

use crate::contract::database::Database;
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, id};

every_repository_keeps!(
    a_gate_that_was_never_changed_is_open,
    a_closed_gate_says_why_to_every_instance,
    a_gate_that_was_changed_since_stays_as_it_is,
    every_change_of_a_gate_is_in_its_journal,
);

fn closing(reason: &str, actor: Option<&str>) -> GateChange {
    let actor = actor.map(ToOwned::to_owned);
    let closed = Closed { reason: reason.to_owned(), since: NOW, actor: actor.clone() };
    GateChange { closed: Some(closed), actor, note: format!("closed: {reason}"), at: NOW }
}

fn opening() -> GateChange {
    GateChange { closed: None, actor: None, note: "the probe was answered".to_owned(), at: NOW }
}

async fn a_gate_that_was_never_changed_is_open(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.gate("stripe").await.expect("read"), Gate::default());
    assert_eq!(store.gate_journal("stripe").await.expect("read"), []);
}

async fn a_closed_gate_says_why_to_every_instance(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let change = closing("the key was refused", Some("ada"));
    assert!(one.change_gate("stripe", 0, &change).await.expect("an answer"));
    assert_eq!(other.gate("stripe").await.expect("read"), Gate { version: 1, closed: change.closed });
    assert_eq!(other.gate("other").await.expect("read"), Gate::default(), "each gateway has its own");
    assert!(other.change_gate("stripe", 1, &opening()).await.expect("an answer"));
    assert_eq!(one.gate("stripe").await.expect("read"), Gate { version: 2, closed: None });
}

async fn a_gate_that_was_changed_since_stays_as_it_is(database: &Database) {
    let store = database.open().await;
    assert!(!store.change_gate("stripe", 3, &opening()).await.expect("an answer"), "it was never changed so often");
    assert_eq!(store.gate("stripe").await.expect("read"), Gate::default());
    store.change_gate("stripe", 0, &closing("one", None)).await.expect("an answer");
    let before = store.gate("stripe").await.expect("read");
    for seen in [0, 2, u64::MAX] {
        assert!(!store.change_gate("stripe", seen, &closing("two", None)).await.expect("an answer"), "{seen}");
    }
    assert_eq!(store.gate("stripe").await.expect("read"), before);
    assert_eq!(store.gate_journal("stripe").await.expect("read").len(), 1);
}

async fn every_change_of_a_gate_is_in_its_journal(database: &Database) {
    let store = database.open().await;
    store.change_gate("stripe", 0, &closing("one", Some("ada"))).await.expect("an answer");
    store.change_gate("stripe", 1, &opening()).await.expect("an answer");
    store.change_gate("stripe", 1, &closing("late", None)).await.expect("an answer");
    store.change_gate("stripe2", 0, &closing("elsewhere", None)).await.expect("an answer");
    let entries = store.gate_journal("stripe").await.expect("read");
    let told: Vec<_> = entries.iter().map(|entry| (entry.version, entry.state.as_str())).collect();
    assert_eq!(told, [(1, "CLOSED"), (2, "OPEN")]);
    assert!(entries.iter().all(|entry| entry.subject == "gate/stripe"));
    let evidence = |entry: usize| (entries[entry].evidence.actor.as_deref(), entries[entry].evidence.note.as_deref());
    assert_eq!(evidence(0), (Some("ada"), Some("closed: one")));
    assert_eq!(evidence(1), (None, Some("the probe was answered")));
    assert_eq!(store.journal(&id("gate/stripe")).await.expect("read"), [], "no order's");
}
