//! The contract of `OrderRepository`, clause by clause: who is held up, who is hastened, what was told.

use std::time::Duration;

use order_payments::domain::attempt::Attempt;
use order_payments::domain::outcome::OutcomeKind;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::clock::Clock;
use order_payments::ports::order_repository::{PaidAt, StoredOrder, UNATTENDED_AFTER, Waiting};
use order_payments::ports::outbox::FoundEvent;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::contract::database::{Database, Kind, Store};
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, armed, begun, failed, id, order, paid, reason, stored_payment, token};

every_repository_keeps!(
    orders_that_are_held_up_are_counted,
    orders_under_review_are_listed_by_id,
    paid_orders_are_listed_from_when_they_were_settled,
    a_hastened_payment_is_due_at_once,
    what_rests_is_not_hastened,
    the_end_that_was_told_is_known,
    an_end_that_was_found_on_the_topic_is_known,
);

fn names(orders: &[StoredOrder]) -> Vec<&str> {
    orders.iter().map(|stored| stored.order.id().as_str()).collect()
}

async fn orders_that_are_held_up_are_counted(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.waiting().await.expect("read"), Waiting::default());
    begun(&*store, "ord_begun").await;
    armed(&*store, "ord_armed").await;
    let mut parked = Vec::new();
    for name in ["ord_unresolved", "ord_fencing", "ord_abandoning", "ord_review", "ord_renewed", "ord_settled"] {
        parked.push(armed(&*store, name).await);
    }
    let [unresolved, fencing, abandoning, review, renewed, settled] = &parked[..] else { unreachable!() };
    let steps = [
        unresolved.payment().unresolved(),
        fencing.payment().fencing(token("pi_1"), reason()),
        abandoning.payment().abandoning(),
        review.payment().under_review("two charges".to_owned()),
        renewed.payment().abandoning(),
        settled.payment().unresolved(),
    ];
    for step in &steps {
        store.park(step, Some(NOW)).await.expect("parked");
    }
    assert_eq!(store.waiting().await.expect("read"), Waiting { unresolved: 5, under_review: 1 });
    store.renew(&steps[4].payment.renewed(Attempt::FIRST.next(), NOW)).await.expect("renewed");
    store.settle(&paid(settled)).await.expect("settled");
    assert_eq!(store.waiting().await.expect("read"), Waiting { unresolved: 3, under_review: 1 });
}

async fn orders_under_review_are_listed_by_id(database: &Database) {
    let store = database.open().await;
    for name in ["b", "a", "B", "_", "c"] {
        let review = begun(&*store, name).await.under_review("no answer makes sense".to_owned());
        store.park(&review, None).await.expect("parked");
    }
    let released = stored_payment(&*store, "c").await.released();
    store.park(&released, Some(NOW)).await.expect("released");
    begun(&*store, "d").await;
    let all = store.under_review(None, 10).await.expect("read");
    assert_eq!(names(&all), ["B", "_", "a", "b"]);
    assert_eq!(all[0].payment, Some(stored_payment(&*store, "B").await));
    assert_eq!(names(&store.under_review(None, 2).await.expect("read")), ["B", "_"]);
    assert_eq!(names(&store.under_review(Some(&id("_")), 10).await.expect("read")), ["a", "b"]);
    assert_eq!(names(&store.under_review(Some(&id("b")), 10).await.expect("read")), [] as [&str; 0]);
}

async fn paid_orders_are_listed_from_when_they_were_settled(database: &Database) {
    let store = database.open().await;
    let before = order_payments::adapters::system::SystemClock.now().minus(Duration::from_mins(1));
    for name in ["b", "a", "B"] {
        store.settle(&paid(&armed(&*store, name).await)).await.expect("settled");
    }
    store.settle(&failed(&armed(&*store, "failed").await)).await.expect("settled");
    begun(&*store, "pending").await;
    let listed = async |since: Timestamp, after: Option<PaidAt>, limit| {
        let paid = store.paid_since(since, after.as_ref(), limit).await.expect("read");
        assert!(paid.is_sorted_by(|one, other| one.at < other.at), "{paid:?}");
        assert!(paid.iter().all(|paid| paid.at.id == *paid.stored.order.id()), "{paid:?}");
        paid
    };
    let all = listed(before, None, 10).await;
    let mut names: Vec<_> = all.iter().map(|paid| paid.at.id.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["B", "a", "b"]);
    assert_eq!(listed(before, None, 2).await, all[..2]);
    assert_eq!(listed(before, Some(all[0].at.clone()), 1).await, all[1..2]);
    assert_eq!(listed(before, Some(all[1].at.clone()), 10).await, all[2..]);
    assert_eq!(listed(all[0].at.settled_at, None, 10).await, all, "from that very moment on");
    assert_eq!(listed(before.plus(Duration::from_hours(1)), Some(all[0].at.clone()), 10).await, []);
}

async fn a_hastened_payment_is_due_at_once(database: &Database) {
    let store = database.open().await;
    let unresolved = armed(&*store, "ord_1").await.payment().unresolved();
    store.park(&unresolved, Some(NOW.plus(Duration::from_hours(1)))).await.expect("parked");
    begun(&*store, "ord_2").await;
    assert!(store.hasten(&id("ord_1"), NOW).await.expect("an answer"));
    assert_eq!(
        store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed"),
        std::slice::from_ref(&unresolved.payment)
    );
    store.hasten(&id("ord_1"), NOW.plus(Duration::from_secs(9))).await.expect("an answer");
    assert_eq!(store.claim_due(NOW, Duration::ZERO, 10).await.expect("claimed").len(), 1, "due no later than it was");
    assert!(!store.hasten(&id("ord_3"), NOW).await.expect("an answer"), "no such order");
}

