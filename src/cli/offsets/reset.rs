//! `order-payments offsets reset`: sets where the group goes on, in Kafka and in the database.

use std::process::ExitCode;

use anyhow::ensure;
use serde::Serialize;
use uuid::Uuid;

use crate::adapters::kafka::group_state::GroupState;
use crate::adapters::kafka::reset::{Instruction, Move, reset};
use crate::adapters::kafka::standing::{Survey, survey};
use crate::adapters::system::SystemClock;
use crate::app;
use crate::cli::offsets::aim::Aim;
use crate::cli::person::{Consent, UnlessDry};
use crate::cli::{exit, print};
use crate::config::Settings;
use crate::ports::clock::Clock;
use crate::ports::store::Store;

/// Set where the group goes on, in Kafka and in the database. All instances must be stopped.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments offsets reset --to-time 2h --dry-run\n  order-payments offsets reset --to-earliest --partition 3 --actor ada --reason \"read again\"\n  order-payments offsets reset --to-offset 0:1500 1:1720 --actor ada --reason \"read again\" --yes\n  order-payments offsets reset --to-latest --skip-unread --actor ada --reason \"a test sent them\"\n\nBack: records are read again. Orders that are settled are met as that, and charged no more; of the others the gateway is asked where they are old. Forward: requests that are skipped are never paid, nor answered.\n\nExit codes: 0 done, 1 could not, 5 refused: the group has members, or records would be skipped without --skip-unread."
)]
pub(super) struct Args {
    #[command(flatten)]
    aim: Aim,
    /// This partition alone; may be repeated.
    #[arg(long = "partition", value_name = "P")]
    partitions: Vec<i32>,
    /// Skip records that would be read otherwise: their requests are never paid.
    #[arg(long)]
    skip_unread: bool,
    /// Say what would be, and set nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    person: UnlessDry,
}

#[derive(Debug, Serialize)]
struct View<'a> {
    group: &'a str,
    topic: &'a str,
    dry_run: bool,
    /// Its name in the journal, where something was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// Why it would be refused now.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    read_again: u64,
    skipped: u64,
    skipped_never_handled: u64,
    partitions: Vec<MoveView>,
}

/// Counts are of offsets: there are as many records, or fewer.
#[derive(Debug, Serialize)]
struct MoveView {
    partition: i32,
    log_start: i64,
    log_end: i64,
    committed: Option<i64>,
    stored: Option<i64>,
    to: i64,
    read_again: u64,
    skipped: u64,
    skipped_never_handled: u64,
    /// Not read, and no longer on the topic.
    gone: u64,
}

