//! What reconciliation found to be wrong: rows that stay until a person has said what became of them.

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::order::OrderId;
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::RepositoryError;

/// The findings.
///
/// # Contract
/// 1. A finding of the same kind about the same order and reference is stored once, also after it was
///    resolved, and `report` says whether it was new.
/// 2. Nothing but `resolve` ends a finding, and it stays as history.
#[async_trait]
pub trait FindingRepository: Send + Sync {
    /// Stores a finding; false where it is known already.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been stored. Repeat it.
    async fn report(&self, finding: &Finding) -> Result<bool, RepositoryError>;

    /// Up to `limit` findings that are open, oldest first.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn open_findings(&self, limit: usize) -> Result<Vec<Finding>, RepositoryError>;

    /// The open findings about an order, oldest first.
    ///
    /// # Errors
    /// [`RepositoryError`]; nothing was changed.
    async fn findings_of(&self, order_id: &OrderId) -> Result<Vec<Finding>, RepositoryError>;

    /// Ends a finding by a person's word; false where it is not open.
    ///
    /// # Errors
    /// [`RepositoryError`]; it may have been ended. Repeat it.
    async fn resolve_finding(
        &self,
        id: Uuid,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, RepositoryError>;
}

/// What may be wrong between the gateway and this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// Charged there; the order is not PAID by it here.
    ChargedNotPaid,
    /// PAID here; no such success there.
    PaidNotCharged,
    /// More than one successful charge of one order.
    ChargedTwice,
    /// The amount or currency differs.
    AmountDiffers,
    /// A charge that names an order which is not known here.
    UnknownOrder,
    /// Money went back there that no refund here accounts for, or the other way round.
    RefundDiffers,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::ChargedNotPaid,
        Self::PaidNotCharged,
        Self::ChargedTwice,
        Self::AmountDiffers,
        Self::UnknownOrder,
        Self::RefundDiffers,
    ];

    /// The kind's name in storage and on screens, as `CHARGED_NOT_PAID`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChargedNotPaid => "CHARGED_NOT_PAID",
            Self::PaidNotCharged => "PAID_NOT_CHARGED",
            Self::ChargedTwice => "CHARGED_TWICE",
            Self::AmountDiffers => "AMOUNT_DIFFERS",
            Self::UnknownOrder => "UNKNOWN_ORDER",
            Self::RefundDiffers => "REFUND_DIFFERS",
        }
    }

    /// The kind of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Something that is wrong, for a person to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// The order.
    pub order_id: OrderId,
    /// The charge or the refund that it is about, by the provider's name, where it is about one.
    pub reference: Option<ProviderToken>,
    /// What was seen and what may be done, in a sentence.
    pub detail: String,
    /// When it was found first.
    pub found_at: Timestamp,
}

impl Finding {
    /// The finding's name: the same for the same kind, order and reference, whoever finds it.
    pub fn id(&self) -> Uuid {
        let reference = self.reference.as_ref().map_or("-", ProviderToken::as_str);
        let name = format!("urn:order-payments:finding:{}:{reference}:{}", self.kind.as_str(), self.order_id);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }
}
