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
        FindingKind::ChargedNotPaid => {
            "where the order waits, end its review; where it has FAILED, see that its refund goes through"
        }
        FindingKind::PaidNotCharged => {
            "look the charge up at the gateway; if there is none, the order was never paid for: tell the order service"
        }
        FindingKind::ChargedTwice => "compare both charges at the gateway, and give one of them back there",
        FindingKind::AmountDiffers => "compare the charge with the order, and give the difference back at the gateway",
        FindingKind::UnknownOrder => {
            "find out who made the charge; if nobody is owed anything, give it back at the gateway"
        }
        FindingKind::RefundDiffers => "compare the refunds at the gateway with `order-payments refunds ORDER_ID`",
    }
}
