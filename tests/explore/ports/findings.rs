//! Findings and gates, every call of them a step.

use std::sync::Arc;

use async_trait::async_trait;
use order_payments::domain::order::OrderId;
use order_payments::domain::timestamp::Timestamp;
use order_payments::ports::finding_repository::{Finding, FindingRepository};
use order_payments::ports::gate_repository::{Gate, GateChange, GateRepository};
use order_payments::ports::order_repository::{JournalEntry, RepositoryError};
use order_payments::ports::store::Store;
use uuid::Uuid;

use crate::explore::calls::Call;
use crate::explore::stage::Stage;

pub(crate) struct SteppedFindings {
    stage: Arc<Stage>,
    findings: Arc<dyn FindingRepository>,
    gates: Arc<dyn GateRepository>,
}

impl SteppedFindings {
    pub(crate) fn new(stage: &Arc<Stage>, store: &Store) -> Self {
        Self { stage: Arc::clone(stage), findings: Arc::clone(&store.findings), gates: Arc::clone(&store.gates) }
    }
}

#[async_trait]
impl FindingRepository for SteppedFindings {
    async fn report(&self, finding: &Finding) -> Result<bool, RepositoryError> {
        let subject = || finding.kind.as_str().to_owned();
        self.stage.pass(Call::Report, subject, self.findings.report(finding)).await
    }

    async fn open_findings(&self, limit: usize) -> Result<Vec<Finding>, RepositoryError> {
        self.stage.pass(Call::Read("findings.open"), String::new, self.findings.open_findings(limit)).await
    }

    async fn findings_of(&self, order_id: &OrderId) -> Result<Vec<Finding>, RepositoryError> {
        self.stage.pass(Call::Read("findings.of"), String::new, self.findings.findings_of(order_id)).await
    }

    async fn resolve_finding(
        &self,
        id: Uuid,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, RepositoryError> {
        let effect = self.findings.resolve_finding(id, actor, reason, now);
        self.stage.pass(Call::ResolveFinding, String::new, effect).await
    }
}

#[async_trait]
impl GateRepository for SteppedFindings {
    async fn gate(&self, gateway: &str) -> Result<Gate, RepositoryError> {
        self.stage.pass(Call::Read("gates.gate"), String::new, self.gates.gate(gateway)).await
    }

    async fn change_gate(&self, gateway: &str, seen: u64, change: &GateChange) -> Result<bool, RepositoryError> {
        let subject = || change.state_name().to_owned();
        self.stage.pass(Call::ChangeGate, subject, self.gates.change_gate(gateway, seen, change)).await
    }

    async fn gate_journal(&self, gateway: &str) -> Result<Vec<JournalEntry>, RepositoryError> {
        self.stage.pass(Call::Read("gates.journal"), String::new, self.gates.gate_journal(gateway)).await
    }
}
