//! Findings of reconciliation, and what a person may do about each.

use comfy_table::Table;
use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::print;
use crate::domain::request::ProviderToken;
use crate::ports::finding_repository::{Finding, FindingKind};

/// A finding as commands show it.
#[derive(Debug, Serialize)]
pub(crate) struct FindingView {
    pub(crate) finding_id: String,
    kind: &'static str,
    order_id: String,
    payment_reference: Option<String>,
    detail: String,
    found_at: String,
    what_to_do: &'static str,
}

impl FindingView {
    pub(crate) fn of(finding: &Finding) -> Self {
        Self {
            finding_id: finding.id().to_string(),
            kind: finding.kind.as_str(),
            order_id: finding.order_id.to_string(),
            payment_reference: finding.reference.as_ref().map(ToString::to_string),
            detail: finding.detail.clone(),
            found_at: rfc3339(finding.found_at),
            what_to_do: what_to_do(finding.kind),
        }
    }
}

/// A row for each finding.
pub(crate) fn table(findings: &[Finding]) -> Table {
    let mut table = print::table(&["kind, finding", "order, charge", "found", "what was seen, what may be done"]);
    for finding in findings {
        let charge = finding.reference.as_ref().map_or("", ProviderToken::as_str);
        table.add_row([
            format!("{}\n{}", finding.kind.as_str(), finding.id()),
            format!("{}\n{charge}", finding.order_id),
            print::to_the_second(finding.found_at),
            format!("{}\n{}", finding.detail, what_to_do(finding.kind)),
        ]);
    }
    print::narrow(&mut table, 3);
    table
}

/// What a person may do; once done, `review resolve --finding` ends it.
const fn what_to_do(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::ChargedNotPaid => "end the order's review where it waits; else see that the charge goes back",
        FindingKind::PaidNotCharged => "look for the charge at the gateway; without one the order was never paid for",
        FindingKind::ChargedTwice => "give the charge that did not pay the order back at the gateway",
        FindingKind::AmountDiffers => "give the difference, or all of it, back at the gateway",
        FindingKind::UnknownOrder => {
            "find out who made the charge; give it back at the gateway if it is owed to nobody"
        }
        FindingKind::RefundDiffers => "compare the gateway's refunds with `order-payments refunds ORDER_ID`",
    }
}
