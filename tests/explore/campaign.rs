//! Which cases are played: no fault, every single fault, every pair of faults, triples by chance.
//!
//! What can befall a case is read off the case itself: a step's faults are those that its call may meet,
//! and the faults that may follow are those of the steps that come once the first has struck.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::explore::calls::{Call, Range};
use crate::explore::case::{Case, Played, Step, play};
use crate::explore::chance::Chance;
use crate::explore::invariants::Violation;
use crate::explore::plan::{Action, Plan};
use crate::explore::runtime;
use crate::explore::scenario::{Extra, Scenario};
use crate::explore::sightings::Sighting;
use crate::explore::timeline::Timeline;

/// How far a campaign goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// One pair in so many is played.
    pub(crate) one_pair_in: u64,
    /// What the choice begins with.
    pub(crate) seed: u64,
    /// Triples that are played for each single fault.
    pub(crate) triples: usize,
}

/// What a campaign found.
#[derive(Default)]
pub(crate) struct Found {
    /// By scenario: how many cases with one fault, two and three.
    pub(crate) cases: BTreeMap<String, [usize; 4]>,
    pub(crate) steps: usize,
    /// With the first case that had it.
    pub(crate) sightings: BTreeMap<Sighting, String>,
    /// By case.
    pub(crate) violations: BTreeMap<String, Violation>,
}

impl Found {
    /// How many cases were played.
    pub(crate) fn total(&self) -> usize {
        self.cases.values().flatten().sum()
    }

    fn note(&mut self, case: &Case, played: &Played) {
        let counts = self.cases.entry(case.scenario.full_name()).or_default();
        counts[case.plan.0.len().min(3)] += 1;
        self.steps += played.steps.len();
        for sighting in Sighting::ALL.into_iter().filter(|sighting| played.sightings.has(*sighting)) {
            self.see(sighting, case.to_string());
        }
        if let Some(violation) = &played.violation {
            self.violations.insert(case.to_string(), violation.clone());
        }
    }

    /// Whichever thread played it, the shortest name is kept.
    fn see(&mut self, sighting: Sighting, case: String) {
        let known = self.sightings.entry(sighting).or_insert_with(|| case.clone());
        if (case.len(), &case) < (known.len(), known) {
            *known = case;
        }
    }

    fn join(&mut self, other: Self) {
        for (scenario, counts) in other.cases {
            let known = self.cases.entry(scenario).or_default();
            for (known, count) in known.iter_mut().zip(counts) {
                *known += count;
            }
        }
        self.steps += other.steps;
        for (sighting, case) in other.sightings {
            self.see(sighting, case);
        }
        self.violations.extend(other.violations);
    }
}

/// Plays every scenario to this extent, on as many threads as there are cores.
pub(crate) fn explore(scenarios: &[Scenario], extent: Extent) -> Found {
    let bases = runtime::within(|| {
        let base = |scenario: &Scenario| {
            let case = Case { scenario: scenario.clone(), mutant: None, plan: Plan::default() };
            let played = play(&case, Timeline::default());
            (case, played)
        };
        scenarios.iter().map(base).collect::<Vec<_>>()
    });
    let mut found = Found::default();
    let mut singles = Vec::new();
    for (case, played) in &bases {
        found.note(case, played);
        let faults = after(case, &played.steps, Range::All);
        singles.extend(faults.into_iter().map(|(step, action)| with(case, step, action)));
    }
    for part in each(&singles, |single, found: &mut Found| follow(single, extent, found)) {
        found.join(part);
    }
    found
}

