//! Orders by the page, by id. What cannot be read is reported and left out.

use crate::adapters::postgres::connections::Connections;
use crate::adapters::postgres::load::stored;
use crate::adapters::sql::fault::unavailable;
use crate::adapters::sql::rows::{StoredRow, readable_orders};
use crate::adapters::sql::stored_columns;
use crate::domain::order::OrderId;
use crate::ports::order_repository::{RepositoryError, StoredOrder};

/// The latest attempts of these orders, by id.
macro_rules! with_latest {
    ($orders:literal) => {
        concat!(
            "SELECT ",
            stored_columns!(),
            " FROM (",
            $orders,
            ") o LEFT JOIN LATERAL
                 (SELECT * FROM payments WHERE order_id = o.id ORDER BY attempt DESC LIMIT 1) p ON true
             ORDER BY o.id"
        )
    };
}

/// Which orders are listed.
pub(in crate::adapters::postgres) enum Which {
    /// All of them.
    All,
    /// Those whose latest attempt is under review. No other attempt ever is.
    UnderReview,
}

impl Which {
    /// Takes the id to go on behind, and the limit.
    const fn statement(&self) -> &'static str {
        match self {
            Self::All => with_latest!("SELECT * FROM orders WHERE id > $1 ORDER BY id LIMIT $2"),
            Self::UnderReview => with_latest!(
                "SELECT * FROM orders WHERE id IN (SELECT order_id FROM payments
                     WHERE waits_as = 'REVIEW' AND order_id > $1 ORDER BY order_id LIMIT $2)"
            ),
        }
    }
}

/// Up to `limit` of these orders, by id, from the one behind `after` on.
pub(in crate::adapters::postgres) async fn page(
    pool: &Connections,
    which: &Which,
    after: Option<&OrderId>,
    limit: usize,
) -> Result<Vec<StoredOrder>, RepositoryError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut after = after.map_or_else(String::new, ToString::to_string); // No id is empty: all come after it.
    loop {
        let query = sqlx::query(which.statement()).bind(&after).bind(limit);
        let rows = query.fetch_all(pool).await.map_err(unavailable)?;
        let rows: Result<Vec<StoredRow>, _> = rows.iter().map(stored).collect();
        let rows = rows.map_err(unavailable)?;
        let last = rows.last().map(|row| row.order.id.clone());
        let orders = readable_orders(rows);
        match last {
            // None of this page can be read: the next one is due.
            Some(last) if orders.is_empty() => after = last,
            _ => return Ok(orders),
        }
    }
}
