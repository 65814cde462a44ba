//! The application's hand on the intake: while it is closed nothing new is read or begun, and polling goes on.

use std::sync::Arc;
use std::time::Duration;

use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, Running, run};

fn close(cluster: &Cluster) {
    cluster.valve.send_replace(Some("the gateway's gate is closed".to_owned()));
}

async fn wait_for_pause(running: &Running) {
    running.wait_until(|status| status.is_paused && status.pause_reason.is_some()).await;
}

/// Waits long enough for a record to have come that is not held back.
async fn wait_for_polls(running: &Running) {
    let mut polls = 0;
    running
        .wait_until(|status| {
            polls += usize::from(status.last_poll_age < Duration::from_millis(20));
            polls > 20
        })
        .await;
}

async fn nothing_is_read_before_the_valve_opens(cluster: Cluster) {
    cluster.request((0..10).map(|number| format!("o-{number}"))).await;
    close(&cluster);
    let handler = Arc::new(Recorder::open());
    let running = run(&cluster, 8, &handler);
    running.wait_for_partitions(3).await;
    wait_for_pause(&running).await;
    wait_for_polls(&running).await;
    let status = running.status.now();
    assert_eq!(status.pause_reason.as_deref(), Some("the gateway's gate is closed"));
    assert_eq!((handler.calls().len(), status.held_records), (0, 0));
    cluster.valve.send_replace(None);
    cluster.wait_for_committed(10).await;
    let status = running.status.now();
    assert_eq!((status.is_paused, status.pause_reason), (false, None));
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 10, "nothing was handled twice");
}

async fn what_is_handled_goes_on_while_the_valve_is_closed(cluster: Cluster) {
    cluster.request(["a", "b"]).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 8, &handler);
    handler.wait_for_calls(2).await;
    close(&cluster);
    wait_for_pause(&running).await;
    cluster.request((0..10).map(|number| format!("o-{number}"))).await;
    handler.let_through(100);
    cluster.wait_for_committed(2).await;
    wait_for_polls(&running).await;
    assert_eq!(handler.calls().len(), 2);
    // Memory has room again, which must not open what the application has closed.
    assert!(running.status.now().is_paused);
    cluster.valve.send_replace(None);
    cluster.wait_for_committed(12).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 12, "nothing was handled twice");
}

/// A consumer that had two of ten orders in hand, and held the others, when the valve closed; it may end those two.
async fn two_of_ten_begun(cluster: &Cluster) -> (Running, Arc<Recorder>) {
    cluster.request((0..10).map(|number| format!("o-{number}"))).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(cluster, 2, &handler);
    handler.wait_for_calls(2).await;
    running.wait_until(|status| status.held_records == 10).await;
    close(cluster);
    wait_for_pause(&running).await;
    handler.let_through(100);
    (running, handler)
}

async fn what_is_held_and_not_begun_waits_until_the_valve_opens(cluster: Cluster) {
    let (running, handler) = two_of_ten_begun(&cluster).await;
    running.wait_until(|status| status.in_flight == 0).await;
    wait_for_polls(&running).await;
    assert_eq!((handler.calls().len(), running.status.now().held_records), (2, 8), "none of them is begun");
    cluster.valve.send_replace(None);
    cluster.wait_for_committed(10).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 10, "each was handled once");
}

async fn what_is_held_and_not_begun_is_left_to_others_at_the_end(cluster: Cluster) {
    let (running, handler) = two_of_ten_begun(&cluster).await;
    running.stop().await.expect("an orderly end, and no wait for what may not be begun");
    assert_eq!(handler.calls().len(), 2);
    cluster.valve.send_replace(None);
    let next = run(&cluster, 8, &handler);
    cluster.wait_for_committed(10).await;
    next.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 10, "each was handled once");
}

async fn a_full_house_stays_paused_when_the_valve_opens(cluster: Cluster) {
    cluster.request((0..400).map(|number| format!("o-{number}"))).await;
    let handler = Arc::new(Recorder::shut());
    let running = run(&cluster, 4, &handler);
    running.wait_until(|status| status.is_paused).await;
    close(&cluster);
    wait_for_pause(&running).await;
    cluster.valve.send_replace(None);
    running.wait_until(|status| status.pause_reason.is_none()).await;
    wait_for_polls(&running).await;
    let status = running.status.now();
    assert!(status.is_paused && status.held_records <= 128, "{status:?}");
    handler.let_through(400);
    cluster.wait_for_committed(400).await;
    running.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 400, "nothing was handled twice");
}

macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Cluster::embedded()).await })+
        }
        mod real {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Cluster::real().await).await })+
        }
    };
}

on_both!(
    nothing_is_read_before_the_valve_opens,
    what_is_handled_goes_on_while_the_valve_is_closed,
    what_is_held_and_not_begun_waits_until_the_valve_opens,
    what_is_held_and_not_begun_is_left_to_others_at_the_end,
    a_full_house_stays_paused_when_the_valve_opens,
);

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_come_while_the_valve_is_closed_are_not_read() {
    let cluster = Cluster::real().await;
    close(&cluster);
    let (first, second) = (Arc::new(Recorder::open()), Arc::new(Recorder::open()));
    let first_member = run(&cluster, 8, &first);
    first_member.wait_for_partitions(3).await;
    let second_member = run(&cluster, 8, &second);
    second_member.wait_until(|status| status.assigned_partitions > 0).await;
    cluster.request((0..30).map(|number| format!("o-{number}"))).await;
    first_member.stop().await.expect("an orderly end");
    second_member.wait_for_partitions(3).await;
    wait_for_polls(&second_member).await;
    assert_eq!(first.calls().len() + second.calls().len(), 0);
    cluster.valve.send_replace(None);
    cluster.wait_for_committed(30).await;
    second_member.stop().await.expect("an orderly end");
    assert_eq!(second.calls().len(), 30, "each was handled once");
}
