//! What health, readiness and metrics say about the running service. Only reads.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::adapters::http::server::{Check, Vitals};
use crate::adapters::kafka::status::{ConsumerStatus, StatusHandle};

/// After how long without a poll the consumer's thread counts as hanging.
const POLL_OVERDUE: Duration = Duration::from_secs(30);

/// What is asked from outside about the running service.
pub(super) struct ServiceVitals {
    status: StatusHandle,
    metrics: Option<PrometheusHandle>,
}

impl ServiceVitals {
    /// How the consumer of that status is doing, and these metrics.
    pub(super) fn new(status: StatusHandle, metrics: Option<PrometheusHandle>) -> Self {
        Self { status, metrics }
    }

    fn polls(&self) -> Check {
        let age = self.status.now().last_poll_age;
        let detail = format!("Kafka was last polled {} ms ago", age.as_millis());
        Check { name: "kafka-poll", ok: age < POLL_OVERDUE, detail }
    }
}

impl Vitals for ServiceVitals {
    fn liveness(&self) -> Vec<Check> {
        vec![self.polls()]
    }

    fn readiness(&self) -> Vec<Check> {
        let status = self.status.now();
        vec![self.polls(), group(&status), intake(&status), retries(&status)]
    }

    fn metrics(&self) -> String {
        self.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }
}

fn group(status: &ConsumerStatus) -> Check {
    let (assigned, waiting, stalled) =
        (status.assigned_partitions, status.waiting_partitions, status.stalled_partitions);
    let detail = match (&status.stall_reason, &status.waiting_reason) {
        (Some(reason), _) if stalled > 0 => format!("{assigned} partitions assigned, {stalled} stall: {reason}"),
        (_, Some(reason)) if waiting > 0 => format!("{assigned} partitions assigned, {waiting} more wait: {reason}"),
        _ => format!("{assigned} partitions assigned"),
    };
    Check { name: "kafka-group", ok: assigned > 0 && waiting == 0 && stalled == 0, detail }
}

fn intake(status: &ConsumerStatus) -> Check {
    let held = format!("{} records held, {} orders in flight", status.held_records, status.in_flight);
    let detail = match &status.pause_reason {
        Some(reason) => format!("{held}, intake paused: {reason}"),
        None if status.is_paused => format!("{held}, intake paused until fewer are"),
        None => held,
    };
    Check { name: "intake", ok: status.pause_reason.is_none(), detail }
}

fn retries(status: &ConsumerStatus) -> Check {
    let detail = match &status.retry_reason {
        Some(reason) if status.retrying > 0 => format!("{} records wait: {reason}", status.retrying),
        _ => "nothing is tried again".to_owned(),
    };
    Check { name: "retries", ok: status.retrying == 0, detail }
}
