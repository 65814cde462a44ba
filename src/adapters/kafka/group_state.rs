//! Who is in a consumer group, as the cluster tells. Asks; joins nothing, changes nothing.

use std::fmt;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::groups::{GroupInfo, GroupMemberInfo};

/// The most members that one message names.
const NAMED_MEMBERS: usize = 5;

/// A group as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupState {
    /// The cluster's word for it, as `Stable`; `Unknown` where there is no such group.
    pub(crate) state: String,
    /// How its members divide the partitions; nothing where it has none.
    pub(crate) protocol: String,
    pub(crate) members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) host: String,
    /// What it reads of the topic that was asked about; `None` where its assignment cannot be read.
    pub(crate) partitions: Option<Vec<i32>>,
}

impl GroupState {
    /// What a group is called here that the cluster does not know.
    pub(crate) const UNKNOWN: &str = "Unknown";

    /// Asks the cluster.
    pub(crate) fn ask<C: ConsumerContext>(
        client: &BaseConsumer<C>,
        group: &str,
        topic: &str,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let list = client.fetch_group_list(Some(group), patience)?;
        let found = list.groups().iter().find(|found| found.name() == group);
        Ok(found.map_or_else(Self::unknown, |found| Self::of(found, topic)))
    }

    fn unknown() -> Self {
        Self { state: Self::UNKNOWN.to_owned(), protocol: String::new(), members: Vec::new() }
    }

    fn of(group: &GroupInfo, topic: &str) -> Self {
        let member = |member: &GroupMemberInfo| Member {
            id: member.id().to_owned(),
            client: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
            partitions: member.assignment().and_then(|assignment| assigned(assignment, topic)),
        };
        let (state, protocol) = (group.state().to_owned(), group.protocol().to_owned());
        Self { state, protocol, members: group.members().iter().map(member).collect() }
    }

    /// Whether nobody is in it, so that its offsets may be set.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && matches!(self.state.as_str(), "Empty" | "Dead" | Self::UNKNOWN | "")
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, members, .. } = self;
        write!(formatter, "{state}, {} {}", members.len(), if members.len() == 1 { "member" } else { "members" })?;
        for (index, member) in members.iter().take(NAMED_MEMBERS).enumerate() {
            write!(formatter, "{} {} at {}", if index == 0 { ":" } else { "," }, member.id, member.host)?;
        }
        if members.len() > NAMED_MEMBERS { formatter.write_str(", …") } else { Ok(()) }
    }
}

/// The partitions of `topic` in an assignment of Kafka's consumer protocol; `None` where it is none.
/// An empty one is a member that waits for its first.
fn assigned(bytes: &[u8], topic: &str) -> Option<Vec<i32>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut reader = Reader(bytes);
    let _version = reader.take::<2>()?;
    let mut ours = Vec::new();
    for _topic in 0..reader.count()? {
        let length = usize::try_from(i16::from_be_bytes(reader.take()?)).ok()?;
        let (name, rest) = reader.0.split_at_checked(length)?;
        reader.0 = rest;
        for _partition in 0..reader.count()? {
            let partition = i32::from_be_bytes(reader.take()?);
            if name == topic.as_bytes() {
                ours.push(partition);
            }
        }
    }
    ours.sort_unstable();
    Some(ours)
}

/// Bytes that are read from their front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(i32::from_be_bytes(self.take()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let length = |length: usize| i32::try_from(length).expect("short").to_be_bytes();
        let mut bytes = vec![0, 1];
        bytes.extend(length(topics.len()));
        for (topic, partitions) in topics {
            bytes.extend(i16::try_from(topic.len()).expect("short").to_be_bytes());
            bytes.extend(topic.bytes());
            bytes.extend(length(partitions.len()));
            bytes.extend(partitions.iter().flat_map(|partition| partition.to_be_bytes()));
        }
        bytes.extend([0xff; 4]);
        bytes
    }

    fn group(state: &str, members: usize) -> GroupState {
        let member = |number| Member {
            id: format!("m-{number}"),
            client: "c".to_owned(),
            host: "10.0.0.1".to_owned(),
            partitions: None,
        };
        GroupState { state: state.to_owned(), protocol: String::new(), members: (0..members).map(member).collect() }
    }

    #[test]
    fn the_partitions_of_the_topic_are_read_and_no_others() {
        let bytes = assignment(&[("other", &[7]), ("requests", &[5, 0, 3])]);
        assert_eq!(assigned(&bytes, "requests"), Some(vec![0, 3, 5]));
        assert_eq!(assigned(&bytes, "third"), Some(vec![]));
        assert_eq!(assigned(&[], "requests"), Some(vec![]));
    }

    #[test]
    fn an_assignment_that_is_cut_off_or_absurd_is_no_assignment() {
        let bytes = assignment(&[("requests", &[5, 0, 3])]);
        for length in 1..bytes.len() - 4 {
            assert_eq!(assigned(&bytes[..length], "requests"), None, "{length}");
        }
        assert_eq!(assigned(&[0, 0, 0xff, 0xff, 0xff, 0xff], "requests"), None);
        assert_eq!(assigned(&[0, 0, 0x7f, 0xff, 0xff, 0xff], "requests"), None);
    }

    #[test]
    fn a_group_is_empty_where_it_has_no_members_and_none_is_coming() {
        for state in ["Empty", "Dead", "Unknown", ""] {
            assert!(group(state, 0).is_empty(), "{state}");
            assert!(!group(state, 1).is_empty(), "{state}");
        }
        assert!(!group("PreparingRebalance", 0).is_empty());
    }

    #[test]
    fn members_are_named_and_many_of_them_cut_short() {
        assert_eq!(group("Empty", 0).to_string(), "Empty, 0 members");
        assert_eq!(group("Stable", 1).to_string(), "Stable, 1 member: m-0 at 10.0.0.1");
        assert!(group("Stable", 6).to_string().ends_with("m-4 at 10.0.0.1, …"));
    }
}
