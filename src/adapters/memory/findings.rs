//! Findings in memory.

use async_trait::async_trait;
use uuid::Uuid;

use crate::adapters::memory::order_repository::MemoryOrderRepository;
use crate::domain::order::OrderId;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::{Finding, FindingRepository};
use crate::ports::order_repository::RepositoryError;

/// A finding, open until a person has ended it.
#[derive(Clone)]
pub(in crate::adapters::memory) struct StoredFinding {
    finding: Finding,
    is_open: bool,
}

impl MemoryOrderRepository {
    fn open_findings_where(&self, matches: impl Fn(&Finding) -> bool) -> Vec<Finding> {
        let tables = self.tables();
        let open = tables.findings.values().filter(|stored| stored.is_open && matches(&stored.finding));
        let mut findings: Vec<_> = open.map(|stored| stored.finding.clone()).collect();
        findings.sort_by_key(|finding| finding.found_at);
        findings
    }
}

#[async_trait]
impl FindingRepository for MemoryOrderRepository {
    async fn report(&self, finding: &Finding) -> Result<bool, RepositoryError> {
        let findings = &mut self.tables().findings;
        let is_new = !findings.contains_key(&finding.id());
        findings.entry(finding.id()).or_insert_with(|| StoredFinding { finding: finding.clone(), is_open: true });
        Ok(is_new)
    }

    async fn open_findings(&self, limit: usize) -> Result<Vec<Finding>, RepositoryError> {
        let mut findings = self.open_findings_where(|_| true);
        findings.truncate(limit);
        Ok(findings)
    }

    async fn findings_of(&self, order_id: &OrderId) -> Result<Vec<Finding>, RepositoryError> {
        Ok(self.open_findings_where(|finding| finding.order_id == *order_id))
    }

    async fn resolve_finding(
        &self,
        id: Uuid,
        _actor: &str,
        _reason: &str,
        _now: Timestamp,
    ) -> Result<bool, RepositoryError> {
        let mut tables = self.tables();
        let open = tables.findings.get_mut(&id).filter(|stored| stored.is_open);
        Ok(open.map(|stored| stored.is_open = false).is_some())
    }
}