pub(super) async fn run(args: &Args, settings: &Settings, store: &Store) -> anyhow::Result<ExitCode> {
    let kafka = &settings.kafka;
    let before = survey(kafka, &*store.positions).await?;
    let moves = args.aim.moves(&args.partitions, &before.standings, kafka, SystemClock.now()).await?;
    let refused = refusal(args, settings, &before.group, &moves);
    let (Some((actor, reason)), false) = (args.person.named(), args.dry_run) else {
        tell(args, settings, &moves, None, refused)?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(refused) = refused {
        eprintln!("order-payments: {refused}; nothing was done");
        return Ok(ExitCode::from(exit::REFUSED));
    }
    if moves.iter().all(Move::is_done) {
        eprintln!("nothing was changed: the group stands there already");
        tell(args, settings, &moves, None, None)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.consent.to(&question(settings, &moves))? {
        return Ok(ExitCode::FAILURE);
    }
    still_so(&moves, &survey(kafka, &*store.positions).await?)?;
    if moves.iter().any(Move::forgets) {
        // What tells a restored database, the group's offset, is overwritten: so what an instance would do first
        // is done here.
        app::catch_up(settings, store).await?;
    }
    let run = Uuid::new_v4();
    reset(kafka, &*store.positions, &*store.audit, &Instruction { run, moves: &moves, actor, reason }).await?;
    tell(args, settings, &moves, Some(run), None)?;
    Ok(ExitCode::SUCCESS)
}

/// Why that may not be done.
fn refusal(args: &Args, settings: &Settings, state: &GroupState, moves: &[Move]) -> Option<String> {
    let group = &settings.kafka.group_id;
    if !state.is_empty() {
        let session = settings.kafka.session_timeout.as_secs();
        return Some(format!(
            "group {group:?} is not empty ({state}): stop all instances first. One that was killed, or that has a \
             kafka.instance_id, counts as a member until its session ends, {session} s (kafka.session_timeout_ms) \
             after its last sign"
        ));
    }
    let skipped = sum(moves, Move::skipped);
    (skipped > 0 && !args.skip_unread)
        .then(|| format!("{}; if that is meant, repeat it with --skip-unread", told_skipped(skipped, moves)))
}

/// How many records are skipped, of which partitions, and what that means.
fn told_skipped(skipped: u64, moves: &[Move]) -> String {
    let of_partition = |one: &Move| format!("{} of partition {}", one.skipped(), one.partition());
    let each: Vec<String> = moves.iter().filter(|one| one.skipped() > 0).map(of_partition).collect();
    let each = each.join(", ");
    let never = sum(moves, Move::skipped_unhandled);
    if never == 0 {
        return format!(
            "up to {skipped} records would not be read ({each}); the database has handled or skipped them before"
        );
    }
    format!(
        "up to {skipped} records would be SKIPPED ({each}): {never} of them were never handled, and their requests are never paid"
    )
}

fn question(settings: &Settings, moves: &[Move]) -> String {
    let (group, topic) = (&settings.kafka.group_id, &settings.kafka.request_topic);
    let moved = print::counted(moves.len(), "partition", "partitions");
    let mut text = format!("set the offsets of group {group:?} on {moved} of topic {topic:?}?");
    let (again, skipped) = (sum(moves, Move::again), sum(moves, Move::skipped));
    if again > 0 {
        text = format!("{text} Up to {again} records are read again; settled orders are not charged again.");
    }
    if skipped > 0 {
        text = format!("{text} And {}.", told_skipped(skipped, moves));
    }
    text
}

fn sum(moves: &[Move], count: impl Fn(&Move) -> u64) -> u64 {
    moves.iter().map(count).sum()
}

/// What a person has agreed to must not have changed meanwhile.
fn still_so(moves: &[Move], now: &Survey) -> anyhow::Result<()> {
    ensure!(now.group.is_empty(), "a member has joined meanwhile ({}): nothing was done", now.group);
    let is_so = |one: &Move| {
        let of_partition = now.standings.iter().find(|standing| standing.start.partition == one.partition());
        of_partition.is_some_and(|standing| standing.start == one.standing.start && standing.log.reaches(one.to))
    };
    ensure!(
        moves.iter().all(is_so),
        "the group's offsets have changed meanwhile: nothing was done; look and repeat it"
    );
    Ok(())
}

fn tell(
    args: &Args,
    settings: &Settings,
    moves: &[Move],
    run: Option<Uuid>,
    refused: Option<String>,
) -> anyhow::Result<()> {
    let view = View {
        group: &settings.kafka.group_id,
        topic: &settings.kafka.request_topic,
        dry_run: args.dry_run,
        run: run.map(|run| run.to_string()),
        refused,
        read_again: sum(moves, Move::again),
        skipped: sum(moves, Move::skipped),
        skipped_never_handled: sum(moves, Move::skipped_unhandled),
        partitions: moves.iter().map(MoveView::of).collect(),
    };
    if args.json { print::json(&view) } else { print::text(&view.told()) }
}

impl MoveView {
    fn of(one: &Move) -> Self {
        let (log, start) = (one.standing.log, one.standing.start);
        Self {
            partition: one.partition(),
            log_start: log.low,
            log_end: log.high,
            committed: start.committed,
            stored: start.stored,
            to: one.to,
            read_again: one.again(),
            skipped: one.skipped(),
            skipped_never_handled: one.skipped_unhandled(),
            gone: one.gone(),
        }
    }
}

impl View<'_> {
    fn told(&self) -> String {
        let or_none = |offset: Option<i64>| offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        let mut table = print::table(&[
            "partition",
            "log",
            "Kafka",
            "database",
            "to",
            "read again",
            "skipped",
            "never handled",
            "gone",
        ]);
        for row in &self.partitions {
            table.add_row([
                row.partition.to_string(),
                format!("{}..{}", row.log_start, row.log_end),
                or_none(row.committed),
                or_none(row.stored),
                row.to.to_string(),
                row.read_again.to_string(),
                row.skipped.to_string(),
                row.skipped_never_handled.to_string(),
                row.gone.to_string(),
            ]);
        }
        let did = if self.dry_run { "would go on (dry run: nothing was changed)" } else { "goes on" };
        let mut told = format!("group {:?} on topic {:?} {did} at\n{table}", self.group, self.topic);
        if let Some(refused) = &self.refused {
            told = format!("{told}\nit would be refused now: {refused}");
        }
        told
    }
}
