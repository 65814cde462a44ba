//! What is found wrong with a cluster before anything is read, and how it is told.

use order_payments::adapters::kafka::{
    Config, DeadLetters, KafkaEventPublisher, PaymentConsumer, SetupError, ensure_topics,
};
use std::sync::Arc;

use crate::kafka::fakes::Recorder;
use crate::kafka::support::{Cluster, clock, intake};

#[tokio::test(flavor = "multi_thread")]
async fn missing_topics_are_created_once_and_only_those_that_may_be() {
    let mut cluster = Cluster::real().await;
    cluster.config.outcome_topic.push_str("-new");
    cluster.config.dead_letter_topic.push_str("-new");
    cluster.config.create_topics = false;
    let problem = ensure_topics(&cluster.config).await.expect_err("missing").to_string();
    for expected in [&*cluster.config.outcome_topic, &cluster.config.dead_letter_topic, "kafka.create_topics"] {
        assert!(problem.contains(expected), "{problem}");
    }
    cluster.config.create_topics = true;
    let (one, other) = tokio::join!(ensure_topics(&cluster.config), ensure_topics(&cluster.config));
    assert!(one.is_ok() && other.is_ok(), "two instances may start at once: {one:?} {other:?}");

    cluster.config.request_topic.push_str("-not");
    let problem = ensure_topics(&cluster.config).await.expect_err("missing");
    assert!(problem.to_string().contains("kafka.request_topic"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_has_its_topics() {
    let cluster = Cluster::embedded();
    ensure_topics(&cluster.config).await.expect("all there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_is_named() {
    // A port that was free a moment ago: nobody listens there.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let problem = ensure_topics(&Config::new(format!("127.0.0.1:{port}"))).await.expect_err("nobody there");
    assert!(matches!(problem, SetupError::Unreachable { .. }) && problem.to_string().contains("kafka.brokers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_correctness_rests_on_is_refused_by_name() {
    let mut config = Config::new("127.0.0.1:9");
    config.client.insert("enable.auto.commit".to_owned(), "true".into());
    assert_eq!(config.refused_client_settings(), ["enable.auto.commit"]);
    let problem = KafkaEventPublisher::new(&config, "storage").err().expect("refused").to_string();
    assert!(problem.contains("enable.auto.commit"), "{problem}");

    config.client.clear();
    config.client.insert("no.such.setting".to_owned(), "1".into());
    let dead_letters = DeadLetters::new(&config, clock());
    assert!(dead_letters.err().expect("refused").to_string().contains("no.such.setting"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_never_runs_ends_with_its_owner() {
    let cluster = Cluster::embedded();
    let dead_letters = Arc::new(DeadLetters::new(&cluster.config, clock()).expect("a producer"));
    let intake = intake(&cluster, 1);
    let handler = Arc::new(Recorder::open());
    let weak = Arc::downgrade(&handler);
    let consumer = PaymentConsumer::start(&cluster.config, intake, handler, dead_letters).expect("a consumer");
    drop(consumer);
    assert!(weak.upgrade().is_none(), "nothing holds on to the handler");
}
