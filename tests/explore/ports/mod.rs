//! The ports of one process of a case: each call of them is a step, at which the plan may strike.

pub(crate) mod findings;
pub(crate) mod gateway;
pub(crate) mod orders;
pub(crate) mod outbox;
pub(crate) mod publisher;
pub(crate) mod refunds;
pub(crate) mod truth;

use std::sync::Arc;

use order_payments::domain::payment::Payment;
use order_payments::ports::payment_gateway::PaymentGateway;
use order_payments::ports::store::Store;

use crate::explore::ports::findings::SteppedFindings;
use crate::explore::ports::gateway::SteppedGateway;
use crate::explore::ports::orders::SteppedOrders;
use crate::explore::ports::outbox::SteppedOutbox;
use crate::explore::ports::refunds::SteppedRefunds;
use crate::explore::stage::Stage;

/// The store, every call of it a step. Positions and pruning are no part of a payment and stay as they are.
pub(crate) fn stepped(stage: &Arc<Stage>, store: &Store) -> Store {
    let findings = Arc::new(SteppedFindings::new(stage, store));
    Store {
        orders: Arc::new(SteppedOrders::new(stage, store)),
        outbox: Arc::new(SteppedOutbox::new(stage, store)),
        refunds: Arc::new(SteppedRefunds::new(stage, store)),
        gates: findings.clone(),
        findings,
        positions: store.positions.clone(),
        history: store.history.clone(),
        audit: store.audit.clone(),
        waits: store.waits.clone(),
    }
}

/// The gateway, every call of it a step.
pub(crate) fn stepped_gateway(gateway: SteppedGateway) -> Arc<dyn PaymentGateway> {
    Arc::new(gateway)
}

/// A payment in few words.
pub(crate) fn brief(payment: &Payment) -> String {
    let reference = payment.reference().map_or("-", |reference| reference.as_str());
    format!("attempt {} {} {}", payment.attempt.number(), payment.state.name(), reference)
}
