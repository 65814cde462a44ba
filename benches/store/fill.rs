//! Fills the database with orders that were settled long ago, as the service leaves them behind.

use std::io::{Write, stderr};

use sqlx::PgConnection;

use crate::Ids;

/// Orders that are stored in one transaction.
const CHUNK: u64 = 100_000;

/// Makes sure that this many settled orders are stored.
pub(crate) async fn up_to(db: &mut PgConnection, filled: u64, ids: Ids) -> anyhow::Result<()> {
    // Nobody needs what this leaves half done.
    sqlx::raw_sql("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'").execute(&mut *db).await?;
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *db).await?;
    let stored = stored.unsigned_abs();
    for first in (stored..filled).step_by(usize::try_from(CHUNK)?) {
        let last = (first + CHUNK).min(filled);
        let random = ids == Ids::Random;
        sqlx::query(include_str!("fill.sql"))
            .bind(i64::try_from(first)?)
            .bind(i64::try_from(last)?)
            .bind(random)
            .execute(&mut *db)
            .await?;
        write!(stderr(), "\rfilled {last} of {filled}")?;
    }
    if stored < filled {
        writeln!(stderr(), "; vacuum and analyse")?;
        sqlx::raw_sql("VACUUM (FREEZE, ANALYZE)").execute(&mut *db).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut *db).await?;
    }
    Ok(())
}
