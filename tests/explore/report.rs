//! What is printed of a run: what was played, what was seen, what was found, and one closing line.

use std::fmt::Write;

use crate::explore::campaign::Found;
use crate::explore::case::{Case, play};
use crate::explore::hunt::Hunt;
use crate::explore::invariants::Invariant;
use crate::explore::mutants::Mutant;
use crate::explore::sightings::Sighting;
use crate::explore::timeline::Timeline;

/// Violations that are told at length.
const TOLD_AT_LENGTH: usize = 3;
const TOLD: usize = 40;

/// A run as a text, the closing line last.
pub(crate) fn of(found: &Found, hunts: &[(Mutant, Hunt)]) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line("scenario                       faults: none   one     two  three".to_owned());
    for (scenario, [none, one, two, three]) in &found.cases {
        line(format!("{scenario:<36} {none:>6} {one:>5} {two:>7} {three:>6}"));
    }
    line(String::new());
    for invariant in Invariant::ALL {
        line(format!("I{:<3} {}", invariant.number(), invariant.sentence()));
    }
    line(String::new());
    for sighting in Sighting::ALL {
        let example = found.sightings.get(&sighting).map_or("NEVER SEEN", String::as_str);
        line(format!("seen: {:<66} {example}", sighting.words()));
    }
    line(String::new());
    for (mutant, hunt) in hunts {
        line(mutant_line(*mutant, hunt));
    }
    line(String::new());
    for (number, (case, violation)) in found.violations.iter().take(TOLD).enumerate() {
        line(format!("VIOLATION of {violation}\n  play it again: make explore CASE='{case}'"));
        if number < TOLD_AT_LENGTH {
            line(account(case));
        }
    }
    line(closing(found, hunts));
    text
}

fn mutant_line(mutant: Mutant, hunt: &Hunt) -> String {
    let mut line = format!("mutant {:<30}", mutant.name());
    let Some((case, violation)) = &hunt.killed else {
        let _ = write!(line, " SURVIVED {} cases", hunt.cases);
        return line;
    };
    let killers: Vec<_> = hunt.killers.iter().map(|(killer, cases)| format!("{killer} ({cases})")).collect();
    let plan = case.split_once('!').map_or(case.as_str(), |(_, plan)| plan);
    let _ = write!(line, " killed by {} at {plan}; in all by {}", violation.invariant, killers.join(", "));
    line
}

/// One line that says it all.
pub(crate) fn closing(found: &Found, hunts: &[(Mutant, Hunt)]) -> String {
    let killed = hunts.iter().filter(|(_, hunt)| hunt.killed.is_some()).count();
    format!(
        "explorer: {} cases, {} invariants, {killed}/{} mutants killed, {} violations",
        found.total(),
        Invariant::ALL.len(),
        hunts.len(),
        found.violations.len()
    )
}

/// The whole account of a case.
pub(crate) fn account(name: &str) -> String {
    let Some(case) = Case::named(name) else { return format!("there is no case {name:?}") };
    let played = play(&case, Timeline::kept());
    let end = played.violation.map_or_else(|| "every promise is kept".to_owned(), |violation| violation.to_string());
    format!("{case}\n{}\n{end}\n", played.timeline.text())
}
