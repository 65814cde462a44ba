//! Everything read again by another group, when all of it is settled: records per second, as the group's
//! committed positions tell.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;
use tokio::task::block_in_place;

use crate::chaos::checker::judge;
use crate::options::Options;
use crate::reader::Reader;
use crate::report::{Run, figure};
use crate::servers::Servers;
use crate::stage::{PATIENCE, Stage, backlog, send, stop};
use crate::statistics::{median, number, ratio};
use crate::support::kafka::all_partitions;
use crate::support::service::Setup;
use crate::support::{eventually, unique};

/// How often it is read again, each time by a new group.
const ROUNDS: usize = 3;

/// How often the group commits here: how finely its progress can be seen.
const COMMIT_INTERVAL_MS: u64 = 100;

const ANSWER: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    charge_flow: &'static str,
    records: usize,
    /// The median of all rounds.
    records_per_second: f64,
    of_raw_limit: f64,
    rounds: Vec<f64>,
    cpu_seconds_per_thousand: f64,
    wrongs: Vec<String>,
}

impl Run for Measured {
    const COLUMNS: (&'static [&'static str], &'static [&'static str]) =
        (&["flow", "records"], &["records/s", "of raw limit", "rounds", "CPU s/1,000: service"]);

    fn labels(&self) -> Vec<String> {
        vec![self.charge_flow.to_owned(), self.records.to_string()]
    }

    fn figures(&self) -> Vec<String> {
        let rounds = self.rounds.iter().map(|rate| figure(*rate)).collect::<Vec<_>>().join(" ");
        let (speed, share) = (figure(self.records_per_second), figure(self.of_raw_limit));
        vec![speed, share, rounds, figure(self.cpu_seconds_per_thousand)]
    }

    fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}

/// Settles a backlog, doubles its records, and has all of them read again.
pub(crate) async fn measure(servers: &Servers, options: &Options, raw_limit: f64) -> Measured {
    let (orders, charge_flow) = (options.orders, "one-step");
    let stage = Stage::set(servers, options, charge_flow, 0).await;
    let (topics, all) = (&stage.setup.topics, backlog(orders));
    send(topics, &all).await;
    let reader = Reader::start(topics);
    let instances = stage.start(1);
    reader.wait_for(orders, PATIENCE).await;
    stop(instances).await;
    reader.finish();
    send(topics, &all).await;

    let records = all.len() * 2;
    let (mut rounds, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (rate, cost) = read_again(&stage, records).await;
        rounds.push(rate);
        costs.push(cost);
    }
    let wrongs = judge(&stage.evidence(0..orders).await).wrongs();
    stage.strike().await;
    let records_per_second = median(rounds.clone());
    let of_raw_limit = ratio(records_per_second, raw_limit);
    let cpu_seconds_per_thousand = median(costs);
    Measured { charge_flow, records, records_per_second, of_raw_limit, rounds, cpu_seconds_per_thousand, wrongs }
}

/// Records per second of one round, and CPU seconds of the service for a thousand.
async fn read_again(stage: &Stage, records: usize) -> (f64, f64) {
    let mut setup = stage.setup.clone();
    setup.group = unique("replay");
    setup.further.push(("KAFKA__COMMIT_INTERVAL_MS", COMMIT_INTERVAL_MS.to_string()));
    let (progress, instance, mut samples) = (Progress::of(&setup), vec![setup.start()], Vec::new());
    let all_done = async || {
        let done = block_in_place(|| progress.records());
        if done > 0 {
            samples.push((Instant::now(), done, stage.cpu(&instance).service));
        }
        (done >= records).then_some(())
    };
    eventually("the whole topic being read again", PATIENCE, all_done).await;
    stop(instance).await;
    let Some(((from, first, before), (to, last, after))) = samples.first().zip(samples.last()) else {
        return (0.0, 0.0);
    };
    let done = number(last - first);
    (ratio(done, (*to - *from).as_secs_f64()), ratio((after - before) * 1000.0, done))
}

/// How far a group has come, asked of the broker.
struct Progress {
    consumer: BaseConsumer,
    partitions: TopicPartitionList,
}

impl Progress {
    fn of(setup: &Setup) -> Self {
        let client = &mut setup.topics.client();
        let consumer: BaseConsumer = client.set("group.id", &setup.group).create().expect("a lawful configuration");
        let partitions = all_partitions(&consumer, &setup.topics.requests, Offset::Invalid);
        Self { consumer, partitions }
    }

    /// Records that are committed.
    fn records(&self) -> usize {
        let committed = self.consumer.committed_offsets(self.partitions.clone(), ANSWER).expect("the broker answers");
        let offsets = committed.elements().into_iter().filter_map(|partition| partition.offset().to_raw());
        offsets.filter_map(|offset| usize::try_from(offset).ok()).sum()
    }
}