/// Plays a case with one fault, and what may follow it.
fn follow(single: &Case, extent: Extent, found: &mut Found) {
    let played = play(single, Timeline::default());
    found.note(single, &played);
    if played.violation.is_some() {
        return; // It is broken already: what follows says no more.
    }
    let mut chance = Chance::of(&format!("{} {single}", extent.seed));
    let has_an_alike = single.plan.0.iter().any(|(_, action)| action.has_an_alike());
    let pairs = if has_an_alike { Vec::new() } else { after(single, &played.steps, Range::Kinds) };
    for (step, action) in pairs {
        if chance.below(extent.one_pair_in) == 0 {
            let pair = with(single, step, action);
            found.note(&pair, &play(&pair, Timeline::default()));
        }
    }
    let seconds = after(single, &played.steps, Range::All);
    for _triple in 0..extent.triples.min(seconds.len()) {
        let (step, action) = seconds[chance.index(seconds.len())];
        let pair = with(single, step, action);
        let played = play(&pair, Timeline::default());
        let thirds = after(&pair, &played.steps, Range::All);
        if played.violation.is_none() && !thirds.is_empty() {
            let (step, action) = thirds[chance.index(thirds.len())];
            let triple = with(&pair, step, action);
            found.note(&triple, &play(&triple, Timeline::default()));
        }
    }
}

/// Everything that may be done to a case at a step after what is done already.
pub(crate) fn after(case: &Case, steps: &[Step], range: Range) -> Vec<(u32, Action)> {
    let (scenario, last) = (&case.scenario, case.plan.last_step());
    let mut faults = Vec::new();
    for (number, step) in (1..).zip(steps).filter(|(number, step)| *number > last && !step.is_idle) {
        let lawful = step.call.lawful(range).into_iter();
        let is_told_before = range == Range::Kinds && number > last + 1 && continues(&steps[number as usize - 2], step);
        let new = lawful.filter(|action| !(is_told_before && action.is_before_the_call()));
        faults.extend(new.map(|action| (number, action)));
        if step.can_switch {
            faults.push((number, Action::Switch));
        }
        if scenario.extra == Extra::Outsiders {
            faults.extend([(number, Action::OutsideConfirm), (number, Action::OutsideCancel)]);
        }
        faults.extend(restorations(case, steps, number));
    }
    let end = u32::try_from(steps.len()).expect("few steps") + 1;
    faults.extend(restorations(case, steps, end));
    faults
}

/// Whether a process that ends or stands still before this step does so after the one before: nothing lies
/// between them.
fn continues(before: &Step, step: &Step) -> bool {
    before.task == step.task && before.call.lawful(Range::Kinds).contains(&Action::NapAfter)
}

/// The moments that the database may be set back to; after another fault, a few of them.
///
/// It is set back where something has just changed outside of it, and to where it has just changed itself:
/// at other steps, it is the same restoration.
///
/// What a person has decided is not forgotten by a restoration: that would be another person's work.
fn restorations(case: &Case, steps: &[Step], number: u32) -> Vec<(u32, Action)> {
    let (scenario, last) = (&case.scenario, case.plan.last_step());
    let is_decided = case.plan.0.iter().any(|(_, action)| action.is_contradiction());
    let call_at = |number: u32| steps.get(number as usize - 1).map(|step| step.call);
    let is_telling = number < 3 || call_at(number).is_none() || call_at(number - 1).is_some_and(Call::shows_outside);
    if scenario.extra != Extra::Restores || is_decided || !is_telling {
        return Vec::new();
    }
    let moments: Vec<u32> = if last == 0 {
        (0..number).filter(|to| *to == 0 || call_at(*to).is_some_and(Call::stores)).collect()
    } else {
        vec![0, last.min(number - 1)]
    };
    moments.into_iter().flat_map(|to| [(number, Action::Restore(to)), (number, Action::RestoreLate(to))]).collect()
}

pub(crate) fn with(case: &Case, step: u32, action: Action) -> Case {
    Case { plan: case.plan.and(step, action), ..case.clone() }
}

/// Does the work for every item, on as many threads as there are cores.
pub(crate) fn each<Item: Sync, Part: Default + Send>(
    items: &[Item],
    work: impl Fn(&Item, &mut Part) + Sync,
) -> Vec<Part> {
    let (next, parts) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _thread in 0..threads {
            scope.spawn(|| {
                let mut part = Part::default();
                runtime::within(|| {
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        work(item, &mut part);
                    }
                });
                parts.lock().expect("no thread panics while holding it").push(part);
            });
        }
    });
    parts.into_inner().expect("no thread panics while holding it")
}
