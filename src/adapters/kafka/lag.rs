//! How far the consumer is behind, partition by partition, and how the client fetches them. Only counts: asks
//! the cluster nothing.

use rdkafka::Statistics;
use rdkafka::statistics::{Broker, Partition};

use crate::adapters::kafka::holdings::Holdings;
use crate::adapters::kafka::stalls::Link;

/// How the client fetches a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetching {
    pub(crate) partition: i32,
    /// Where it ends for readers of committed records; `None` where nothing was fetched yet.
    pub(crate) end: Option<i64>,
    /// The offset that is fetched next; negative where there is none yet.
    pub(crate) fetched_to: i64,
    /// "active" where it is fetched.
    pub(crate) state: String,
    pub(crate) broker: Link,
}

/// What librdkafka tells of its partitions. It tells of those that have left us, too.
pub(crate) fn fetching(statistics: Statistics) -> Vec<Fetching> {
    let brokers = statistics.brokers;
    // A partition without a leader is with the broker -1, as are the addresses that the client began with.
    let link = |id: i32| brokers.values().find(|broker| id >= 0 && broker.nodeid == id).map_or(Link::Away, link);
    let partitions = statistics.topics.into_values().flat_map(|topic| topic.partitions.into_values());
    // A negative one is the partition of what has none.
    let partitions = partitions.filter(|found| found.partition >= 0);
    partitions
        .map(|Partition { partition, ls_offset, next_offset, fetch_state, broker, .. }| Fetching {
            partition,
            end: (ls_offset >= 0).then_some(ls_offset),
            fetched_to: next_offset,
            state: fetch_state,
            broker: link(broker),
        })
        .collect()
}

fn link(broker: &Broker) -> Link {
    match (broker.state.as_str(), &broker.throttle) {
        ("UP", Some(throttle)) if throttle.max > 0 => Link::Throttling,
        ("UP", _) => Link::Up,
        _ => Link::Away,
    }
}

/// Tells the lag of those partitions that are ours.
pub(crate) fn tell(fetching: &[Fetching], holdings: &Holdings) {
    for Fetching { partition, end, .. } in fetching {
        if let Some(lag) = end.and_then(|end| holdings.lag(*partition, end)) {
            set(*partition, lag);
        }
    }
}

/// Tells that these partitions are ours no more. A series cannot be unmade: at zero it adds nothing
/// to the sum over all members.
pub(crate) fn forget(partitions: &[i32]) {
    for partition in partitions {
        set(*partition, 0);
    }
}

fn set(partition: i32, records: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; no partition holds 2^52 records")]
    let records = records as f64;
    metrics::gauge!("order_payments_consumer_lag_records", "partition" => partition.to_string()).set(records);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::adapters::kafka::shares::Load;
    use crate::adapters::kafka::starts::Start;

    #[test]
    fn the_lag_is_what_is_not_done_and_ends_with_the_partition() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let all = Load { records: 10, bytes: 10 };
        let mut holdings = Holdings::of("requests", all, channel().0);
        let (committed, stored) = (Some(5), Some(5));
        holdings.take(&[Start { partition: 2, offset: 5, committed, stored, horizon: 0, is_restored: false }]);
        let at = |partition, end| {
            let (fetched_to, state, broker) = (5, "active".to_owned(), Link::Up);
            Fetching { partition, end: Some(end), fetched_to, state, broker }
        };
        metrics::with_local_recorder(&recorder, || tell(&[at(2, 12), at(3, 9)], &holdings));
        let shown = recorder.handle().render();
        assert!(shown.contains(r#"order_payments_consumer_lag_records{partition="2"} 7"#), "{shown}");
        assert!(!shown.contains(r#"partition="3""#), "another member's: {shown}");
        metrics::with_local_recorder(&recorder, || forget(&[2]));
        let shown = recorder.handle().render();
        assert!(shown.contains(r#"order_payments_consumer_lag_records{partition="2"} 0"#), "{shown}");
    }

    #[test]
    fn what_librdkafka_tells_of_its_partitions_is_read() {
        let partition = |id: i32, end: i64| {
            serde_json::json!({"partition": id, "broker": 1, "leader": 1, "desired": true, "unknown": false, "msgq_cnt": 0,
                "msgq_bytes": 0, "xmit_msgq_cnt": 0, "xmit_msgq_bytes": 0, "fetchq_cnt": 0, "fetchq_size": 0,
                "fetch_state": "active", "query_offset": 0, "next_offset": 3, "app_offset": 0, "stored_offset": 0,
                "committed_offset": 0, "committed_leader_epoch": 0, "eof_offset": 0, "lo_offset": 0, "hi_offset": 99,
                "ls_offset": end, "consumer_lag": 0, "consumer_lag_stored": 0, "leader_epoch": 0, "txmsgs": 0, "txbytes": 0,
                "rxmsgs": 0, "rxbytes": 0, "msgs": 0, "rx_ver_drops": 0, "msgs_inflight": 0, "next_ack_seq": 0,
                "next_err_seq": 0, "acked_msgid": 0})
        };
        let mut leaderless = partition(2, 4);
        leaderless["broker"] = (-1).into();
        let partitions = serde_json::json!({"0": partition(0, 4), "1": partition(1, -1001), "-1": partition(-1, 4),
            "2": leaderless});
        let window = serde_json::json!({"min": 0, "max": 0, "avg": 0, "sum": 0, "stddev": 0, "p50": 0, "p75": 0,
            "p90": 0, "p95": 0, "p99": 0, "p99_99": 0, "outofrange": 0, "hdrsize": 0, "cnt": 0});
        let topic = serde_json::json!({"topic": "t", "metadata_age": 0, "batchsize": window.clone(), "batchcnt": window,
            "partitions": partitions});
        let topic = serde_json::from_value(topic).expect("as librdkafka tells it");
        let bootstrap = Broker { nodeid: -1, state: "UP".to_owned(), ..Broker::default() };
        let brokers = [("localhost:9092/bootstrap".to_owned(), bootstrap)].into();
        let statistics = Statistics { brokers, topics: [("t".to_owned(), topic)].into(), ..Statistics::default() };
        let mut found = fetching(statistics);
        found.sort_by_key(|found| found.partition);
        let of = |partition, end| {
            let state = "active".to_owned();
            Fetching { partition, end, fetched_to: 3, state, broker: Link::Away }
        };
        assert_eq!(
            found,
            [of(0, Some(4)), of(1, None), of(2, Some(4))],
            "their broker is not told of, or there is none"
        );
    }
}
