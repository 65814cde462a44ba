//! How the poll thread commits, and how partitions leave it: drained, committed, fenced. Waits for a
//! commit only where something ends, and never beyond a deadline.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use crate::adapters::kafka::committer::Answer;
use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::give_back;
use crate::adapters::kafka::lag;
use crate::adapters::kafka::poller::{COMMIT_GRACE, Handed, Poller, TICK};

impl Poller {
    /// Gives partitions back: drains, commits, fences. What was lost already is only fenced.
    pub(super) fn revoke(&mut self, partitions: &TopicPartitionList) -> Result<(), ConsumerError> {
        let mut leaving: Vec<i32> = partitions.elements().iter().map(TopicPartitionListElem::partition).collect();
        leaving.sort_unstable();
        self.arrivals.forget(&leaving);
        let is_lost = self.consumer.assignment_lost() || self.suspect_until.is_some();
        self.revoke_leases(&leaving);
        if is_lost {
            tracing::warn!("partitions {leaving:?} were lost to the group; nothing is committed for them");
        } else {
            tracing::info!("partitions {leaving:?} of {:?} are given back", self.config.request_topic);
            let deadline = Instant::now() + self.config.drain_timeout;
            while self.holdings.is_any_out(&leaving) && Instant::now() < deadline {
                self.wait_for_completions(TICK.min(deadline.saturating_duration_since(Instant::now())));
                self.report();
            }
            self.commit_by(&leaving, deadline + COMMIT_GRACE)?;
        }
        // A pause outlives an assignment: without this, whatever comes back would be paused for ever.
        self.resume(&self.holdings.paused(&leaving))?;
        self.holdings.drop_partitions(&leaving);
        lag::forget(&leaving);
        self.suspect_until = None;
        let given_back = give_back(&self.consumer, partitions);
        given_back.map_err(|problem| ConsumerError::Fatal(problem.to_string()))
    }

    pub(super) fn revoke_leases(&self, leaving: &[i32]) {
        self.holdings.revoke_leases(leaving);
        // Fails once `run` has ended: then nothing waits that could be let go.
        let _run_has_ended = self.wires.hand_over.blocking_send(Handed::Revoked);
    }

    /// Stops intake, waits for what is in flight, commits. Goes on polling meanwhile.
    pub(super) fn stop(&mut self, deadline: Instant) -> Result<(), ConsumerError> {
        self.arrivals.give_up();
        let mut result = self.pause(&self.holdings.read());
        self.revoke_leases(&self.holdings.partitions());
        while self.holdings.total().records > 0 && Instant::now() < deadline {
            self.wait_for_completions(TICK);
            if result.is_ok() {
                result = self.poll(Duration::ZERO);
            }
        }
        result.and(self.commit_by(&self.holdings.partitions(), deadline + COMMIT_GRACE))
    }

    /// Commits and waits for the answer until `deadline`, for that of an earlier commit first.
    fn commit_by(&mut self, wanted: &[i32], deadline: Instant) -> Result<(), ConsumerError> {
        self.wait_for_commit(deadline)?;
        self.commit(wanted);
        self.wait_for_commit(deadline)
    }

    fn wait_for_commit(&mut self, deadline: Instant) -> Result<(), ConsumerError> {
        while self.committer.is_busy() && Instant::now() < deadline {
            self.note_commit(TICK.min(deadline.saturating_duration_since(Instant::now())))?;
            self.report();
        }
        Ok(())
    }

    /// Has the watermarks of these partitions stored and committed that moved, unless a commit is under way.
    pub(super) fn commit(&mut self, wanted: &[i32]) {
        if self.committer.is_busy() {
            return;
        }
        self.last_commit = Instant::now();
        self.suspect_until = self.suspect_until.filter(|until| *until > Instant::now());
        let progress = self.holdings.progress(wanted);
        if progress.reached.is_empty() || self.suspect_until.is_some() || self.consumer.assignment_lost() {
            return;
        }
        self.committer.commit(progress);
    }

    /// Takes the answer to a commit, if there is one within `wait`. A refusal is no error: the records
    /// are delivered again to whoever has the partitions then.
    pub(super) fn note_commit(&mut self, wait: Duration) -> Result<(), ConsumerError> {
        match self.committer.answer(wait) {
            None => {}
            Some(Answer::Committed(progress)) => {
                self.holdings.note_stored(&progress.reached);
                self.holdings.note_committed(&progress.for_group);
            }
            Some(Answer::Stored(progress, problem)) => {
                self.holdings.note_stored(&progress.reached);
                metrics::counter!("order_payments_commit_failures_total").increment(1);
                if is_of_a_change(&problem) {
                    tracing::info!(
                        "the group changes its members: these positions are committed later, or handled again elsewhere"
                    );
                } else {
                    tracing::warn!(error = %problem, "positions could not be committed; they will be with the next ones");
                }
            }
            Some(Answer::NotStored(problem)) => {
                metrics::counter!("order_payments_position_store_failures_total").increment(1);
                tracing::warn!("no positions are committed for now: {problem}");
            }
            Some(Answer::Forgotten(partitions)) => return self.start_over(&partitions),
        }
        Ok(())
    }
}

/// Whether a commit came just as the group was dividing its partitions anew, as it does whenever a member comes or
/// goes.
fn is_of_a_change(problem: &KafkaError) -> bool {
    use RDKafkaErrorCode::{IllegalGeneration, RebalanceInProgress};

    matches!(problem.rdkafka_error_code(), Some(IllegalGeneration | RebalanceInProgress))
}
