//! Tells what was measured, as a table in Markdown.

use sqlx::PgConnection;

use crate::server::Cost;
use crate::waves::{Costs, Load};

/// Prints the costs per order, and how large the tables are.
pub(crate) async fn print(db: &mut PgConnection, load: &Load, costs: &Costs) -> anyhow::Result<()> {
    let mut sum = Cost::default();
    println!("{} orders, {} in flight, ids {:?}, {:?}\n", load.orders, load.in_flight, load.ids, load.flow);
    println!("| step | server's CPU µs/order | log bytes/order | page images/order | orders/s |");
    println!("| --- | --- | --- | --- | --- |");
    for (step, cost) in &costs.0 {
        row(step, *cost, load.orders);
        sum.add(*cost);
    }
    row("all", sum, load.orders);
    tables(db).await
}

#[expect(clippy::cast_precision_loss, reason = "figures are read to three digits")]
fn row(step: &str, cost: Cost, orders: usize) {
    let orders = orders as f64;
    let (cpu, wal, images) = (cost.cpu.as_secs_f64() * 1e6, cost.wal_bytes as f64, cost.page_images as f64);
    let rate = orders / cost.time.as_secs_f64();
    println!("| {step} | {:.1} | {:.0} | {:.2} | {rate:.0} |", cpu / orders, wal / orders, images / orders);
}

/// Sizes and how many updates stayed on their page.
async fn tables(db: &mut PgConnection) -> anyhow::Result<()> {
    const STATEMENT: &str = "
        SELECT relname::text, n_live_tup, pg_table_size(relid), pg_indexes_size(relid), n_tup_upd, n_tup_hot_upd
        FROM pg_stat_user_tables WHERE n_live_tup > 1000 ORDER BY relname";
    println!(
        "\n| table | rows | MB | MB of indexes | updates | on their page |\n| --- | --- | --- | --- | --- | --- |"
    );
    let rows: Vec<(String, i64, i64, i64, i64, i64)> = sqlx::query_as(STATEMENT).fetch_all(db).await?;
    for (name, rows, bytes, index_bytes, updates, hot) in rows {
        println!("| {name} | {rows} | {} | {} | {updates} | {hot} |", bytes >> 20, index_bytes >> 20);
    }
    Ok(())
}