async fn what_rests_is_not_hastened(database: &Database) {
    let store = database.open().await;
    let review = begun(&*store, "ord_review").await.under_review("no answer makes sense".to_owned());
    store.park(&review, None).await.expect("parked");
    store.settle(&paid(&armed(&*store, "ord_paid").await)).await.expect("settled");
    store.save(&order("ord_saved")).await.expect("saved");
    let first = begun(&*store, "ord_renewed").await;
    store.renew(&first.renewed(Attempt::FIRST.next(), NOW)).await.expect("renewed");
    for name in ["ord_review", "ord_paid", "ord_saved", "ord_renewed"] {
        assert!(store.hasten(&id(name), NOW).await.expect("an answer"), "{name} is known");
    }
    let due = store.claim_due(NOW.plus(UNATTENDED_AFTER), Duration::ZERO, 10).await.expect("claimed");
    let due: Vec<_> = due.iter().map(|payment| (payment.order().id().as_str(), payment.attempt.number())).collect();
    assert_eq!(due, [("ord_renewed", 2)], "the latest attempt alone");
}

async fn the_end_that_was_told_is_known(database: &Database) {
    let store = database.open().await;
    store.settle(&paid(&armed(&*store, "ord_paid").await)).await.expect("settled");
    store.settle(&failed(&armed(&*store, "ord_failed").await)).await.expect("settled");
    begun(&*store, "ord_begun").await;
    let told = async |name| store.told(&id(name)).await.expect("read");
    assert_eq!(told("ord_paid").await, Some(OutcomeKind::Paid));
    assert_eq!(told("ord_failed").await, Some(OutcomeKind::Failed));
    assert_eq!(told("ord_begun").await, None);
    assert_eq!(told("ord_unknown").await, None);
}

async fn an_end_that_was_found_on_the_topic_is_known(database: &Database) {
    let elsewhere = Database::create(Kind::Memory).await.open().await;
    elsewhere.settle(&failed(&armed(&*elsewhere, "ord_1").await)).await.expect("settled");
    let event = elsewhere.unpublished(1).await.expect("read").remove(0);
    let store = database.open().await;
    store.adopt("outcomes", &[FoundEvent { event, partition: 0, offset: 0 }], &[], &[]).await.expect("adopted");
    assert_eq!(store.told(&id("ord_1")).await.expect("read"), Some(OutcomeKind::Failed), "of an order not known here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_hides_no_other() {
    const SPOIL: &str = "
        UPDATE payments SET flow = '?' WHERE order_id IN ('ord_1', 'ord_2');
        UPDATE refunds SET purpose = '?' WHERE order_id = 'ord_1';
        UPDATE findings SET kind = '?' WHERE order_id = 'ord_1'";
    let database = Database::create(Kind::Postgres).await;
    fill(&*database.open().await).await;
    let mut foreign = PgConnection::connect(&database.url()).await.expect("PostgreSQL answers");
    sqlx::raw_sql(SPOIL).execute(&mut foreign).await.expect("the statements are lawful");
    assert_third_is_listed(&*database.open().await).await;
    database.destroy().await;

    let database = Database::create(Kind::Sqlite).await;
    fill(&*database.open().await).await;
    let mut foreign = SqliteConnection::connect(&database.url()).await.expect("a file that foreign tools may open");
    sqlx::raw_sql(SPOIL).execute(&mut foreign).await.expect("the statements are lawful");
    assert_third_is_listed(&*database.open().await).await;
}

async fn fill(store: &dyn Store) {
    use order_payments::ports::finding_repository::{Finding, FindingKind};

    for (number, name) in [(1, "ord_1"), (2, "ord_2"), (3, "ord_3")] {
        let review = begun(store, name).await.under_review("no answer makes sense".to_owned());
        store.park(&review, None).await.expect("parked");
        let refund = crate::contract::samples::refund(number, name, "1.00");
        store.request(&refund, order(name).total_amount()).await.expect("stored");
        let (kind, detail) = (FindingKind::ChargedTwice, "two charges".to_owned());
        let finding = Finding { kind, order_id: id(name), reference: None, detail, found_at: NOW };
        store.report(&finding).await.expect("stored");
    }
}

async fn assert_third_is_listed(store: &dyn Store) {
    for limit in [1, 2, 10] {
        assert_eq!(names(&store.under_review(None, limit).await.expect("read")), ["ord_3"], "{limit}");
        assert_eq!(names(&store.list(None, limit).await.expect("read")), ["ord_3"], "{limit}");
    }
    assert_eq!(store.under_review(None, 0).await.expect("read"), []);
    assert_eq!(store.refunds_of(&id("ord_1")).await.expect("read"), []);
    assert_eq!(store.claim_due_refunds(NOW, Duration::ZERO, 10).await.expect("claimed").len(), 2);
    assert_eq!(store.open_findings(10).await.expect("read").len(), 2);
}
