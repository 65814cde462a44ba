//! What a refund says, once it is certain to be the one that was asked for.

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::classify::unreadable;
use crate::adapters::stripe::declines;
use crate::adapters::stripe::observation::{Answer, ExpectedRefund};
use crate::adapters::stripe::wire::{Page, RefundObject, Text, object_id};
use crate::domain::outcome::FailureCategory;

/// The refund of our name on a page of those of a charge. Unlike a search, a list is complete at once.
/// <https://docs.stripe.com/api/refunds/list>
pub(super) fn refunded_before(page: &Page<RefundObject<'_>>, expected: &ExpectedRefund<'_>, answer: &Answer) -> Class {
    match page.data.iter().find(|refund| mark(refund) == Some(expected.refund_id)) {
        Some(refund) => refund_state(refund, expected, answer),
        None => match (page.has_more, page.data.last().and_then(|last| object_id(last.id.as_str()))) {
            (false, _) => Class::NotFound,
            (true, Some(last)) => Class::Continued(last),
            (true, None) => Class::Unknown(unreadable(answer)),
        },
    }
}

/// Our name for a refund, where it has one.
pub(super) fn mark<'a>(refund: &'a RefundObject<'_>) -> Option<&'a str> {
    refund.metadata.as_ref().and_then(|metadata| metadata.refund_id.as_ref()).map(Text::as_str)
}

/// <https://docs.stripe.com/api/refunds/object>
pub(super) fn refund_state(refund: &RefundObject<'_>, expected: &ExpectedRefund<'_>, answer: &Answer) -> Class {
    let name = match object_id(refund.id.as_str()) {
        Some(name) if refund.object.as_str() == "refund" => name,
        _ => return Class::Unknown(unreadable(answer)),
    };
    let agrees = refund.payment_intent.as_ref().map(Text::as_str) == Some(expected.reference.as_str())
        && refund.amount == expected.units
        && refund.currency.as_str() == expected.currency
        && mark(refund) == Some(expected.refund_id);
    match refund.status() {
        _ if !agrees => Class::Quarantine(format!("refund {name} is not the one that was asked for")),
        "succeeded" => Class::Refunded(name),
        "pending" | "requires_action" => Class::RefundPending(name),
        "failed" | "canceled" => {
            let code = refund.failure_reason.as_ref().map_or(refund.status(), Text::as_str);
            let reason = declines::reason(code, FailureCategory::HardDecline, "the refund did not go through");
            Class::RefundFailed { name, reason }
        }
        _ => Class::Unknown(format!("refund {name} has a status that is not known")),
    }
}
