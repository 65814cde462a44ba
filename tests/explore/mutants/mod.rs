//! Errors that are planted into the protocol on purpose, to see that the explorer finds each of them.
//!
//! Each is a decorator around a port, or a driver that does things in the wrong order; `src` is never changed.

mod gateway;
mod orders;
mod publisher;
mod refunds;

use std::sync::Arc;

use order_payments::adapters::memory::order_repository::MemoryOrderRepository;
use order_payments::ports::event_publisher::EventPublisher;
use order_payments::ports::payment_gateway::PaymentGateway;
use order_payments::ports::store::Store;

use crate::explore::mutants::gateway::MutatedGateway;
use crate::explore::mutants::orders::MutatedOrders;
use crate::explore::mutants::publisher::{MutatedOutbox, MutatedPublisher};
use crate::explore::mutants::refunds::MutatedRefunds;

/// An error of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    NewKeyPerRetry,
    KeysOfTheFirstAttempt,
    TimeoutIsADecline,
    TimeoutIsARefusal,
    FailedWithoutFence,
    RenewedWithoutCancel,
    CreateAndConfirmInOne,
    RefusalOfUsIsADecline,
    ConflictIsADecline,
    ErrorRetriedUnderFreshKey,
    EmptyHistory,
    NotFoundIsFailed,
    UnconfirmedIsDeclined,
    RoundedAmount,
    OldKeys,
    ApprovedWithoutAsking,
    ArmWithoutCompareAndSet,
    ChargeBeforeArmIsStored,
    SettledWithoutOutcome,
    OutcomeAfterTheTransaction,
    ReplacesAnything,
    ToldIsForgotten,
    BeginsAnew,
    AcknowledgedFirst,
    MarkedBeforePublished,
    TailIsNotRead,
    UnfencedPublisher,
    RefundForgottenOnError,
    NewKeyPerRefund,
    UnboundedRefunds,
    BodyChangesPerRetry,
    RefusalOfUsIsForAPerson,
    JournalForgets,
    BytesMadeAnew,
    OutcomeWithEmail,
    NothingIsDue,
    NeverPublished,
}

impl Mutant {
    pub(crate) const ALL: [Self; 37] = [
        Self::NewKeyPerRetry,
        Self::KeysOfTheFirstAttempt,
        Self::TimeoutIsADecline,
        Self::TimeoutIsARefusal,
        Self::FailedWithoutFence,
        Self::RenewedWithoutCancel,
        Self::CreateAndConfirmInOne,
        Self::RefusalOfUsIsADecline,
        Self::ConflictIsADecline,
        Self::ErrorRetriedUnderFreshKey,
        Self::EmptyHistory,
        Self::NotFoundIsFailed,
        Self::UnconfirmedIsDeclined,
        Self::RoundedAmount,
        Self::OldKeys,
        Self::ApprovedWithoutAsking,
        Self::ArmWithoutCompareAndSet,
        Self::ChargeBeforeArmIsStored,
        Self::SettledWithoutOutcome,
        Self::OutcomeAfterTheTransaction,
        Self::ReplacesAnything,
        Self::ToldIsForgotten,
        Self::BeginsAnew,
        Self::AcknowledgedFirst,
        Self::MarkedBeforePublished,
        Self::TailIsNotRead,
        Self::UnfencedPublisher,
        Self::RefundForgottenOnError,
        Self::NewKeyPerRefund,
        Self::UnboundedRefunds,
        Self::BodyChangesPerRetry,
        Self::RefusalOfUsIsForAPerson,
        Self::JournalForgets,
        Self::BytesMadeAnew,
        Self::OutcomeWithEmail,
        Self::NothingIsDue,
        Self::NeverPublished,
    ];

    /// Its name in a case's name.
    pub(crate) fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// The mutant of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }

    /// The scenarios in which it shows soonest: they are played first.
    pub(crate) const fn shows_in(self) -> &'static [&'static str] {
        match self {
            Self::NewKeyPerRetry | Self::ErrorRetriedUnderFreshKey => &["approved/one-step", "mute/one-step"],
            Self::KeysOfTheFirstAttempt | Self::RenewedWithoutCancel | Self::UnconfirmedIsDeclined => {
                &["lost-charges/two-step"]
            }
            Self::FailedWithoutFence | Self::BeginsAnew => &["declined/two-step"],
            Self::EmptyHistory => &["restored/two-step", "restored-lost/two-step"],
            Self::TimeoutIsARefusal => &["declined/two-step", "approved/two-step"],
            Self::NotFoundIsFailed => &["lost-charges/one-step", "down/one-step"],
            Self::OldKeys => &["down-for-a-day/two-step"],
            Self::ToldIsForgotten => &["restored-good/two-step"],
            Self::ReplacesAnything => &["pending/two-step"],
            Self::ArmWithoutCompareAndSet => &["twins/two-step"],
            Self::MarkedBeforePublished | Self::TailIsNotRead => &["relayed/two-step"],
            Self::UnfencedPublisher => &["relayed-twins/two-step", "relayed/two-step"],
            Self::RefundForgottenOnError => &["refund/two-step"],
            Self::NewKeyPerRefund | Self::UnboundedRefunds => &["refund-parts/two-step"],
            _ => &["approved/two-step"],
        }
    }
}

/// The store as this mutant shows it.
pub(crate) fn store(mutant: Option<Mutant>, storage: &Arc<MemoryOrderRepository>) -> Store {
    let mut store = Store {
        orders: storage.clone(),
        outbox: storage.clone(),
        refunds: storage.clone(),
        gates: storage.clone(),
        findings: storage.clone(),
        positions: storage.clone(),
        history: storage.clone(),
        audit: storage.clone(),
        waits: storage.clone(),
    };
    if let Some(mutant) = mutant {
        let orders = Arc::new(MutatedOrders::new(mutant, store.clone()));
        store.outbox = Arc::new(MutatedOutbox::new(mutant, store.outbox, Arc::clone(&orders)));
        store.orders = orders;
        store.refunds = Arc::new(MutatedRefunds::new(mutant, store.refunds));
    }
    store
}

/// The gateway as this mutant uses it.
pub(crate) fn gateway(mutant: Option<Mutant>, gateway: Arc<dyn PaymentGateway>) -> Arc<dyn PaymentGateway> {
    match mutant {
        Some(mutant) => Arc::new(MutatedGateway::new(mutant, gateway)),
        None => gateway,
    }
}

/// The publisher as this mutant uses it.
pub(crate) fn publisher(mutant: Option<Mutant>, publisher: Arc<dyn EventPublisher>) -> Arc<dyn EventPublisher> {
    match mutant {
        Some(mutant) => Arc::new(MutatedPublisher::new(mutant, publisher)),
        None => publisher,
    }
}

/// Whether a record's offset is done before anything is stored.
pub(crate) fn acknowledges_first(mutant: Option<Mutant>) -> bool {
    mutant == Some(Mutant::AcknowledgedFirst)
}
