//! The story as a timeline for people, and as JSON.

use comfy_table::Table;
use serde::Serialize;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::explain::search::Looked;
use crate::cli::explain::story::{Stage, Story};
use crate::cli::explain::topics::{Role, Seen};
use crate::cli::print;
use crate::cli::views::finding::FindingView;
use crate::cli::views::journal::{self, EntryView};
use crate::cli::views::order::{self, OrderView};
use crate::cli::views::refund::{self, RefundView};
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::Finding;
use crate::ports::order_repository::JournalEntry;

#[derive(Serialize)]
struct StoryView<'a> {
    order_id: &'a str,
    /// Nothing where it is not known here.
    order: Option<OrderView>,
    timeline: Vec<HappeningView<'a>>,
    refunds: Vec<RefundView>,
    stages: Vec<Stage>,
    due_at: Option<String>,
    waits_for: Vec<String>,
    remarks: Vec<String>,
    /// Where on the topics was looked.
    looked: &'a [Looked],
    /// What could not be told, and why.
    notes: &'a [String],
}

#[derive(Serialize)]
struct HappeningView<'a> {
    at: Option<String>,
    what: &'static str,
    #[serde(flatten)]
    detail: DetailView<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum DetailView<'a> {
    Record(&'a Seen),
    Entry(EntryView),
    Finding(FindingView),
}

/// Something that happened.
enum Happening<'a> {
    Record(&'a Seen),
    Entry(&'a JournalEntry),
    Finding(&'a Finding),
}

impl Happening<'_> {
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Record(seen) => seen.at,
            Self::Entry(entry) => Some(entry.recorded_at),
            Self::Finding(finding) => Some(finding.found_at),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Record(seen) => match seen.role {
                Role::Asked => "asked",
                Role::DeadLetter => "dead letter",
                Role::Told => "told",
            },
            Self::Entry(_) => "state",
            Self::Finding(_) => "finding",
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Record(seen) => {
                let place = format!("{} {}/{}: {}", seen.topic, seen.partition, seen.offset, seen.says);
                // What this service has written says nothing that is not told beside it; JSON has it all.
                let sent = if seen.role == Role::Asked { seen.headers.as_slice() } else { &[] };
                let headers = sent.iter().map(|(name, value)| match value {
                    Some(value) => format!("  {name}: {value}"),
                    None => format!("  {name} (--reveal shows it)"),
                });
                let value = seen.value.iter().map(|value| format!("  {value}"));
                let lines: Vec<String> = std::iter::once(place).chain(headers).chain(value).collect();
                lines.join("\n")
            }
            Self::Entry(entry) => {
                let state = format!("{} {}", journal::shortened(&entry.subject), entry.state);
                let why = Some(journal::who_and_why(&entry.evidence)).filter(|why| !why.is_empty());
                let sent = journal::exchanges(&entry.evidence);
                let further = why.into_iter().chain(sent.iter().map(journal::sentence)).map(|line| format!("  {line}"));
                std::iter::once(state).chain(further).collect::<Vec<_>>().join("\n")
            }
            Self::Finding(finding) => format!("{}\n  {}", finding.kind.as_str(), finding.detail),
        }
    }
}

fn timeline(story: &Story) -> Vec<Happening<'_>> {
    let records = story.records.iter().map(Happening::Record);
    let entries = story.journal.iter().map(Happening::Entry);
    let findings = story.findings.iter().map(Happening::Finding);
    let mut timeline: Vec<_> = records.chain(entries).chain(findings).collect();
    timeline.sort_by_key(Happening::at); // Those of the same moment stay in the order above.
    timeline
}

pub(super) fn print_json(story: &Story) -> anyhow::Result<()> {
    let views = timeline(story).into_iter().map(|happening| {
        let (at, what) = (happening.at().map(rfc3339), happening.what());
        let detail = match happening {
            Happening::Record(seen) => DetailView::Record(seen),
            Happening::Entry(entry) => DetailView::Entry(EntryView::of(entry)),
            Happening::Finding(finding) => DetailView::Finding(FindingView::of(finding)),
        };
        HappeningView { at, what, detail }
    });
    print::json(&StoryView {
        order_id: story.order_id.as_str(),
        order: story.order.as_ref().map(OrderView::of),
        timeline: views.collect(),
        refunds: story.refunds.iter().map(RefundView::of).collect(),
        stages: story.stages(),
        due_at: story.waits.due.map(rfc3339),
        waits_for: story.waits_for(),
        remarks: story.remarks(),
        looked: &story.looked,
        notes: &story.notes,
    })
}

pub(super) fn print_tables(story: &Story) -> anyhow::Result<()> {
    if let Some(order) = story.order.as_ref().map(OrderView::of) {
        print::text(&order::table(&[order]))?;
    }
    let happenings = timeline(story);
    if !happenings.is_empty() {
        print::text(&table(&happenings))?;
    }
    if !story.refunds.is_empty() {
        print::text(&refund::table(&story.refunds))?;
    }
    let stages = story.stages();
    if !stages.is_empty() {
        let stages = stages.iter().map(|stage| format!("{} → {} {} ms", stage.from, stage.to, stage.ms));
        print::text(&format_args!("took:      {}", stages.collect::<Vec<_>>().join(", ")))?;
    }
    let waits_for = story.waits_for();
    if story.order.is_some() && waits_for.is_empty() {
        print::text(&"waits for: nothing")?;
    }
    let remarks = story.remarks();
    let looked: Vec<String> = story.looked.iter().map(Looked::sentence).collect();
    let sentences =
        [("waits for:", &waits_for), ("remark:   ", &remarks), ("looked:   ", &looked), ("note:     ", &story.notes)];
    for (what, sentences) in sentences {
        sentences.iter().try_for_each(|sentence| print::text(&format_args!("{what} {sentence}")))?;
    }
    Ok(())
}

fn table(happenings: &[Happening<'_>]) -> Table {
    let mut table = print::table(&["when", "what", "in full"]);
    for happening in happenings {
        let when = happening.at().map(journal::to_the_millisecond).unwrap_or_default();
        table.add_row([when, happening.what().to_owned(), happening.in_words()]);
    }
    table
}
