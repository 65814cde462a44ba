//! A finding as a row of `findings`.

use sqlx::FromRow;
use uuid::Uuid;

use crate::adapters::sql::moment::Moment;
use crate::adapters::sql::rows::Columns;
use crate::adapters::sql::text::storable;
use crate::ports::finding_repository::{Finding, FindingKind};
use crate::ports::order_repository::RepositoryError;

/// The columns that [`FindingRow`] is read from.
macro_rules! finding_columns {
    () => {
        "id, kind, order_id, reference, detail, found_at"
    };
}
pub(in crate::adapters) use finding_columns;

/// The columns of `findings` that make a finding.
#[derive(FromRow)]
pub struct FindingRow {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) order_id: String,
    pub(crate) reference: Option<String>,
    pub(crate) detail: String,
    pub(crate) found_at: Moment,
}

impl FindingRow {
    /// The row of this finding.
    pub fn of(finding: &Finding) -> Self {
        Self {
            id: finding.id(),
            kind: finding.kind.as_str().to_owned(),
            order_id: finding.order_id.to_string(),
            reference: finding.reference.as_ref().map(ToString::to_string),
            detail: storable(&finding.detail).into_owned(),
            found_at: Moment(finding.found_at),
        }
    }

    fn read(self) -> Result<Finding, RepositoryError> {
        let column = Columns { order_id: &self.order_id };
        Ok(Finding {
            kind: column.named("findings.kind", &self.kind, FindingKind::from_name)?,
            order_id: self.order_id.parse().map_err(|error| column.corrupt("findings.order_id", error))?,
            reference: column.optional_token("findings.reference", self.reference)?,
            detail: self.detail,
            found_at: self.found_at.0,
        })
    }
}

/// The findings of these rows. One that cannot be read is reported and left out: it must not hide the
/// others.
pub fn readable_findings(rows: Vec<FindingRow>) -> Vec<Finding> {
    let read = |row: FindingRow| {
        let id = row.id;
        let report = |error: &RepositoryError| {
            tracing::error!(finding.id = %id, %error, "finding {id} cannot be shown until someone has looked at its row");
        };
        row.read().inspect_err(report).ok()
    };
    rows.into_iter().filter_map(read).collect()
}
