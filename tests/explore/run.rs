//! The course of a case: the tasks of each round from call to call, what is planned at each step, and a look
//! at everything after it.
//!
//! ```text
//! round: deliver ─► reconcile ─► refund ─► relay ─► (time goes on) ─► round … until all is quiet
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use order_payments::adapters::memory::order_repository::MemoryOrderRepository;
use order_payments::domain::timestamp::Timestamp;

use crate::explore::calls::Call;
use crate::explore::case::{Case, Played, Step};
use crate::explore::facts::Facts;
use crate::explore::invariants::{Violation, liveness};
use crate::explore::plan::{Action, Plan};
use crate::explore::rounds;
use crate::explore::stage::Stage;
use crate::explore::task::Task;
use crate::explore::timeline::Timeline;
use crate::explore::watch::Watch;
use crate::explore::world::World;

/// After so many rounds, several days, everything must have ended.
const MAX_ROUNDS: usize = 30;
/// So many calls are made by no case: there is a loop.
const MAX_STEPS: u32 = 600;
/// How long a fail-over takes at the least: requests may still be on their way.
pub(super) const RESTORING: Duration = Duration::from_secs(1);
/// How much time passes before the records are read again that an earlier life of the database has read.
pub(super) const DAYS_LATER: Duration = Duration::from_hours(3 * 24);
/// What is still on its way arrives within this.
const AFTERWARDS: Duration = Duration::from_hours(26);

/// Why a round ends early.
pub(super) enum Halt {
    Violated(Violation),
    Restored(u32, Duration),
}

impl From<Violation> for Halt {
    fn from(violation: Violation) -> Self {
        Self::Violated(violation)
    }
}

/// A task that stands still, or its whole process.
pub(super) struct Sleeper {
    pub(super) task: Task,
    pub(super) wakes_at: Timestamp,
    /// Not before so many groups of tasks have run.
    pub(super) after_group: u32,
}

pub(super) struct Run<'a> {
    pub(super) world: World,
    pub(super) plan: &'a Plan,
    pub(super) watch: Watch,
    pub(super) steps: Vec<Step>,
    pub(super) tasks: u32,
    pub(super) groups: u32,
    pub(super) sleepers: Vec<Sleeper>,
    pub(super) backups: BTreeMap<u32, MemoryOrderRepository>,
    pub(super) switched_at: Option<u32>,
    pub(super) timeline: Timeline,
}

/// Plays a case to its end, or to the first violation.
pub(super) fn played(case: &Case, timeline: Timeline) -> Played {
    let stage = Arc::new(if timeline.is_kept() { Stage::verbose() } else { Stage::default() });
    let world = World::new(&case.scenario, case.mutant, stage);
    let watch = Watch::new(&case.scenario);
    let mut run = Run {
        world,
        plan: &case.plan,
        watch,
        steps: Vec::new(),
        tasks: 0,
        groups: 0,
        sleepers: Vec::new(),
        backups: BTreeMap::new(),
        switched_at: None,
        timeline,
    };
    let violation = run.run().err();
    let Run { steps, watch, timeline, .. } = run;
    Played { steps, violation, sightings: watch.sightings, timeline }
}

