//! The crash explorer: the application as it is shipped, over ports that fail at every call in every lawful way.
//!
//! ```text
//! scenario ─► plan ─► case: tasks run from call to call ─► what is planned befalls the call
//!                                └─► after each: every invariant against the provider's ledger
//! campaign: no fault, all single faults, all pairs, triples by chance     hunt: planted errors, each to be found
//! ```
//! `make explore` plays it all; the suite plays all single faults and mutants, and some of the pairs. A case is
//! deterministic: its name plays it again, with a timeline (`make explore CASE='…'`).

mod calls;
mod campaign;
mod case;
mod chance;
mod events;
mod facts;
mod hunt;
mod invariants;
mod logs;
mod moves;
mod mutants;
mod outsiders;
mod plan;
mod ports;
mod records;
mod report;
mod rounds;
mod run;
mod runtime;
mod scenario;
mod sightings;
mod stage;
mod task;
mod timeline;
mod watch;
mod world;

use crate::explore::campaign::{Extent, explore};
use crate::explore::hunt::{Until, hunt};
use crate::explore::sightings::Sighting;

/// What is played where nobody says: a part of the pairs that takes seconds.
const SHORT: Extent = Extent { one_pair_in: 300, triples: 0, seed: 1 };

/// Says what to play: `full`, `full:SEED`, or the name of one case.
const VARIABLE: &str = "ORDER_PAYMENTS_EXPLORE";

#[test]
fn no_lawful_fault_breaks_a_promise_and_every_planted_error_is_found() {
    match wanted().as_deref() {
        None => explored(SHORT, Until::Killed),
        Some("full") => explored(full(1), Until::AllSingles),
        Some(wanted) => match wanted.strip_prefix("full:").and_then(|seed| seed.parse().ok()) {
            Some(seed) => explored(full(seed), Until::AllSingles),
            None => replayed(wanted),
        },
    }
}

const fn full(seed: u64) -> Extent {
    Extent { one_pair_in: 1, triples: 3, seed }
}

#[expect(clippy::disallowed_methods, reason = "what to play is said by the environment, here alone")]
fn wanted() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|wanted| !wanted.is_empty())
}

fn explored(extent: Extent, until: Until) {
    let scenarios = scenario::all();
    let (found, hunts) = (explore(&scenarios, extent), hunt(&scenarios, until));
    println!("{}", runtime::within(|| report::of(&found, &hunts)));
    let survivors: Vec<_> = hunts.iter().filter(|(_, hunt)| hunt.killed.is_none()).map(|(mutant, _)| mutant).collect();
    let unseen: Vec<_> = Sighting::ALL.into_iter().filter(|sighting| !found.sightings.contains_key(sighting)).collect();
    assert!(found.violations.is_empty(), "{} promises were broken: see above", found.violations.len());
    assert!(survivors.is_empty(), "the explorer does not find these planted errors: {survivors:?}");
    assert!(unseen.is_empty(), "the run never saw {unseen:?}, so it has proved little");
}

/// Plays one case again, and tells all of it.
fn replayed(name: &str) {
    let case = case::Case::named(name).unwrap_or_else(|| panic!("{VARIABLE}: there is no case {name:?}"));
    let played = runtime::within(|| {
        println!("{}", report::account(name));
        case::play(&case, timeline::Timeline::default())
    });
    let violated = played.violation.map(|violation| violation.to_string());
    assert_eq!(violated, None, "a promise was broken");
}
