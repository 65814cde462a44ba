//! How the consumer is a member of its group, in the words of librdkafka. Pure: what the linked library cannot
//! do is refused before a client is made.

use std::time::Duration;

use crate::adapters::kafka::client::{SetupError, millis};
use crate::adapters::kafka::config::{Assignment, Config, GroupProtocol};

/// How long librdkafka allows between two polls before the group goes on without us. We poll every
/// 100 ms, so this ends a member whose thread hangs, nothing else.
pub(crate) const MAX_POLL_INTERVAL: Duration = Duration::from_mins(5);

/// The first librdkafka whose members leave and come back as KIP-848 wants it: 2.15.0, as it tells its version.
const FIRST_WITH_CONSUMER_PROTOCOL: i32 = 0x020f_0000;

/// How often a member says that it lives, at the least.
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(3);

/// A librdkafka by its own words.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    number: i32,
    name: String,
}

impl Library {
    /// The one that this program is linked with.
    pub(crate) fn linked() -> Self {
        let (number, name) = rdkafka::util::get_rdkafka_version();
        Self { number, name }
    }
}

type Setting = (&'static str, String);

/// The settings of a member of the group.
///
/// # Errors
/// [`SetupError::GroupProtocol`] where this library cannot do what is asked for.
pub(crate) fn settings(config: &Config, library: &Library) -> Result<Vec<Setting>, SetupError> {
    let mut settings = match config.group_protocol {
        GroupProtocol::Classic => classic(config),
        GroupProtocol::Consumer => consumer(config, library)?,
    };
    settings.push(("group.id", config.group_id.clone()));
    settings.extend(config.instance_id.clone().map(|name| ("group.instance.id", name)));
    Ok(settings)
}

fn classic(config: &Config) -> Vec<Setting> {
    let assignor = match config.assignment {
        Assignment::CooperativeSticky => "cooperative-sticky",
        Assignment::Eager => "range,roundrobin",
    };
    let heartbeat = (config.session_timeout / 3).min(LONGEST_HEARTBEAT);
    vec![
        ("partition.assignment.strategy", assignor.to_owned()),
        ("session.timeout.ms", millis(config.session_timeout)),
        ("heartbeat.interval.ms", millis(heartbeat)),
        ("max.poll.interval.ms", millis(MAX_POLL_INTERVAL.max(config.session_timeout))),
    ]
}

/// Session, heartbeats and assignor are the cluster's there: a client that sets them is not created.
fn consumer(config: &Config, library: &Library) -> Result<Vec<Setting>, SetupError> {
    let problem = if library.number < FIRST_WITH_CONSUMER_PROTOCOL {
        format!("it needs librdkafka 2.15 or newer, and {} is linked", library.name)
    } else if config.assignment == Assignment::Eager {
        "the cluster divides the partitions then, and kafka.assignment = \"eager\" has no say in it".to_owned()
    } else {
        return Ok(vec![
            ("group.protocol", "consumer".to_owned()),
            ("max.poll.interval.ms", millis(MAX_POLL_INTERVAL)),
        ]);
    };
    Err(SetupError::GroupProtocol(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(number: i32) -> Library {
        Library { number, name: "a.b.c".to_owned() }
    }

    fn names(config: &Config, number: i32) -> Vec<&'static str> {
        let settings = settings(config, &library(number)).expect("lawful");
        settings.into_iter().map(|(name, _)| name).collect()
    }

    fn value(config: &Config, wanted: &str) -> Option<String> {
        let settings = settings(config, &library(0x020c_01ff)).expect("lawful");
        settings.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    #[test]
    fn members_divide_partitions_as_they_are_told() {
        let mut config = Config::new("127.0.0.1:9");
        let assignor = |config: &Config| value(config, "partition.assignment.strategy").expect("set");
        assert_eq!(assignor(&config), "cooperative-sticky");
        config.assignment = Assignment::Eager;
        assert_eq!(assignor(&config), "range,roundrobin");
    }

    #[test]
    fn a_member_has_a_name_where_it_is_given_one() {
        let mut config = Config::new("127.0.0.1:9");
        assert_eq!(value(&config, "group.instance.id"), None);
        config.instance_id = Some("pod-0".to_owned());
        assert_eq!(value(&config, "group.instance.id").as_deref(), Some("pod-0"));
    }

    #[test]
    fn the_clusters_protocol_needs_a_library_that_can_speak_it() {
        let config = Config { group_protocol: GroupProtocol::Consumer, ..Config::new("127.0.0.1:9") };
        let refused = settings(&config, &library(0x020e_02ff)).expect_err("2.14.2 is too old").to_string();
        assert!(refused.contains("kafka.group_protocol") && refused.contains("2.15") && refused.contains("a.b.c"));
        assert_eq!(names(&config, 0x020f_00ff), ["group.protocol", "max.poll.interval.ms", "group.id"]);
        let eager = Config { assignment: Assignment::Eager, ..config };
        let refused = settings(&eager, &library(0x020f_00ff)).expect_err("contradiction").to_string();
        assert!(refused.contains("kafka.assignment"), "{refused}");
    }

    #[test]
    fn heartbeats_come_often_enough_for_a_short_session() {
        let mut config = Config::new("127.0.0.1:9");
        for (session_seconds, expected) in [(6, "2000"), (10, "3000"), (60, "3000")] {
            config.session_timeout = Duration::from_secs(session_seconds);
            assert_eq!(value(&config, "heartbeat.interval.ms").as_deref(), Some(expected));
        }
    }
}
