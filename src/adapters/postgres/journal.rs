//! Reads the journal.

use crate::adapters::postgres::connections::Connections;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::journal_rows::JournalRow;
use crate::domain::attempt::Attempt;
use crate::ports::order_repository::{JournalEntry, RepositoryError};

/// The entries of an order, oldest first.
pub(in crate::adapters::postgres) async fn of_order(
    pool: &Connections,
    order_id: &str,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    // The first entry of a first attempt that came with its order has no row: the two say all of it.
    // Entries of the same moment: the ninth attempt comes before the tenth.
    const STATEMENT: &str = "
        SELECT * FROM (
            SELECT subject, version, recorded_at, state, exchanges, actor, note FROM journal WHERE order_id = $1
            UNION ALL
            SELECT $2, 1, o.created_at, CASE p.flow WHEN 'one-step' THEN 'CONFIRMING' ELSE 'PREPARING' END,
                NULL, NULL, NULL
            FROM payments p JOIN orders o ON o.id = p.order_id
            WHERE p.order_id = $1 AND p.attempt = 1
                AND NOT EXISTS (SELECT FROM journal WHERE order_id = $1 AND subject = $2 AND version = 1)
        ) entries
        ORDER BY recorded_at, length(subject), subject, version";
    let first = JournalEntry::subject_of_payment(Attempt::FIRST);
    let query = sqlx::query_as(STATEMENT).bind(order_id).bind(first);
    let rows: Result<Vec<JournalRow>, _> = query.fetch_all(pool).await;
    Ok(rows.map_err(unavailable)?.into_iter().map(JournalRow::read).collect())
}

/// The entries of a subject that belongs to no order, oldest first.
pub(in crate::adapters::postgres) async fn of_subject(
    pool: &Connections,
    subject: &str,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    const STATEMENT: &str = "
        SELECT subject, version, recorded_at, state, exchanges, actor, note FROM journal
        WHERE order_id = '' AND subject = $1 ORDER BY version";
    let rows: Result<Vec<JournalRow>, _> = sqlx::query_as(STATEMENT).bind(subject).fetch_all(pool).await;
    Ok(rows.map_err(unavailable)?.into_iter().map(JournalRow::read).collect())
}
