//! The readable account of one case: calls, faults, answers, and the state after each.

use std::fmt::Write;

use order_payments::domain::timestamp::Timestamp;

use crate::explore::facts::Facts;
use crate::explore::plan::Action;
use crate::explore::scenario::START;

/// The account; nothing is written where it is not kept.
#[derive(Default)]
pub(crate) struct Timeline {
    text: Option<String>,
    last: String,
}

impl Timeline {
    /// An account that is kept.
    pub(crate) fn kept() -> Self {
        Self { text: Some(String::new()), last: String::new() }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.text.is_some()
    }

    /// What was written.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// A task is at a call.
    pub(crate) fn step(&mut self, number: usize, now: Timestamp, task: &str, call: &str, action: Option<Action>) {
        let Some(text) = &mut self.text else { return };
        let action = action.map(|action| format!("  !!! {action}")).unwrap_or_default();
        writeln!(text, "{number:>4} {} {task:<14} {call}{action}", elapsed(now)).expect("a string takes all");
    }

    /// What the call came to, and what is stored and charged now, where that is new.
    pub(crate) fn state(&mut self, facts: &Facts, note: Option<String>, log: &str) {
        let Some(text) = &mut self.text else { return };
        if let Some(note) = note {
            writeln!(text, "     {note}").expect("a string takes all");
        }
        text.push_str(log);
        let state = facts.to_string();
        if state != self.last {
            writeln!(text, "       = {state}").expect("a string takes all");
            self.last = state;
        }
    }

    /// Time passes.
    pub(crate) fn pause(&mut self, now: Timestamp) {
        let Some(text) = &mut self.text else { return };
        writeln!(text, "     {} ---", elapsed(now)).expect("a string takes all");
    }
}

fn elapsed(now: Timestamp) -> String {
    let since = now.since(START);
    let (hours, minutes) = (since.as_secs() / 3_600, since.as_secs() / 60 % 60);
    format!("{hours:03}:{minutes:02}:{:02}.{:03}", since.as_secs() % 60, since.subsec_millis())
}
