//! `order-payments offsets show`: how far the group is, partition by partition, and where it would go on and why.

use std::process::ExitCode;

use serde::Serialize;

use crate::adapters::kafka::group_state::{GroupState, Member};
use crate::adapters::kafka::reset::Move;
use crate::adapters::kafka::standing::{Standing, survey};
use crate::adapters::kafka::starts::Ground;
use crate::cli::offsets::first_start;
use crate::cli::{exit, print};
use crate::config::Settings;
use crate::ports::store::Store;

/// Show how far the group is in Kafka and in the database, and where an instance that starts now would begin, and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 could not, 4 a person should look: a position lies outside its log, so that no instance starts."
)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct View<'a> {
    group: &'a str,
    topic: &'a str,
    state: &'a str,
    /// How the members divide the partitions.
    protocol: &'a str,
    members: Vec<MemberView<'a>>,
    first_start: &'static str,
    partitions: Vec<PartitionView>,
}

#[derive(Debug, Serialize)]
struct MemberView<'a> {
    id: &'a str,
    client: &'a str,
    host: &'a str,
    /// Nothing where its assignment cannot be read.
    partitions: Option<&'a [i32]>,
}

#[derive(Debug, Serialize)]
struct PartitionView {
    partition: i32,
    log_start: i64,
    log_end: i64,
    /// The group's offset in Kafka.
    committed: Option<i64>,
    /// The database's position.
    stored: Option<i64>,
    /// Below it records may have been handled before this database's time.
    horizon: i64,
    /// Where an instance that starts now would begin; nothing where none starts.
    next_start: Option<i64>,
    /// Records from there to the end, at the most.
    lag: Option<i64>,
    /// Records that were not read and are no longer on the topic, at the most.
    gone: u64,
    reason: &'static str,
    #[serde(skip)]
    told: String,
}

pub(super) async fn run(args: &Args, settings: &Settings, store: &Store) -> anyhow::Result<ExitCode> {
    let survey = survey(&settings.kafka, &*store.positions).await?;
    let view = View::of(settings, &survey.group, &survey.standings);
    if args.json {
        print::json(&view)?;
    } else {
        print::text(&view.told(settings))?;
    }
    let can_start = view.partitions.iter().all(|partition| partition.next_start.is_some());
    Ok(if can_start { ExitCode::SUCCESS } else { ExitCode::from(exit::ATTENTION) })
}

impl<'a> View<'a> {
    fn of(settings: &'a Settings, group: &'a GroupState, standings: &[Standing]) -> Self {
        let member = |member: &'a Member| MemberView {
            id: &member.id,
            client: &member.client,
            host: &member.host,
            partitions: member.partitions.as_deref(),
        };
        Self {
            group: &settings.kafka.group_id,
            topic: &settings.kafka.request_topic,
            state: &group.state,
            protocol: &group.protocol,
            members: group.members.iter().map(member).collect(),
            first_start: settings.kafka.first_start.name(),
            partitions: standings.iter().map(PartitionView::of).collect(),
        }
    }

    fn told(&self, settings: &Settings) -> String {
        let or_none = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        let headings = ["partition", "log", "Kafka", "database", "horizon", "next start", "lag", "why"];
        let mut table = print::table(&headings);
        for row in &self.partitions {
            table.add_row([
                row.partition.to_string(),
                format!("{}..{}", row.log_start, row.log_end),
                or_none(row.committed),
                or_none(row.stored),
                row.horizon.to_string(),
                or_none(row.next_start),
                or_none(row.lag),
                row.told.clone(),
            ]);
        }
        print::narrow(&mut table, headings.len() - 1);
        let lag: i64 = self.partitions.iter().filter_map(|row| row.lag).sum();
        let mut told = format!("group {:?} on topic {:?}, {lag} records behind\n{table}", self.group, self.topic);
        told.push_str(&self.told_members());
        format!("{told}\n{}", first_start(settings))
    }

    fn told_members(&self) -> String {
        if self.state == GroupState::UNKNOWN {
            return "\nKafka knows no such group (yet)".to_owned();
        }
        let members = print::counted(self.members.len(), "member", "members");
        let protocol = if self.protocol.is_empty() { String::new() } else { format!(", {}", self.protocol) };
        let told = format!("\nthe group is {}{protocol}, with {members}", self.state);
        if self.members.is_empty() {
            return told;
        }
        let mut table = print::table(&["member", "client", "host", "partitions"]);
        for member in &self.members {
            let numbers = |numbers: &[i32]| numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
            let partitions = member.partitions.map_or_else(|| "?".to_owned(), numbers);
            table.add_row([member.id, member.client, member.host, &partitions]);
        }
        print::narrow(&mut table, 0);
        format!("{told}\n{table}")
    }
}

impl PartitionView {
    fn of(standing: &Standing) -> Self {
        let Standing { log, start } = *standing;
        let next_start = log.reaches(start.offset).then_some(start.offset);
        Self {
            partition: start.partition,
            log_start: log.low,
            log_end: log.high,
            committed: start.committed,
            stored: start.stored,
            horizon: start.horizon,
            next_start,
            lag: next_start.map(|offset| log.high - offset),
            gone: Move { standing: *standing, to: log.low }.gone(),
            reason: reason(start.ground(log)),
            told: told(standing),
        }
    }
}

/// The ground in a word, for scripts.
fn reason(ground: Ground) -> &'static str {
    match ground {
        Ground::Group => "committed",
        Ground::FirstStart => "first_start",
        Ground::GroupForgot => "no_committed_offset",
        Ground::OutsideLog => "outside_log",
        Ground::Restored => "restored_database",
        Ground::Emptied => "empty_database",
    }
}

/// The ground in a sentence, for people.
fn told(standing: &Standing) -> String {
    let Standing { log, start } = *standing;
    let group = start.committed.unwrap_or(0);
    match start.ground(log) {
        Ground::Group => "the group's offset".to_owned(),
        Ground::FirstStart => "nobody has a position: kafka.first_start".to_owned(),
        Ground::GroupForgot => "the group has no offset (any more): kafka.first_start, and the database".to_owned(),
        Ground::OutsideLog if group < log.low => format!(
            "requests {group}..{} were deleted before they were read, so no instance starts: offsets reset \
             --to-earliest --partition {} goes on with what is left",
            log.low, start.partition
        ),
        Ground::OutsideLog => format!(
            "the topic ends before the group's offset, as one that was made anew, so no instance starts: offsets \
             reset --to-earliest --partition {} reads what there is",
            start.partition
        ),
        Ground::Restored => format!("the database was restored: below {} the gateway is asked", start.horizon),
        Ground::Emptied => format!("the database is new or was emptied: below {} the gateway is asked", start.horizon),
    }
}
