//! What a person and a script read of a reconciliation.

use super::*;
use crate::ports::finding_repository::FindingKind;

fn finding(kind: FindingKind, order_id: &str) -> Finding {
    Finding {
        kind,
        order_id: order_id.parse().expect("an id"),
        reference: Some("pi_1".parse().expect("a token")),
        detail: "charged for an order that is not known here".to_owned(),
        found_at: Timestamp::from_micros(1_767_225_600_000_000),
    }
}

fn swept(findings: Vec<Finding>) -> Swept {
    Swept { charges: 7, refunds: 3, unclaimed_refunds: 2, paid_orders: 5, looked_at: 1, orphans: 0, findings }
}

const SINCE: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const WAITING: Waiting = Waiting { unresolved: 2, under_review: 1 };

#[test]
fn a_quiet_run_is_told_in_one_table() {
    let due = Some(Reconciled { looked_at: 3, settled: 1 });
    let expected = "\
compared since 2026-01-01T00:00:00Z
┌──────────────────────────────────────┬───────┐
│ what                                 ┆ count │
╞══════════════════════════════════════╪═══════╡
│ payments that were due               ┆ 3     │
│   settled by that                    ┆ 1     │
│ payments that wait for the gateway   ┆ 2     │
│ orders that wait for a person        ┆ 1     │
│ charges at the gateway, compared     ┆ 7     │
│ refunds at the gateway, compared     ┆ 3     │
│   nobody's here                      ┆ 2     │
│ PAID orders here, compared           ┆ 5     │
│   looked at again                    ┆ 1     │
│   charges nobody will make, canceled ┆ 0     │
│ findings                             ┆ 0     │
│   ended by a person before           ┆ 1     │
└──────────────────────────────────────┴───────┘";
    assert_eq!(told(&Report::of(SINCE, due, WAITING, &swept(Vec::new()), 1), &[]), expected);
}

#[test]
fn a_dry_run_says_so_and_findings_are_counted_by_kind() {
    let findings = vec![
        finding(FindingKind::UnknownOrder, "o-1"),
        finding(FindingKind::UnknownOrder, "o-2"),
        finding(FindingKind::ChargedTwice, "o-3"),
    ];
    let told = told(&Report::of(SINCE, None, WAITING, &swept(findings.clone()), 3), &findings);
    assert!(told.contains("dry run: nothing was changed") && !told.contains("that were due"), "{told}");
    assert!(told.contains("  UNKNOWN_ORDER") && told.contains("  CHARGED_TWICE"), "{told}");
    for finding in findings {
        assert!(told.contains(&finding.id().to_string()), "{told}");
    }
}

#[test]
fn the_json_says_what_was_due_only_where_it_was_looked_at() {
    let due = Some(Reconciled { looked_at: 3, settled: 1 });
    let json = |due| serde_json::to_value(Report::of(SINCE, due, WAITING, &swept(Vec::new()), 0)).expect("JSON");
    let expected = serde_json::json!({
        "since": "2026-01-01T00:00:00Z", "dry_run": false, "due": {"looked_at": 3, "settled": 1},
        "waiting": {"unresolved": 2, "under_review": 1},
        "compared": {
            "charges": 7, "refunds": 3, "unclaimed_refunds": 2, "paid_orders": 5, "looked_at_again": 1, "orphans": 0,
        },
        "ended_before": 0, "findings_by_kind": {}, "findings": [],
    });
    assert_eq!(json(due), expected);
    assert_eq!((&json(None)["due"], &json(None)["dry_run"]), (&serde_json::Value::Null, &true.into()));
}
