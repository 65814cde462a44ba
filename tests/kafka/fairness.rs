//! Trouble and backlog of one partition are its own: the others are read and handled meanwhile.

use std::sync::Arc;

use order_payments::adapters::kafka::Handling;

use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, Sent, request_of, run};

/// Far more than may be held where four orders are handled at the same time.
const BACKLOG: usize = 400;

fn to(partition: i32, order: &str) -> Sent {
    Sent { partition: Some(partition), ..Sent::of(order, request_of(order)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_the_world_refuses_hold_up_no_other_partition() {
    let cluster = Cluster::real().await;
    let stuck: Vec<String> = (0..BACKLOG).map(|number| format!("stuck-{number}")).collect();
    let refuse = || Handling::Retry("the gateway is away".to_owned());
    let handler = stuck.iter().fold(Recorder::open(), |handler, order| handler.answering(order, refuse));
    let handler = Arc::new(handler);
    cluster.send(stuck.iter().map(|order| to(0, order)).collect()).await;
    let running = run(&cluster, 4, &handler);
    running.wait_until(|status| status.paused_partitions == 1 && status.retrying > 4).await;
    cluster.send((0..20).map(|number| to(1, &format!("fine-{number}"))).collect()).await;
    cluster.wait_for_committed(20).await;
    let status = running.status.now();
    assert!(!status.is_paused && status.held_records <= 128, "{status:?}");
    running.stop().await.expect("an orderly end");
    assert_eq!(cluster.committed().await.get(&1), Some(&20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_slow_orders_holds_up_other_partitions_for_no_more_than_a_place() {
    let cluster = Cluster::real().await;
    cluster.send((0..BACKLOG).map(|number| to(0, &format!("slow-{number}"))).collect()).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 4, &handler);
    running.wait_until(|status| status.paused_partitions == 1 && status.in_flight == 4).await;
    let held = running.status.now().held_records;
    cluster.send(vec![to(1, "quick-1"), to(2, "quick-2")]).await;
    running.wait_until(|status| status.held_records >= held + 2).await;
    // Two places become free, and the partitions take turns.
    handler.let_through(4);
    handler.wait_for_calls(8).await;
    let calls = handler.calls();
    assert!(["quick-1", "quick-2"].iter().all(|order| calls.iter().any(|call| call == order)), "{calls:?}");
    handler.let_through(BACKLOG);
    cluster.wait_for_committed(402).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), BACKLOG + 2, "nothing was handled twice");
}
