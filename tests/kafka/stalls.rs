//! A partition that is not read though it should be: it is noticed and repaired, step by step, and nothing is
//! lost or doubled by the repair.

use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::kafka::ConsumerError;

use crate::chaos::servers::Servers;
use crate::kafka::breakable::Breakable;
use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, Running, run};
use crate::support::proxy::{Entrance, Mode};

const PATIENCE: Duration = Duration::from_secs(1);

/// A consumer that has read some, on a broker that answers no fetch any more and has more to read.
async fn stalled() -> (Breakable, Running, Arc<Recorder>) {
    let mut broker = Breakable::start();
    broker.cluster.config.stall_timeout = PATIENCE;
    broker.cluster.request((0..20).map(|number| format!("before-{number}"))).await;
    let handler = Arc::new(Recorder::open());
    let running = run(&broker.cluster, 8, &handler);
    broker.cluster.wait_for_committed(20).await;
    broker.answers_fetches(false);
    broker.cluster.request((0..20).map(|number| format!("after-{number}"))).await;
    (broker, running, handler)
}

/// Lets the broker answer again once so many repairs were made of each partition.
async fn heals_after(repairs: usize) {
    let (broker, running, handler) = stalled().await;
    running.wait_until(|status| status.stall_repairs >= repairs).await;
    let status = running.status.now();
    assert!(status.stalled_partitions > 0 && status.stall_reason.is_some(), "{status:?}");
    broker.answers_fetches(true);
    broker.cluster.wait_for_committed(40).await;
    running.wait_until(|status| status.stalled_partitions == 0 && status.stall_reason.is_none()).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 40, "each was handled once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_looked_at_again_is_read_on() {
    heals_after(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_taken_anew_is_read_on() {
    heals_after(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_replaced_is_followed_by_one_that_reads_on() {
    heals_after(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_no_repair_helps_ends_the_consumer_with_its_evidence() {
    let (broker, running, handler) = stalled().await;
    let ended = running.end().await.expect_err("nothing helps");
    assert!(matches!(ended, ConsumerError::Stalled { .. }), "{ended:?}");
    assert!(ended.to_string().contains("was not read for"), "{ended}");
    assert_eq!(handler.calls().len(), 20);
    assert_eq!(broker.cluster.committed().await.values().sum::<i64>(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_has_nothing_to_read_or_may_not_read_does_not_stall() {
    let mut broker = Breakable::start();
    broker.cluster.config.stall_timeout = PATIENCE;
    let handler = Arc::new(Recorder::open());
    let running = run(&broker.cluster, 8, &handler);
    running.wait_for_partitions(3).await;
    broker.cluster.valve.send_replace(Some("the gateway's gate is closed".to_owned()));
    broker.cluster.request(["o-1", "o-2"]).await;
    let begun = std::time::Instant::now();
    running.wait_until(|_| begun.elapsed() > PATIENCE * 3).await;
    broker.cluster.valve.send_replace(None);
    broker.cluster.wait_for_committed(2).await;
    let begun = std::time::Instant::now();
    running.wait_until(|_| begun.elapsed() > PATIENCE * 3).await;
    assert_eq!(running.status.now().stall_repairs, 0);
    running.stop().await.expect("an orderly end");
}

/// On a real broker: its connection is open and every other request is answered, but no fetch arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_loses_every_fetch_is_left_for_that_of_another_client() {
    let entrance = Entrance::open().await;
    let servers = Servers::start(&[entrance.port()]).await;
    let proxy = entrance.lead_to(servers.proxied[0]);
    // The step after another client is the end: that one has to get there before.
    let patience = PATIENCE * 3;
    let cluster = Cluster::real_at(&servers.brokers).await.but(|config| {
        config.stall_timeout = patience;
        // Longer than the steps take, or the client gives the connection up by itself.
        config.client.insert("socket.timeout.ms".to_owned(), "60000".into());
    });
    let cut_off = cluster.but(|config| config.brokers = proxy.address.to_string());
    cluster.request((0..20).map(|number| format!("o-{number}"))).await;
    proxy.set(Mode::Fetchless);
    let handler = Arc::new(Recorder::open());
    let running = run(&cut_off, 8, &handler);
    // A seek and a new assignment of each of three partitions: neither leaves the connection.
    running.wait_until(|status| status.stall_repairs >= 6).await;
    assert_eq!(handler.calls().len(), 0);
    proxy.set(Mode::Pass);
    cluster.wait_for_committed(20).await;
    running.wait_until(|status| status.stalled_partitions == 0 && status.stall_reason.is_none()).await;
    assert!(running.status.now().stall_repairs > 6, "another client was made");
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 20, "each was handled once");
    servers.stop().await;
}
