//! How the poll thread looks after its reading: tells how far it is, and repairs partitions that stall, each time
//! with a word on what that rests on.

use std::time::Instant;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;

use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::group::{accept, is_incremental};
use crate::adapters::kafka::lag;
use crate::adapters::kafka::poller::Poller;
use crate::adapters::kafka::stalls::{Alarm, Repair, Sight};

impl Poller {
    /// Acts on what librdkafka has told of its partitions since the last call, if it has.
    pub(super) fn look_after_reading(&mut self) -> Result<(), ConsumerError> {
        let told = self.consumer.context().take_fetching();
        if told.is_empty() {
            return Ok(());
        }
        lag::tell(&told, &self.holdings);
        if self.stop_at.is_some() {
            return Ok(());
        }
        for (partition, end) in self.arrivals.take_ends() {
            self.wires.stalls.note_end(partition, end);
        }
        let now = Instant::now();
        let sights: Vec<Sight> = told.iter().filter_map(|fetching| self.holdings.sight(fetching)).collect();
        for alarm in self.wires.stalls.observe(now, &sights) {
            self.repair(&alarm)?;
        }
        if self.renew {
            return Ok(()); // Nobody is left to hear the answer, and whoever asks holds the client.
        }
        let mut doubtful = self.wires.stalls.doubtful(now);
        doubtful.retain(|partition| sights.iter().any(|sight| sight.partition == *partition));
        self.arrivals.ask_for_ends(doubtful);
        self.status.set_stalled(self.wires.stalls.stalled_count());
        Ok(())
    }

    fn repair(&mut self, alarm: &Alarm) -> Result<(), ConsumerError> {
        let (partition, step) = (alarm.sight.partition, alarm.repair.as_str());
        metrics::counter!("order_payments_stall_repairs_total", "step" => step).increment(1);
        self.status.is_repaired(&alarm.to_string());
        let repaired = match alarm.repair {
            Repair::Seek => {
                tracing::warn!(kafka.partition = partition, step, "{alarm}; the client is told to look again");
                self.seek(&[partition])
            }
            Repair::Reassign => {
                tracing::warn!(kafka.partition = partition, step, "{alarm}; the client is given it anew");
                self.reassign(partition)
            }
            Repair::Renew => {
                tracing::error!(
                    kafka.partition = partition,
                    step,
                    "{alarm}; another client takes the place of this one"
                );
                self.renew = true;
                Ok(())
            }
            Repair::GiveUp => {
                let (topic, evidence) = (self.config.request_topic.clone(), alarm.to_string());
                return Err(ConsumerError::Stalled { topic, evidence });
            }
        };
        if let Err(problem) = repaired {
            tracing::warn!(kafka.partition = partition, step, error = %problem, "that was refused; more follows");
        }
        Ok(())
    }

    /// Takes a partition from the client and gives it back, from where we stand.
    fn reassign(&self, partition: i32) -> KafkaResult<()> {
        if is_incremental(&self.consumer) {
            let list = self.holdings.at_positions(&[partition]);
            self.consumer.incremental_unassign(&list)?;
            return accept(&self.consumer, &list);
        }
        accept(&self.consumer, &self.holdings.at_positions(&self.holdings.partitions()))
    }
}
