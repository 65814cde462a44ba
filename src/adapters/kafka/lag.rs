//! How far the consumer is behind, partition by partition. Only counts: asks the cluster nothing.

use rdkafka::Statistics;

use crate::adapters::kafka::holdings::Holdings;

/// Where a partition ends for readers of committed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    partition: i32,
    offset: i64,
}

/// The ends that librdkafka knows. It knows those of partitions that have left us, too.
pub(crate) fn ends(statistics: &Statistics) -> Vec<End> {
    let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
    let ends = partitions.map(|found| End { partition: found.partition, offset: found.ls_offset });
    // Negative where nothing was fetched yet, and for the partition of what has none.
    ends.filter(|end| end.partition >= 0 && end.offset >= 0).collect()
}

/// Tells the lag of those partitions that are ours.
pub(crate) fn tell(ends: &[End], holdings: &Holdings) {
    for End { partition, offset } in ends {
        if let Some(lag) = holdings.lag(*partition, *offset) {
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
        let ends = [End { partition: 2, offset: 12 }, End { partition: 3, offset: 9 }];
        metrics::with_local_recorder(&recorder, || tell(&ends, &holdings));
        let shown = recorder.handle().render();
        assert!(shown.contains(r#"order_payments_consumer_lag_records{partition="2"} 7"#), "{shown}");
        assert!(!shown.contains(r#"partition="3""#), "another member's: {shown}");
        metrics::with_local_recorder(&recorder, || forget(&[2]));
        let shown = recorder.handle().render();
        assert!(shown.contains(r#"order_payments_consumer_lag_records{partition="2"} 0"#), "{shown}");
    }

    #[test]
    fn the_ends_are_found_in_what_librdkafka_tells() {
        let partition = |id: i32, end: i64| {
            serde_json::json!({"partition": id, "broker": 1, "leader": 1, "desired": true, "unknown": false, "msgq_cnt": 0,
                "msgq_bytes": 0, "xmit_msgq_cnt": 0, "xmit_msgq_bytes": 0, "fetchq_cnt": 0, "fetchq_size": 0,
                "fetch_state": "active", "query_offset": 0, "next_offset": 0, "app_offset": 0, "stored_offset": 0,
                "committed_offset": 0, "committed_leader_epoch": 0, "eof_offset": 0, "lo_offset": 0, "hi_offset": 99,
                "ls_offset": end, "consumer_lag": 0, "consumer_lag_stored": 0, "leader_epoch": 0, "txmsgs": 0, "txbytes": 0,
                "rxmsgs": 0, "rxbytes": 0, "msgs": 0, "rx_ver_drops": 0, "msgs_inflight": 0, "next_ack_seq": 0,
                "next_err_seq": 0, "acked_msgid": 0})
        };
        let partitions = serde_json::json!({"0": partition(0, 4), "1": partition(1, -1001), "-1": partition(-1, 4)});
        let window = serde_json::json!({"min": 0, "max": 0, "avg": 0, "sum": 0, "stddev": 0, "p50": 0, "p75": 0,
            "p90": 0, "p95": 0, "p99": 0, "p99_99": 0, "outofrange": 0, "hdrsize": 0, "cnt": 0});
        let topic = serde_json::json!({"topic": "t", "metadata_age": 0, "batchsize": window.clone(), "batchcnt": window,
            "partitions": partitions});
        let topic = serde_json::from_value(topic).expect("as librdkafka tells it");
        let statistics = Statistics { topics: [("t".to_owned(), topic)].into(), ..Statistics::default() };
        assert_eq!(ends(&statistics), [End { partition: 0, offset: 4 }]);
    }
}
