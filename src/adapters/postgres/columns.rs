//! Turns rows into columns: a statement for many rows takes one array for each column.

/// One column of many rows.
pub(in crate::adapters::postgres) fn column<'row, Row, T>(rows: &'row [Row], value: impl Fn(&'row Row) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Adds an entry to the journal for each row of that common table expression, which has its columns. The
/// clock is read once the step has its locks, so that entries are as old as their versions say.
macro_rules! into_journal {
    ($from:literal) => {
        concat!(
            "INSERT INTO journal (order_id, subject, version, recorded_at, state, exchanges, actor, note)
             SELECT order_id, subject, version, clock_timestamp(), state, exchanges, actor, note FROM ",
            $from
        )
    };
}
pub(in crate::adapters::postgres) use into_journal;
