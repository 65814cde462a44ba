//! `[kafka]`: the cluster, its topics, and how they are read.

use crate::adapters::kafka::{Assignment, Config, FirstStart, GroupProtocol};
use crate::config::reader::Reader;

/// The longest name that Kafka gives a topic.
const MAX_TOPIC_LENGTH: usize = 249;

/// Reads the adapter's own settings: what a range means is the adapter's to say, what lies outside it
/// never gets that far.
pub(crate) fn read(reader: &mut Reader) -> Config {
    let [request_topic, outcome_topic, dead_letter_topic] = topics(reader);
    let first_starts = [("earliest", FirstStart::Earliest), ("latest", FirstStart::Latest)];
    let assignments = [("cooperative-sticky", Assignment::CooperativeSticky), ("eager", Assignment::Eager)];
    let protocols = [("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)];
    let config = Config {
        brokers: brokers(reader),
        group_id: reader.name("kafka.group_id"),
        request_topic,
        outcome_topic,
        dead_letter_topic,
        first_start: reader.choice("kafka.first_start", &first_starts),
        create_topics: reader.boolean("kafka.create_topics"),
        new_topic_partitions: reader.integer("kafka.new_topic_partitions", 1..=10_000),
        new_topic_replication: reader.integer_or("kafka.new_topic_replication", 1..=10, Some(-1)),
        assignment: reader.choice("kafka.assignment", &assignments),
        instance_id: instance_id(reader),
        group_protocol: reader.choice("kafka.group_protocol", &protocols),
        session_timeout: reader.milliseconds("kafka.session_timeout_ms", 1_000..=300_000),
        commit_interval: reader.milliseconds("kafka.commit_interval_ms", 10..=60_000),
        drain_timeout: reader.milliseconds("kafka.drain_timeout_ms", 0..=60_000),
        stall_timeout: reader.milliseconds("kafka.stall_timeout_ms", 1_000..=3_600_000),
        max_held_bytes: reader.integer("kafka.max_held_bytes", 8_388_608..=4_294_967_296),
        client: reader.free_table("kafka.client"),
    };
    for name in config.refused_client_settings() {
        reader
            .refuse(&format!("kafka.client.{name}"), "may not be set: correctness or memory rests on our value of it");
    }
    config
}

/// A name as Kafka takes it, or none.
fn instance_id(reader: &mut Reader) -> Option<String> {
    const KEY: &str = "kafka.instance_id";
    let name = reader.text(KEY);
    if !name.is_empty() && !is_topic(&name) {
        let wanted = format!("1 to {MAX_TOPIC_LENGTH} letters, digits, dots, underscores or dashes, or empty");
        reader.refuse(KEY, &format!("is \"{name}\", must be {wanted}"));
    }
    (!name.is_empty()).then_some(name)
}

fn brokers(reader: &mut Reader) -> String {
    const KEY: &str = "kafka.brokers";
    let brokers = reader.text(KEY);
    let is_address = |address: &str| {
        let (host, port) = address.trim().rsplit_once(':').unwrap_or_default();
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if brokers.is_empty() {
        reader.require(KEY, "");
    } else if brokers != "embedded" && !brokers.split(',').all(is_address) {
        reader.refuse(KEY, &format!("is \"{brokers}\", must be host:port,host:port or embedded"));
    }
    brokers
}

/// Requests, outcomes and dead letters. In one topic they would feed on each other for ever.
fn topics(reader: &mut Reader) -> [String; 3] {
    let keys = ["kafka.request_topic", "kafka.outcome_topic", "kafka.dead_letter_topic"];
    let topics = keys.map(|key| reader.text(key));
    for (index, (key, topic)) in keys.iter().zip(&topics).enumerate() {
        if !is_topic(topic) {
            let wanted = format!("1 to {MAX_TOPIC_LENGTH} letters, digits, dots, underscores or dashes");
            reader.refuse(key, &format!("is \"{topic}\", must be {wanted}"));
        }
        if let Some(same) = topics[..index].iter().position(|other| other == topic) {
            reader.refuse(key, &format!("is \"{topic}\" as {} is: each needs a topic of its own", keys[same]));
        }
    }
    topics
}

fn is_topic(name: &str) -> bool {
    let is_lawful = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    (1..=MAX_TOPIC_LENGTH).contains(&name.len()) && name.chars().all(is_lawful) && name != "." && name != ".."
}
