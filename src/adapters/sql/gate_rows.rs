//! A gate as a row of `gates`.

use sqlx::FromRow;

use crate::adapters::sql::moment::Moment;
use crate::ports::gate_repository::{Closed, Gate};

/// The columns of `gates` that make a gate.
#[derive(FromRow)]
pub struct GateRow {
    version: i64,
    closed_since: Option<Moment>,
    closed_reason: Option<String>,
    closed_by: Option<String>,
}

impl GateRow {
    /// The gate of this row. It is closed if it has been closed since some time, be the reason there or not.
    pub fn read(self) -> Gate {
        let Self { version, closed_since, closed_reason, closed_by } = self;
        let reason = closed_reason.unwrap_or_default();
        let closed = closed_since.map(|since| Closed { reason, since: since.0, actor: closed_by });
        Gate { version: version.unsigned_abs(), closed }
    }
}
