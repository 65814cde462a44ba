//! The storage behind all its ports.

use std::sync::Arc;

use crate::ports::audit_trail::AuditTrail;
use crate::ports::finding_repository::FindingRepository;
use crate::ports::gate_repository::GateRepository;
use crate::ports::history_repository::HistoryRepository;
use crate::ports::order_repository::OrderRepository;
use crate::ports::order_waits::OrderWaits;
use crate::ports::outbox::Outbox;
use crate::ports::position_repository::PositionRepository;
use crate::ports::refund_repository::RefundRepository;

/// One storage, seen through each of its ports. Steps of one port are atomic across what they touch, so
/// all of them have to be the same storage.
#[derive(Clone)]
pub struct Store {
    /// Orders and their payments.
    pub orders: Arc<dyn OrderRepository>,
    /// The outcomes to be published.
    pub outbox: Arc<dyn Outbox>,
    /// Money that goes back.
    pub refunds: Arc<dyn RefundRepository>,
    /// Whether the gateway may be used.
    pub gates: Arc<dyn GateRepository>,
    /// What is to be looked at by a person.
    pub findings: Arc<dyn FindingRepository>,
    /// How far requests were handled.
    pub positions: Arc<dyn PositionRepository>,
    /// What may be removed.
    pub history: Arc<dyn HistoryRepository>,
    /// What people did by command.
    pub audit: Arc<dyn AuditTrail>,
    /// What orders wait for.
    pub waits: Arc<dyn OrderWaits>,
}

impl Store {
    /// The ports of this storage.
    pub fn of<Storage>(storage: Storage) -> Self
    where
        Storage: OrderRepository
            + Outbox
            + RefundRepository
            + GateRepository
            + FindingRepository
            + PositionRepository
            + HistoryRepository
            + AuditTrail
            + OrderWaits
            + 'static,
    {
        let storage = Arc::new(storage);
        Self {
            orders: storage.clone(),
            outbox: storage.clone(),
            refunds: storage.clone(),
            gates: storage.clone(),
            findings: storage.clone(),
            positions: storage.clone(),
            history: storage.clone(),
            audit: storage.clone(),
            waits: storage,
        }
    }
}
