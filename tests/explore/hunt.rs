//! Hunts the planted errors: an explorer that finds none of them finds nothing.

use std::collections::BTreeMap;

use crate::explore::calls::Range;
use crate::explore::campaign::{after, each, with};
use crate::explore::case::{Case, Played, play};
use crate::explore::invariants::Violation;
use crate::explore::mutants::Mutant;
use crate::explore::plan::Plan;
use crate::explore::scenario::Scenario;
use crate::explore::timeline::Timeline;

/// What became of a mutant.
#[derive(Default)]
pub(crate) struct Hunt {
    /// How many cases were played until it was killed.
    pub(crate) cases: usize,
    /// The first case that killed it, and how.
    pub(crate) killed: Option<(String, Violation)>,
    /// By invariant, in how many of the cases that were played it was killed.
    pub(crate) killers: BTreeMap<String, usize>,
}

/// When a hunt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// With the first case that kills.
    Killed,
    /// Once every single fault was played where the mutant shows soonest.
    AllSingles,
}

/// Hunts every mutant.
pub(crate) fn hunt(scenarios: &[Scenario], until: Until) -> Vec<(Mutant, Hunt)> {
    let parts = each(&Mutant::ALL, |mutant, part: &mut Vec<(Mutant, Hunt)>| {
        part.push((*mutant, hunted(*mutant, scenarios, until)));
    });
    let mut hunts: Vec<_> = parts.into_iter().flatten().collect();
    hunts.sort_by_key(|(mutant, _)| *mutant as u32);
    hunts
}

fn hunted(mutant: Mutant, scenarios: &[Scenario], until: Until) -> Hunt {
    let mut hunt = Hunt::default();
    let shows_in = |scenario: &&Scenario| mutant.shows_in().contains(&scenario.full_name().as_str());
    let (soon, late): (Vec<_>, Vec<_>) = scenarios.iter().partition(shows_in);
    for scenario in &soon {
        hunt.by_singles(mutant, scenario, until);
    }
    for scenario in &soon {
        hunt.by_pairs(mutant, scenario);
    }
    for scenario in late {
        if hunt.killed.is_none() {
            hunt.by_singles(mutant, scenario, Until::Killed);
        }
    }
    hunt
}

impl Hunt {
    fn by_singles(&mut self, mutant: Mutant, scenario: &Scenario, until: Until) {
        let base = Case { scenario: scenario.clone(), mutant: Some(mutant), plan: Plan::default() };
        let played = self.play(&base);
        for (step, action) in after(&base, &played.steps, Range::All) {
            if self.killed.is_some() && until == Until::Killed {
                return;
            }
            self.play(&with(&base, step, action));
        }
    }

    /// Until the first that kills it.
    fn by_pairs(&mut self, mutant: Mutant, scenario: &Scenario) {
        let base = Case { scenario: scenario.clone(), mutant: Some(mutant), plan: Plan::default() };
        for (step, action) in after(&base, &play(&base, Timeline::default()).steps, Range::Kinds) {
            let single = with(&base, step, action);
            let played = play(&single, Timeline::default());
            for (step, action) in after(&single, &played.steps, Range::Kinds) {
                if self.killed.is_some() {
                    return;
                }
                self.play(&with(&single, step, action));
            }
        }
    }

    fn play(&mut self, case: &Case) -> Played {
        let played = play(case, Timeline::default());
        self.cases += usize::from(self.killed.is_none());
        if let Some(violation) = &played.violation {
            *self.killers.entry(violation.invariant.to_string()).or_default() += 1;
            self.killed.get_or_insert_with(|| (case.to_string(), violation.clone()));
        }
        played
    }
}
