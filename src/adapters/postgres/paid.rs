//! PAID orders in the order in which they were settled, page by page along their index. Changes nothing.

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::load::stored;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::{PaidRow, next_of, readable_paid};
use crate::adapters::sql::stored_columns;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{PaidAt, PaidOrder, RepositoryError};

/// Up to `limit` of them, settled from `since` on, from the one behind `after` on.
pub(in crate::adapters::postgres) async fn paid_since(
    pool: &Connections,
    since: Timestamp,
    after: Option<&PaidAt>,
    limit: usize,
) -> Result<Vec<PaidOrder>, RepositoryError> {
    const STATEMENT: &str = concat!(
        "SELECT o.updated_at, ",
        stored_columns!(),
        " FROM (SELECT * FROM orders WHERE status = 'PAID' AND (updated_at, id) > ($1, $2)
                ORDER BY updated_at, id LIMIT $3) o
          LEFT JOIN LATERAL (SELECT * FROM payments WHERE order_id = o.id ORDER BY attempt DESC LIMIT 1) p ON true
          ORDER BY o.updated_at, o.id"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (mut settled_at, mut id) = next_of(since, after);
    loop {
        let query = sqlx::query(STATEMENT).bind(Moment(settled_at)).bind(&id).bind(limit);
        let rows = query.fetch_all(pool).await.map_err(unavailable)?;
        let row = |row: &PgRow| Ok(PaidRow { settled_at: row.try_get("updated_at")?, stored: stored(row)? });
        let rows: Result<Vec<PaidRow>, sqlx::Error> = rows.iter().map(row).collect();
        let rows = rows.map_err(unavailable)?;
        let last = rows.last().map(PaidRow::place);
        let orders = readable_paid(rows);
        match last {
            // None of this page can be read: the next one is due.
            Some(last) if orders.is_empty() => (settled_at, id) = last,
            _ => return Ok(orders),
        }
    }
}
