//! Gathers what the checker judges by: from the topics and from the database, read with plain SQL.

use std::collections::BTreeMap;

use order_payments::adapters::simulator::ledger::Ledger;
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};

use crate::chaos::checker::{Evidence, Outcome, Stored};
use crate::chaos::load::Requested;
use crate::support::kafka::Seen;
use crate::support::service::Setup;

/// Everything that topics and tables say now, beside what was asked for and what the provider did.
pub(crate) async fn gather(setup: &Setup, requested: BTreeMap<String, Requested>, ledger: Ledger) -> Evidence {
    const STORED: &str = "
        SELECT id, status, EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.state = 'REVIEW')
        FROM orders o";
    let Setup { topics, database, .. } = setup;
    let mut connection = PgConnection::connect(&database.url).await.expect("PostgreSQL answers");
    let rows = sqlx::query(STORED).fetch_all(&mut connection).await.expect("the tables are there");
    let stored = rows.iter().map(|row| (row.get(0), Stored { status: row.get(1), is_under_review: row.get(2) }));
    let open_findings = sqlx::query_scalar(
        "SELECT kind || ' of ' || order_id || ': ' || detail FROM findings WHERE resolved_at IS NULL ORDER BY found_at",
    );
    let open_findings = open_findings.fetch_all(&mut connection).await.expect("the tables are there");
    let unpublished = sqlx::query_scalar("SELECT count(*) FROM unpublished");
    let unpublished = unpublished.fetch_one(&mut connection).await.expect("the tables are there");
    Evidence {
        requested,
        outcomes: topics.read(&topics.outcomes).iter().map(outcome).collect(),
        stored: stored.collect(),
        unpublished,
        open_findings,
        ledger,
        dead_letters: topics.read(&topics.dead_letters).len(),
    }
}

fn outcome(seen: &Seen) -> Outcome {
    let body: Value = serde_json::from_slice(seen.value.as_deref().unwrap_or_default()).expect("an outcome is JSON");
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("order_id"), seen.key, "an outcome has its order's key");
    let kind = seen.header("ce_type").expect("every outcome has a type").to_owned();
    Outcome { order: seen.key.clone(), kind, amount: text("total_amount"), currency: text("currency") }
}
