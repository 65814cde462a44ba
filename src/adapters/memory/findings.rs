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
    /// `None` while it is open.
    resolved_at: Option<Timestamp>,
}

impl StoredFinding {
    pub(in crate::adapters::memory) fn is_about(&self, id: &OrderId) -> bool {
        self.finding.order_id == *id
    }

    pub(in crate::adapters::memory) fn ended_before(&self, before: Timestamp) -> bool {
        self.resolved_at.is_some_and(|resolved_at| resolved_at < before)
    }
}

impl MemoryOrderRepository {
    fn open_findings_where(&self, matches: impl Fn(&Finding) -> bool) -> Vec<Finding> {
        let tables = self.tables();
        let open = tables.findings.values().filter(|stored| stored.resolved_at.is_none() && matches(&stored.finding));
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
        findings.entry(finding.id()).or_insert_with(|| StoredFinding { finding: finding.clone(), resolved_at: None });
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
        now: Timestamp,
    ) -> Result<bool, RepositoryError> {
        let mut tables = self.tables();
        let open = tables.findings.get_mut(&id).filter(|stored| stored.resolved_at.is_none());
        Ok(open.map(|stored| stored.resolved_at = Some(now)).is_some())
    }
}
