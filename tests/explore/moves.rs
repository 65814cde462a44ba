//! What may be done to a task at a step: let it call, kill it, have it stand still, set its database back.

use std::collections::VecDeque;
use std::time::Duration;

use order_payments::application::process_payment::ProcessError;
use order_payments::application::refund_payment::RefundError;

use crate::explore::facts::Facts;
use crate::explore::invariants::{Invariant, Violation, check};
use crate::explore::logs;
use crate::explore::outsiders;
use crate::explore::plan::Action;
use crate::explore::records::{CANARY, Standing};
use crate::explore::rounds::Group;
use crate::explore::run::{DAYS_LATER, Halt, RESTORING, Run, Sleeper};
use crate::explore::task::{Activity, Done, Task};

/// How long a call takes.
const TICK: Duration = Duration::from_millis(5);
/// How long a nap is where nobody takes over at once.
const NAP: Duration = Duration::from_mins(1);
const SLEEP: Duration = Duration::from_hours(2);

impl Run<'_> {
    /// Runs a new task to its first call.
    pub(super) fn start(&mut self, tasks: &mut Vec<Task>, current: usize) {
        self.world.stage.enter(tasks[current].id);
        if let Some(done) = self.world.polled(&mut tasks[current]) {
            let task = tasks.remove(current);
            self.finish(&task, done);
        }
    }

    /// Does what is planned for a task's call.
    pub(super) fn take_step(
        &mut self,
        tasks: &mut Vec<Task>,
        current: usize,
        action: Option<Action>,
        groups: &mut VecDeque<Group>,
    ) -> Result<(), Halt> {
        let (name, number) = (tasks[current].name(), self.steps.len());
        let call = self.steps.last().expect("a step is taken").call;
        self.timeline.step(number, self.world.now(), &name, call.name(), action);
        match action {
            Some(Action::CrashBefore) => self.crash(tasks, current),
            Some(Action::NapBefore | Action::SleepBefore) => self.stand_still(tasks, current, action, groups),
            Some(Action::Restore(step)) => return Err(Halt::Restored(step, RESTORING)),
            Some(Action::RestoreLate(step)) => return Err(Halt::Restored(step, DAYS_LATER)),
            Some(Action::OutsideConfirm | Action::OutsideCancel) => {
                outsiders::act(&self.world, &self.watch, action);
                self.go_on(tasks, current, None)?;
            }
            Some(Action::CrashAfter) => {
                if self.go_on(tasks, current, action)? {
                    self.crash(tasks, current);
                }
            }
            Some(Action::NapAfter | Action::SleepAfter) => {
                if self.go_on(tasks, current, action)? {
                    self.stand_still(tasks, current, action, groups);
                }
            }
            action => {
                self.watch.contradicted |= action.is_some_and(Action::is_contradiction);
                self.go_on(tasks, current, action)?;
            }
        }
        self.remember();
        Ok(())
    }

    /// Lets a task make its call and go on to the next; true where it is still under way.
    pub(super) fn go_on(
        &mut self,
        tasks: &mut Vec<Task>,
        current: usize,
        action: Option<Action>,
    ) -> Result<bool, Violation> {
        self.world.clock.advance(TICK);
        let (stage, id) = (self.world.stage.clone(), tasks[current].id);
        let is_woken = stage.call_of(id).is_some_and(|(_, has_effect)| has_effect);
        stage.call(id, action);
        let done = self.world.polled(&mut tasks[current]);
        if let Some(step) = self.steps.last_mut() {
            step.is_idle |= stage.was_idle();
        }
        let is_under_way = done.is_none();
        if let Some(done) = done {
            let task = tasks.remove(current);
            self.finish(&task, done);
        }
        let call = self.steps.last().expect("a task calls in a step").call;
        let facts = if is_woken { Facts::of(&self.world) } else { self.watch.next(call, &self.world) };
        self.hold(Some(id), facts)?;
        Ok(is_under_way)
    }

    /// Holds what is true now against every invariant.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        let facts = Facts::of(&self.world);
        self.hold(None, facts)
    }

    fn hold(&mut self, stepped: Option<u32>, facts: Facts) -> Result<(), Violation> {
        let events = self.world.stage.take_events();
        let log = logs::take();
        self.timeline.state(&facts, self.world.stage.take_note(), &log);
        let is_private = log.contains(CANARY) || log.contains("sk_test");
        check(Invariant::NothingPrivate, !is_private, || log)?;
        self.watch.look(stepped, facts, &events)
    }

    fn finish(&mut self, task: &Task, done: Done) {
        let is_current = self.world.instances[task.place].number == task.instance;
        match done {
            // Whoever stood still was fenced meanwhile: its offsets do not count.
            Done::Delivered(record, answer) if is_current => {
                let standing = match answer {
                    Ok(_) => Standing::Done,
                    Err(ProcessError::Contradicts(_) | ProcessError::Unstorable(_)) => Standing::Dead,
                    Err(_) => return,
                };
                self.world.records[record].standing = standing;
            }
            Done::CaughtUp(answer) => self.world.is_caught_up |= is_current && answer.is_ok(),
            Done::Swept(answer) => self.world.is_swept |= answer.is_ok(),
            Done::Relayed(relay) if is_current => self.world.instances[task.place].relay = Some(*relay),
            Done::Requested(answers) => {
                let is_answered = |answer: &Result<(), RefundError>| {
                    matches!(answer, Ok(()) | Err(RefundError::TooMuch { .. } | RefundError::Amount(_)))
                };
                self.watch.refunds_requested |= answers.iter().all(is_answered);
            }
            Done::Delivered(..) | Done::Relayed(..) | Done::Otherwise => {}
        }
    }

    fn crash(&mut self, tasks: &mut Vec<Task>, current: usize) {
        let (instance, place) = (tasks[current].instance, tasks[current].place);
        tasks.retain(|task| task.instance != instance);
        if self.world.instances[place].number == instance {
            self.world.restart(place);
        }
    }

    /// The whole process stands still; others take over.
    fn stand_still(
        &mut self,
        tasks: &mut Vec<Task>,
        current: usize,
        action: Option<Action>,
        groups: &mut VecDeque<Group>,
    ) {
        let (instance, place, activity) = (tasks[current].instance, tasks[current].place, tasks[current].activity);
        let is_delivery = matches!(activity, Activity::Deliver(_));
        let (rest, after_group) = match action {
            Some(Action::SleepBefore | Action::SleepAfter) => (SLEEP, 0),
            // Whoever takes its record over runs before it wakes.
            _ if is_delivery => (Duration::ZERO, self.groups + 1),
            _ => (NAP, 0),
        };
        let wakes_at = self.world.now().plus(rest);
        let still: Vec<Task> = tasks.extract_if(.., |task| task.instance == instance).collect();
        self.sleepers.extend(still.into_iter().map(|task| Sleeper { task, wakes_at, after_group }));
        if self.world.instances[place].number == instance {
            self.world.restart(place);
        }
        if is_delivery && tasks.iter().all(|task| task.activity != activity) {
            groups.push_front(vec![(activity, place)]);
        }
    }

    /// A task waits for another one of its process, which stands still.
    pub(super) fn lay_down(&mut self, task: Task) {
        let wakes_at = self.world.now().plus(NAP);
        self.sleepers.push(Sleeper { task, wakes_at, after_group: 0 });
    }

    /// Keeps what the storage holds after this step, where the plan goes back to it.
    pub(super) fn remember(&mut self) {
        let step = u32::try_from(self.steps.len()).expect("few steps");
        if self.plan.remembered().any(|remembered| remembered == step) {
            self.backups.insert(step, self.world.storage.backup());
        }
    }

    /// Every process dies, the database is what it was after that step, and so much time passes.
    pub(super) fn restore(&mut self, step: u32, later: Duration) -> Result<(), Violation> {
        self.sleepers.clear();
        let backup = self.backups.get(&step).expect("a plan goes back to an earlier step").backup();
        self.world.restore(backup);
        self.watch.restored();
        self.world.clock.advance(later);
        self.timeline.pause(self.world.now());
        self.remember();
        self.look()
    }
}
