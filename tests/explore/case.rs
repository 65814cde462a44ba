//! One case: what is played, by its name, and what became of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::explore::calls::Call;
use crate::explore::invariants::{Invariant, Violation};
use crate::explore::mutants::Mutant;
use crate::explore::plan::Plan;
use crate::explore::run::played;
use crate::explore::scenario::{self, Scenario};
use crate::explore::sightings::Sightings;
use crate::explore::timeline::Timeline;

/// Something to be played.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) plan: Plan,
}

impl Case {
    /// The case of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (mutant, rest) = match name.split_once('!') {
            Some((mutant, rest)) => (Some(Mutant::named(mutant)?), rest),
            None => (None, name),
        };
        let (scenario, plan) = rest.split_once(':')?;
        Some(Self { scenario: scenario::named(scenario)?, mutant, plan: Plan::parse(plan)? })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mutant) = self.mutant {
            write!(formatter, "{}!", mutant.name())?;
        }
        write!(formatter, "{}:{}", self.scenario.full_name(), self.plan)
    }
}

/// A step as it went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) call: Call,
    /// Whether another task could have gone first.
    pub(crate) can_switch: bool,
    /// Whose it is.
    pub(crate) task: u32,
    /// Whether it found nothing to do.
    pub(crate) is_idle: bool,
}

/// What became of a case.
pub(crate) struct Played {
    pub(crate) steps: Vec<Step>,
    pub(crate) violation: Option<Violation>,
    pub(crate) sightings: Sightings,
    pub(crate) timeline: Timeline,
}

/// Plays a case to its end, or to the first violation. A panic is one, too: its message is on the error stream.
pub(crate) fn play(case: &Case, timeline: Timeline) -> Played {
    catch_unwind(AssertUnwindSafe(|| played(case, timeline))).unwrap_or_else(|_| Played {
        steps: Vec::new(),
        violation: Some(Violation { invariant: Invariant::NothingPanics, detail: "it panics".to_owned() }),
        sightings: Sightings::default(),
        timeline: Timeline::default(),
    })
}
