//! Reads stored orders and attempts, one or many at a time. Changes nothing.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use crate::adapters::postgres::connections::Connections;
use crate::adapters::sql::rows::{OrderRow, PaymentRow, StoredRow};
use crate::adapters::sql::stored_columns;
use crate::ports::order_repository::{RepositoryError, StoredOrder};

/// An order with its attempt, or which column of it cannot be read.
pub(in crate::adapters::postgres) type Loaded = Result<StoredOrder, RepositoryError>;

/// The orders of these ids, each with its latest attempt, by id. Unknown ids are left out.
pub(in crate::adapters::postgres) async fn latest(
    pool: &Connections,
    ids: &[&str],
) -> Result<HashMap<String, Loaded>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM unnest($1::text[]) AS i (id) JOIN orders o ON o.id = i.id
         LEFT JOIN LATERAL
             (SELECT * FROM payments WHERE order_id = o.id ORDER BY attempt DESC LIMIT 1) p ON true"
    );
    by_id(&sqlx::query(statement).bind(ids).fetch_all(pool).await?)
}

/// The orders of these ids, each with that attempt, by id. Those without it are left out.
pub(in crate::adapters::postgres) async fn attempts(
    pool: &Connections,
    ids: &[&str],
    attempts: &[i64],
) -> Result<HashMap<String, Loaded>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM unnest($1::text[], $2::bigint[]) AS i (id, attempt) JOIN orders o ON o.id = i.id
         JOIN payments p ON p.order_id = i.id AND p.attempt = i.attempt"
    );
    by_id(&sqlx::query(statement).bind(ids).bind(attempts).fetch_all(pool).await?)
}

fn by_id(rows: &[PgRow]) -> Result<HashMap<String, Loaded>, sqlx::Error> {
    rows.iter().map(|row| stored(row).map(|stored| (stored.order.id.clone(), stored.read()))).collect()
}

/// A row of `stored_columns!`.
pub(in crate::adapters::postgres) fn stored(row: &PgRow) -> Result<StoredRow, sqlx::Error> {
    let attempt: Option<i64> = row.try_get("attempt")?;
    let payment = attempt.map(|_| PaymentRow::from_row(row)).transpose()?;
    Ok(StoredRow { order: OrderRow::from_row(row)?, payment })
}
