//! Turns rows into columns: a statement for many rows takes one array for each column.

/// One column of many rows.
pub(in crate::adapters::postgres) fn column<'row, Row, T>(rows: &'row [Row], value: impl Fn(&'row Row) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
