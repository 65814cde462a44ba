//! The contract of `FindingRepository`, clause by clause.

use std::time::Duration;

use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::finding_repository::{Finding, FindingKind};

use crate::contract::database::Database;
use crate::contract::every_repository_keeps;
use crate::contract::samples::{NOW, id, token};

every_repository_keeps!(
    a_finding_is_kept_whole,
    the_same_finding_is_reported_once,
    findings_are_listed_oldest_first,
    a_person_alone_ends_a_finding_once,
    a_finding_that_was_ended_is_not_reported_anew,
);

fn finding(kind: FindingKind, name: &str, reference: Option<&str>, found_at: Timestamp) -> Finding {
    let detail = "12.50 EUR were charged for an order that has failed".to_owned();
    Finding { kind, order_id: id(name), reference: reference.map(token), detail, found_at }
}

async fn a_finding_is_kept_whole(database: &Database) {
    let store = database.open().await;
    for kind in FindingKind::ALL {
        for reference in [None, Some("pi_1")] {
            let finding = finding(kind, kind.as_str(), reference, NOW);
            assert!(store.report(&finding).await.expect("an answer"));
            assert!(store.findings_of(&id(kind.as_str())).await.expect("read").contains(&finding));
        }
    }
    assert_eq!(store.open_findings(100).await.expect("read").len(), 12);
}

async fn the_same_finding_is_reported_once(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let found = finding(FindingKind::ChargedTwice, "ord_1", Some("pi_1"), NOW);
    assert!(one.report(&found).await.expect("an answer"));
    let again =
        Finding { detail: "in other words".to_owned(), found_at: NOW.plus(Duration::from_secs(1)), ..found.clone() };
    assert!(!other.report(&again).await.expect("an answer"));
    assert_eq!(one.findings_of(&id("ord_1")).await.expect("read"), [found], "as it was found first");
    assert!(one.report(&finding(FindingKind::ChargedTwice, "ord_1", Some("pi_2"), NOW)).await.expect("an answer"));
    assert!(one.report(&finding(FindingKind::ChargedTwice, "ord_2", Some("pi_1"), NOW)).await.expect("an answer"));
    assert!(one.report(&finding(FindingKind::UnknownOrder, "ord_1", Some("pi_1"), NOW)).await.expect("an answer"));
}

async fn findings_are_listed_oldest_first(database: &Database) {
    let store = database.open().await;
    for (name, minute) in [("ord_1", 2), ("ord_2", 0), ("ord_3", 1)] {
        let found_at = NOW.plus(Duration::from_mins(minute));
        store.report(&finding(FindingKind::AmountDiffers, name, None, found_at)).await.expect("an answer");
    }
    let listed = async |limit| {
        let findings = store.open_findings(limit).await.expect("read");
        findings.iter().map(|finding| finding.order_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed(10).await, ["ord_2", "ord_3", "ord_1"]);
    assert_eq!(listed(2).await, ["ord_2", "ord_3"]);
    assert_eq!(store.findings_of(&id("ord_4")).await.expect("read"), []);
}

async fn a_person_alone_ends_a_finding_once(database: &Database) {
    let store = database.open().await;
    let finding = finding(FindingKind::PaidNotCharged, "ord_1", None, NOW);
    assert!(!store.resolve_finding(finding.id(), "ada", "nothing yet", NOW).await.expect("an answer"));
    store.report(&finding).await.expect("an answer");
    assert!(store.resolve_finding(finding.id(), "ada", "charged by hand", NOW).await.expect("an answer"));
    assert!(!store.resolve_finding(finding.id(), "bob", "again", NOW).await.expect("an answer"));
    assert_eq!(store.open_findings(10).await.expect("read"), []);
    assert_eq!(store.findings_of(&id("ord_1")).await.expect("read"), []);
}

async fn a_finding_that_was_ended_is_not_reported_anew(database: &Database) {
    let store = database.open().await;
    let finding = finding(FindingKind::RefundDiffers, "ord_1", Some("pi_1"), NOW);
    store.report(&finding).await.expect("an answer");
    store.resolve_finding(finding.id(), "ada", "known", NOW).await.expect("an answer");
    assert!(!store.report(&finding).await.expect("an answer"));
    assert_eq!(store.open_findings(10).await.expect("read"), []);
}
