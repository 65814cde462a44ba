//! What is told of events: each that would not be taken, and each hint once, however many events it is about.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::adapters::wire::lint::{Hint, Linted, Problem, Verdict};
use crate::cli::print;

/// The most rows of a table. JSON has all of them.
const MAX_ROWS: usize = 500;

/// Where an event is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        self.line.map_or(Ok(()), |line| write!(formatter, ":{line}"))
    }
}

/// Everything that is to be told.
#[derive(Debug, Default)]
pub(super) struct Report {
    events: Vec<(Place, Verdict)>,
    hints: BTreeMap<Hint, Occurrences>,
}

#[derive(Debug)]
struct Occurrences {
    first: Place,
    events: usize,
}

#[derive(Debug, Serialize)]
struct ReportView<'a> {
    taken: usize,
    skipped: usize,
    refused: usize,
    events: Vec<EventView<'a>>,
    hints: Vec<HintView<'a>>,
}

#[derive(Debug, Serialize)]
struct EventView<'a> {
    #[serde(flatten)]
    place: &'a Place,
    verdict: &'static str,
    problems: Vec<ProblemView<'a>>,
}

#[derive(Debug, Serialize)]
struct ProblemView<'a> {
    reason: &'static str,
    /// Nothing where it is about the record as a whole.
    pointer: Option<&'a str>,
    message: &'a str,
    remedy: &'static str,
}

#[derive(Debug, Serialize)]
struct HintView<'a> {
    hint: &'static str,
    pointer: Option<&'a str>,
    message: &'a str,
    remedy: &'static str,
    /// The first event that it is about, and how many there are.
    first: &'a Place,
    events: usize,
}

impl Report {
    pub(super) fn add(&mut self, place: Place, linted: Linted) {
        for hint in linted.hints {
            let first = place.clone();
            self.hints.entry(hint).or_insert(Occurrences { first, events: 0 }).events += 1;
        }
        self.events.push((place, linted.verdict));
    }

    pub(super) fn has_refused(&self) -> bool {
        self.events.iter().any(|(_, verdict)| matches!(verdict, Verdict::Refused(_)))
    }

    /// Whether each of them would be passed over: hardly what they were sent for.
    pub(super) fn has_none_for_us(&self) -> bool {
        self.events.iter().all(|(_, verdict)| *verdict == Verdict::OtherType)
    }

    fn count(&self, is_counted: impl Fn(&Verdict) -> bool) -> usize {
        self.events.iter().filter(|(_, verdict)| is_counted(verdict)).count()
    }

    fn counts(&self) -> [usize; 3] {
        [
            self.count(|verdict| *verdict == Verdict::Good),
            self.count(|verdict| *verdict == Verdict::OtherType),
            self.count(|verdict| matches!(verdict, Verdict::Refused(_))),
        ]
    }

    pub(super) fn print_json(&self) -> anyhow::Result<()> {
        let [taken, skipped, refused] = self.counts();
        let events = self.events.iter().map(|(place, verdict)| EventView::of(place, verdict)).collect();
        let hints = self.hints.iter().map(|(hint, occurrences)| HintView::of(hint, occurrences)).collect();
        print::json(&ReportView { taken, skipped, refused, events, hints })
    }

    pub(super) fn print_tables(&self) -> anyhow::Result<()> {
        let problems = self.problem_rows();
        if !problems.is_empty() {
            print_rows(["event", "where", "what is wrong", "how to mend it"], &problems)?;
        }
        if !self.hints.is_empty() {
            let hints: Vec<_> = self.hints.iter().map(|(hint, occurrences)| hint_row(hint, occurrences)).collect();
            print_rows(["event", "where", "hint", "what is better"], &hints)?;
        }
        let [taken, skipped, refused] = self.counts();
        let events = print::counted(self.events.len(), "event", "events");
        print::text(&format_args!("{events}: {taken} would be taken, {refused} refused, {skipped} skipped"))
    }

    fn problem_rows(&self) -> Vec<[String; 4]> {
        let rows = |(place, verdict): &(Place, Verdict)| match verdict {
            Verdict::Good => Vec::new(),
            Verdict::OtherType => {
                vec![[place.to_string(), String::new(), "skipped: not for this service".to_owned(), String::new()]]
            }
            Verdict::Refused(problems) => problems.iter().map(|problem| problem_row(place, problem)).collect(),
        };
        self.events.iter().flat_map(rows).collect()
    }
}

fn problem_row(place: &Place, problem: &Problem) -> [String; 4] {
    let pointer = problem.pointer.clone().unwrap_or_default();
    [place.to_string(), pointer, format!("{}: {}", problem.reason, problem.message), problem.remedy.to_owned()]
}

fn hint_row(hint: &Hint, occurrences: &Occurrences) -> [String; 4] {
    let places = match occurrences.events {
        1 => occurrences.first.to_string(),
        several => format!("{} and {} more", occurrences.first, several - 1),
    };
    [places, hint.pointer.clone().unwrap_or_default(), hint.message.clone(), hint.remedy.to_owned()]
}

fn print_rows(headings: [&str; 4], rows: &[[String; 4]]) -> anyhow::Result<()> {
    let mut table = print::table(&headings);
    for row in rows.iter().take(MAX_ROWS) {
        table.add_row(row);
    }
    print::narrow(&mut table, 2);
    print::narrow(&mut table, 3);
    print::text(&table)?;
    match rows.len().checked_sub(MAX_ROWS) {
        Some(more) if more > 0 => print::text(&format_args!("  and {more} more: --json tells all of them")),
        _ => Ok(()),
    }
}

impl<'a> EventView<'a> {
    fn of(place: &'a Place, verdict: &'a Verdict) -> Self {
        let (verdict, problems) = match verdict {
            Verdict::Good => ("taken", &[][..]),
            Verdict::OtherType => ("skipped", &[][..]),
            Verdict::Refused(problems) => ("refused", problems.as_slice()),
        };
        Self { place, verdict, problems: problems.iter().map(ProblemView::of).collect() }
    }
}

impl<'a> ProblemView<'a> {
    fn of(problem: &'a Problem) -> Self {
        Self {
            reason: problem.reason.as_str(),
            pointer: problem.pointer.as_deref(),
            message: &problem.message,
            remedy: problem.remedy,
        }
    }
}

impl<'a> HintView<'a> {
    fn of(hint: &'a Hint, occurrences: &'a Occurrences) -> Self {
        Self {
            hint: hint.name,
            pointer: hint.pointer.as_deref(),
            message: &hint.message,
            remedy: hint.remedy,
            first: &occurrences.first,
            events: occurrences.events,
        }
    }
}
