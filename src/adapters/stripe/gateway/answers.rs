//! What each class of answer means to the port.

use crate::adapters::stripe::class::Class;
use crate::adapters::stripe::currency::{Unchargeable, minor_units};
use crate::adapters::stripe::{declines, wire};
use crate::domain::money::Money;
use crate::domain::outcome::{FailureCategory, FailureReason};
use crate::ports::payment_gateway::{Charge, GatewayError, Refunding};

/// What the order costs, as Stripe counts and writes it.
pub(super) struct Terms {
    pub(super) units: i64,
    pub(super) currency: String,
}

impl Terms {
    pub(super) fn of(money: Money) -> Result<Self, FailureReason> {
        let refused = |cause: Unchargeable| {
            let (code, sentence) = cause.reason();
            declines::reason(code, FailureCategory::InvalidAmount, sentence)
        };
        Ok(Self { units: minor_units(money).map_err(refused)?, currency: wire::currency(money) })
    }
}

/// The answer to a charge, or the class that is none.
pub(super) fn charge_of(class: Class) -> Result<Charge, Class> {
    match class {
        Class::Approved(reference) => Ok(Charge::Approved(reference)),
        Class::Declined { reference, reason } => Ok(Charge::Declined { reference, reason }),
        Class::Refused(reason) => Ok(Charge::Refused(reason)),
        Class::Canceled(reason) => Ok(Charge::Canceled(reason)),
        Class::Void => Ok(Charge::Void),
        Class::Pending => Ok(Charge::Pending),
        class => Err(class),
    }
}

/// The answer to a refund, or the class that is none.
pub(super) fn refund_of(class: Class) -> Result<Refunding, Class> {
    match class {
        Class::Refunded(name) => Ok(Refunding::Succeeded(name)),
        Class::RefundPending(name) => Ok(Refunding::Pending(name)),
        Class::RefundFailed { name, reason } => Ok(Refunding::Failed { name: Some(name), reason }),
        class => Err(class),
    }
}

/// The error of a class that settles nothing of what was asked.
pub(super) fn unsettled(class: Class, asked: &str) -> GatewayError {
    match class {
        Class::Unavailable(detail) => GatewayError::Unavailable { detail },
        Class::Unknown(detail) | Class::Retry { detail, .. } => GatewayError::Unknown { detail },
        Class::Configuration(detail) => GatewayError::Closed { detail },
        Class::Rejected(detail) => GatewayError::Rejected { detail },
        Class::Quarantine(detail) | Class::KeyReused(detail) => GatewayError::Contradiction { detail },
        // Lawful answers to another question: what they mean for this one is to be looked up.
        Class::Unconfirmed(_)
        | Class::Pending
        | Class::Canceled(_)
        | Class::Void
        | Class::Declined { .. }
        | Class::Refused(_)
        | Class::NotFound
        | Class::RefundPending(_)
        | Class::RefundFailed { .. }
        | Class::Continued(_)
        | Class::Listed(_)
        | Class::ListedRefunds(_)
        | Class::Open => GatewayError::Unknown { detail: format!("{asked}, answered something else") },
        Class::Approved(reference) | Class::Refunded(reference) => {
            GatewayError::Contradiction { detail: format!("{asked}, answered that money moved for {reference}") }
        }
    }
}
