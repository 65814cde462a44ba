//! The contract of `AuditTrail`, clause by clause.

use order_payments::ports::audit_trail::Act;

use crate::contract::database::Database;
use crate::contract::every_repository_keeps;
use crate::contract::samples::id;

every_repository_keeps!(
    an_act_is_entered_once,
    one_alone_of_those_who_do_the_same_does_it,
    entries_are_found_by_what_their_subjects_begin_with,
    what_someone_did_belongs_to_no_order,
    its_clock_is_the_one_that_dates_the_entries,
);

fn act(subject: &str, version: u64, note: &str) -> Act {
    Act { subject: subject.to_owned(), version, state: "STARTED", actor: "ada".to_owned(), note: note.to_owned() }
}

async fn an_act_is_entered_once(database: &Database) {
    let store = database.open().await;
    let (first, second) = (act("prune/7", 1, "one"), act("prune/7", 2, "two"));
    assert_eq!(store.enter(&[first.clone(), second]).await.expect("entered"), [true, true]);
    assert_eq!(
        store.enter(&[act("prune/7", 1, "other"), act("prune/7", 3, "three")]).await.expect("told"),
        [false, true]
    );
    let entries = store.entries_under("prune/7").await.expect("read");
    let told: Vec<_> = entries.iter().map(|entry| (entry.version, entry.evidence.note.as_deref())).collect();
    assert_eq!(told, [(1, Some("one")), (2, Some("two")), (3, Some("three"))]);
    assert_eq!((entries[0].state.as_str(), entries[0].evidence.actor.as_deref()), ("STARTED", Some("ada")));
    assert_eq!(store.enter(&[]).await.expect("nothing to do"), [false; 0]);
}

async fn one_alone_of_those_who_do_the_same_does_it(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let acts: Vec<Act> = (0..50).map(|number| act(&format!("dead-letter/t/0/{number}"), 1, "again")).collect();
    let (one, other) = tokio::join!(one.enter(&acts), other.enter(&acts));
    let did = one.expect("told").into_iter().zip(other.expect("told"));
    assert!(did.into_iter().all(|(one, other)| one != other));
}

async fn entries_are_found_by_what_their_subjects_begin_with(database: &Database) {
    let store = database.open().await;
    let subjects =
        ["dead-letter/a/0/1", "dead-letter/a/0/10", "dead-letter/a/1/1", "dead-letter/a.b/0/1", "dead-letter/b/0/1"];
    store.enter(&subjects.map(|subject| act(subject, 1, ""))).await.expect("entered");
    let found = |entries: Vec<order_payments::ports::order_repository::JournalEntry>| {
        entries.into_iter().map(|entry| entry.subject).collect::<Vec<_>>()
    };
    let of_topic = found(store.entries_under("dead-letter/a/").await.expect("read"));
    assert_eq!(of_topic, ["dead-letter/a/0/1", "dead-letter/a/0/10", "dead-letter/a/1/1"]);
    assert!(store.entries_under("dead-letter/c/").await.expect("read").is_empty());
}

async fn what_someone_did_belongs_to_no_order(database: &Database) {
    let store = database.open().await;
    store.enter(&[act("replay/7", 1, "why")]).await.expect("entered");
    assert!(store.journal(&id("ord_1")).await.expect("read").is_empty());
}

async fn its_clock_is_the_one_that_dates_the_entries(database: &Database) {
    let store = database.open().await;
    let before = store.now().await.expect("told");
    store.enter(&[act("replay/8", 1, "why")]).await.expect("entered");
    let after = store.now().await.expect("told");
    let entered = store.entries_under("replay/8").await.expect("read")[0].recorded_at;
    assert!(before <= entered && entered <= after, "{before:?} {entered:?} {after:?}");
}
