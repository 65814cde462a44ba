//! Members of a group that have a name, and members that vanish: nothing is lost, and no position goes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use order_payments::adapters::kafka::{Assignment, Config, ConsumerError, GroupProtocol, PaymentConsumer};
use order_payments::adapters::kafka::{DeadLetters, RequestHandler};

use crate::chaos::servers::Servers;
use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, PARTITIONS, Sent, clock, intake, request_of, run};
use crate::support::proxy::{Entrance, Mode};

/// The shortest session that a broker grants by default.
const SHORT_SESSION: Duration = Duration::from_secs(6);

const EVERY_KIND: [Assignment; 2] = [Assignment::CooperativeSticky, Assignment::Eager];

fn named(cluster: &Cluster, instance: &str) -> Cluster {
    cluster.but(|config| config.instance_id = Some(instance.to_owned()))
}

/// One request to every partition.
async fn round(cluster: &Cluster, name: &str) {
    let records = (0..PARTITIONS).map(|partition| {
        let order = format!("{name}-{partition}");
        Sent { partition: Some(partition), ..Sent::of(&order, request_of(&order)) }
    });
    cluster.send(records.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_a_name_has_its_partitions_back_after_a_restart_and_the_others_notice_nothing() {
    for assignment in EVERY_KIND {
        let cluster = Cluster::real().await.but(|config| config.assignment = assignment);
        let (one, other) = (named(&cluster, "payments-0"), named(&cluster, "payments-1"));
        let (first, second) = (Arc::new(Recorder::open()), Arc::new(Recorder::open()));
        let first_member = run(&one, 8, &first);
        first_member.wait_for_partitions(3).await;
        let second_member = run(&other, 8, &second);
        second_member.wait_until(|status| status.assigned_partitions > 0).await;
        first_member.wait_until(|status| (1..3).contains(&status.assigned_partitions)).await;
        let theirs = second_member.status.now().assigned_partitions;
        round(&cluster, "before").await;
        cluster.wait_for_committed(3).await;

        first_member.stop().await.expect("an orderly end");
        round(&cluster, "meanwhile").await;
        cluster.wait_for_committed(3 + i64::try_from(theirs).expect("few")).await;
        assert_eq!(second_member.status.now().assigned_partitions, theirs, "{assignment:?}: it takes nothing over");
        let first_member = run(&one, 8, &first);
        cluster.wait_for_committed(6).await;
        assert_eq!(second_member.status.now().assigned_partitions, theirs, "{assignment:?}");
        first_member.stop().await.expect("an orderly end");
        second_member.stop().await.expect("an orderly end");

        let partitions = |calls: Vec<String>| -> BTreeSet<String> {
            calls.iter().filter_map(|order| Some(order.rsplit_once('-')?.1.to_owned())).collect()
        };
        assert_eq!(first.calls().len() + second.calls().len(), 6, "{assignment:?}: each was handled once");
        assert!(partitions(first.calls()).is_disjoint(&partitions(second.calls())), "{assignment:?}: none has moved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_twice_ends_the_member_that_had_it_and_says_which_setting() {
    let cluster = Cluster::real().await;
    let member = named(&cluster, "payments-0");
    let handler = Arc::new(Recorder::open());
    let older = run(&member, 8, &handler);
    older.wait_for_partitions(3).await;
    let newer = run(&member, 8, &handler);
    let ended = older.end().await.expect_err("there is another of its name");
    assert!(matches!(&ended, ConsumerError::Fenced { instance_id, .. } if instance_id == "payments-0"), "{ended:?}");
    assert!(ended.to_string().contains("kafka.instance_id"), "{ended}");
    newer.wait_for_partitions(3).await;
    round(&cluster, "after").await;
    cluster.wait_for_committed(3).await;
    newer.stop().await.expect("an orderly end");
    assert_eq!(handler.calls().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_cluster_does_not_grant_ends_the_member_and_says_which_setting() {
    let cluster = Cluster::real().await.but(|config| config.session_timeout = Duration::from_secs(2));
    let ended = run(&cluster, 8, &Arc::new(Recorder::open())).end().await.expect_err("no broker grants it");
    assert!(ended.to_string().contains("kafka.session_timeout_ms"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clusters_own_protocol_is_refused_where_the_linked_library_cannot_speak_it() {
    let config = Config { group_protocol: GroupProtocol::Consumer, ..Config::new("127.0.0.1:9") };
    let cluster = Cluster::at(config);
    let dead_letters = Arc::new(DeadLetters::new(&cluster.config, clock()).expect("a producer"));
    let handler: Arc<dyn RequestHandler> = Arc::new(Recorder::open());
    let started = PaymentConsumer::start(&cluster.config, intake(&cluster, 8), handler, dead_letters);
    let refused = started.err().expect("2.12 is linked").to_string();
    assert!(refused.contains("kafka.group_protocol") && refused.contains("2.15"), "{refused}");
}

/// A member that is cut off, in the middle of its work and without a word, and later comes back.
async fn vanish(brokers: &str, assignment: Assignment, instances: [Option<&str>; 2], proxied: Entrance, port: u16) {
    let cluster = Cluster::real_at(brokers).await.but(|config| {
        config.assignment = assignment;
        config.session_timeout = SHORT_SESSION;
        config.drain_timeout = Duration::from_millis(100);
    });
    let proxy = proxied.lead_to(port);
    let [cut_off, healthy] = instances.map(|name| cluster.but(|config| config.instance_id = name.map(str::to_owned)));
    let cut_off = cut_off.but(|config| config.brokers = proxy.address.to_string());
    let (first, second) = (Arc::new(Recorder::shut()), Arc::new(Recorder::open()));
    let first_member = run(&cut_off, 8, &first);
    first_member.wait_for_partitions(3).await;
    round(&cluster, "lost").await;
    first.wait_for_calls(3).await;
    proxy.set(Mode::Cut);
    let second_member = run(&healthy, 8, &second);
    second_member.wait_for_partitions(3).await;
    cluster.wait_for_committed(3).await;
    // What the one that is cut off ends now is no one's any more.
    first.let_through(100);
    first_member.wait_until(|status| status.in_flight == 0).await;
    round(&cluster, "taken-over").await;
    cluster.wait_for_committed(6).await;

    proxy.set(Mode::Pass);
    first_member.wait_until(|status| (1..3).contains(&status.assigned_partitions)).await;
    second_member.wait_until(|status| (1..3).contains(&status.assigned_partitions)).await;
    round(&cluster, "shared").await;
    cluster.wait_for_committed(9).await;
    assert!(!first.calls().iter().any(|order| order.starts_with("taken-over")), "{assignment:?} {instances:?}");
    assert!(first.calls().iter().any(|order| order.starts_with("shared")), "{assignment:?} {instances:?}");
    first_member.stop().await.expect("an orderly end");
    second_member.stop().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_cut_off_is_replaced_and_comes_back_with_nothing_committed_meanwhile() {
    let kinds = [
        (Assignment::CooperativeSticky, [None, None]),
        (Assignment::Eager, [None, None]),
        (Assignment::CooperativeSticky, [Some("payments-0"), Some("payments-1")]),
    ];
    let entrances = join_all(kinds.iter().map(|_| Entrance::open())).await;
    let ports: Vec<u16> = entrances.iter().map(Entrance::port).collect();
    let servers = Servers::start(&ports).await;
    let scenarios = kinds.into_iter().zip(entrances).zip(&servers.proxied);
    join_all(scenarios.map(|(((assignment, instances), entrance), port)| {
        vanish(&servers.brokers, assignment, instances, entrance, *port)
    }))
    .await;
    servers.stop().await;
}
