//! The journal in the file: written in the savepoint of the step that it tells of.

use sqlx::{SqliteConnection, SqlitePool};

use crate::adapters::sql::fault::{DatabaseFault, unavailable};
use crate::adapters::sql::journal_rows::{EvidenceRow, JournalRow};
use crate::adapters::sqlite::statements::now;
use crate::domain::evidence::Evidence;
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// Adds the entry of a step that was stored.
pub(in crate::adapters::sqlite) async fn insert(
    db: &mut SqliteConnection,
    order_id: &str,
    subject: &str,
    version: i64,
    state: &str,
    evidence: &Evidence,
) -> Result<(), RepositoryError> {
    const STATEMENT: &str = concat!(
        "INSERT INTO journal (order_id, subject, version, recorded_at, state, exchanges, actor, note)
         VALUES (?, ?, ?, ",
        now!(),
        ", ?, ?, ?, ?)"
    );
    let evidence = EvidenceRow::of(evidence);
    let query = sqlx::query(STATEMENT).bind(order_id).bind(subject).bind(version).bind(state);
    let query = query.bind(evidence.exchanges).bind(evidence.actor).bind(evidence.note);
    query.execute(db).await.map(|_| ()).map_err(|error| DatabaseFault::from(error).about(order_id))
}

/// The entries of an order, oldest first: rows come in the order in which they were written.
pub(in crate::adapters::sqlite) async fn of_order(
    pool: &SqlitePool,
    order_id: &str,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    const STATEMENT: &str = "
        SELECT subject, version, recorded_at, state, exchanges, actor, note FROM journal
        WHERE order_id = ? ORDER BY rowid";
    let rows: Result<Vec<JournalRow>, _> = sqlx::query_as(STATEMENT).bind(order_id).fetch_all(pool).await;
    Ok(rows.map_err(unavailable)?.into_iter().map(JournalRow::read).collect())
}

/// The entries of a subject that belongs to no order, oldest first.
pub(in crate::adapters::sqlite) async fn of_subject(
    pool: &SqlitePool,
    subject: &str,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    const STATEMENT: &str = "
        SELECT subject, version, recorded_at, state, exchanges, actor, note FROM journal
        WHERE order_id = '' AND subject = ? ORDER BY version";
    let rows: Result<Vec<JournalRow>, _> = sqlx::query_as(STATEMENT).bind(subject).fetch_all(pool).await;
    Ok(rows.map_err(unavailable)?.into_iter().map(JournalRow::read).collect())
}