impl Run<'_> {
    fn run(&mut self) -> Result<(), Violation> {
        self.remember();
        let mut pause = 0;
        for _round in 0..MAX_ROUNDS {
            match self.round() {
                Ok(()) => {}
                Err(Halt::Violated(violation)) => return Err(violation),
                Err(Halt::Restored(step, later)) => {
                    self.restore(step, later)?;
                    pause = 0;
                    continue;
                }
            }
            if self.is_quiet() {
                // What is planned for a step that never came is done at the end.
                match self.plan.restoration_after(self.steps.len()) {
                    Some((step, later)) => {
                        self.steps.push(Step { call: Call::Resign, task: 0, can_switch: false, is_idle: true });
                        self.restore(step, if later { DAYS_LATER } else { RESTORING })?;
                        pause = 0;
                        continue;
                    }
                    None => return self.end(),
                }
            }
            pause += usize::from(self.let_time_pass(pause));
        }
        Err(liveness::unfinished(&Facts::of(&self.world)))
    }

    /// Until the next round, or until somebody wakes who stands still; true where the pause is over.
    fn let_time_pass(&mut self, pause: usize) -> bool {
        let (now, pace) = (self.world.now(), self.world.scenario.pace);
        let pause = pace[pause.min(pace.len() - 1)];
        let waking = self.sleepers.iter().map(|sleeper| sleeper.wakes_at.since(now)).min();
        let rest = waking.map_or(pause, |waking| waking.min(pause));
        self.world.clock.advance(rest);
        self.timeline.pause(self.world.now());
        rest == pause
    }

    /// Whether nothing is left to be done but by time.
    fn is_quiet(&self) -> bool {
        let facts = Facts::of(&self.world);
        self.sleepers.is_empty() && liveness::is_at_rest(&facts, &self.watch, &self.world)
    }

    fn end(&mut self) -> Result<(), Violation> {
        self.world.clock.advance(AFTERWARDS);
        self.world.provider.run_due();
        self.look()?;
        liveness::look(&Facts::of(&self.world), &self.watch)
    }

    fn round(&mut self) -> Result<(), Halt> {
        let mut groups = rounds::groups(&self.world, self.steps.is_empty());
        while let Some(group) = groups.pop_front() {
            let mut tasks = self.awake();
            for (activity, place) in group {
                if rounds::is_needed(activity, &self.world, &self.watch) {
                    self.tasks += 1;
                    tasks.push(Task::new(self.tasks, activity, place, &mut self.world));
                }
            }
            self.groups += 1;
            self.run_group(tasks, &mut groups)?;
        }
        rounds::publish_quietly(&mut self.world);
        Ok(self.look()?)
    }

    /// The tasks that go on after standing still.
    fn awake(&mut self) -> Vec<Task> {
        let (now, groups) = (self.world.now(), self.groups);
        let is_due = |sleeper: &mut Sleeper| sleeper.wakes_at <= now && sleeper.after_group <= groups;
        self.sleepers.extract_if(.., is_due).map(|sleeper| sleeper.task).collect()
    }

    fn run_group(&mut self, mut tasks: Vec<Task>, groups: &mut VecDeque<rounds::Group>) -> Result<(), Halt> {
        let mut current = 0;
        while !tasks.is_empty() {
            current = current.min(tasks.len() - 1);
            if !tasks[current].has_started {
                self.start(&mut tasks, current);
                continue;
            }
            let Some((call, has_effect)) = self.world.stage.call_of(tasks[current].id) else {
                // It waits for another one of its process, which stands still.
                let blocked = tasks.remove(current);
                self.lay_down(blocked);
                continue;
            };
            if has_effect {
                self.go_on(&mut tasks, current, None)?;
                continue;
            }
            let (task, can_switch) = (tasks[current].id, tasks.len() > 1);
            self.steps.push(Step { call, task, can_switch, is_idle: false });
            let number = u32::try_from(self.steps.len()).expect("few steps");
            if number > MAX_STEPS {
                return Err(liveness::endless(call.name()).into());
            }
            match self.planned(number) {
                Some(Action::Switch) => {
                    self.steps.pop(); // The other task's call is this step.
                    self.switched_at = Some(number);
                    current = (current + 1) % tasks.len();
                }
                action => self.take_step(&mut tasks, current, action, groups)?,
            }
        }
        Ok(())
    }

    /// What is done at this step; a switch only once, and only where there is another task.
    fn planned(&self, number: u32) -> Option<Action> {
        let can_switch = self.steps.last().is_some_and(|step| step.can_switch);
        let is_due = |action: &Action| *action != Action::Switch || (can_switch && self.switched_at != Some(number));
        self.plan.at(number).filter(is_due)
    }
}
