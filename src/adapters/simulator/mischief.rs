//! Which fault strikes which request: those that were asked for first, then those of the shares.

use std::collections::{HashMap, VecDeque};

use crate::adapters::simulator::chance;
use crate::adapters::simulator::faults::{Fault, Faults};
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::request::{Operation, Request};

/// The faults to come.
#[derive(Debug)]
pub(crate) struct Mischief {
    /// How often which fault strikes.
    pub(crate) faults: Faults,
    /// Faults for the next requests, before any are chosen by share.
    injected: VecDeque<(Option<Operation>, Fault)>,
    /// How often each request was seen while faults were on, so that a repetition may fare better.
    sightings: HashMap<u64, u64>,
}

impl Mischief {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, injected: VecDeque::new(), sightings: HashMap::new() }
    }

    pub(crate) fn inject(&mut self, on: Option<Operation>, fault: Fault) {
        self.injected.push_back((on, fault));
    }

    /// The fault that this request meets; `identity` is the same whenever it is repeated.
    pub(crate) fn strike(&mut self, operation: Operation, request: &Request<'_>, identity: u64) -> Option<Fault> {
        // Only what charges can be declined: a decline waits for the request that does.
        let fits = |fault: Fault| fault != Fault::Decline || charges(operation, request);
        let meant = |(on, fault): &(Option<Operation>, Fault)| on.is_none_or(|on| on == operation) && fits(*fault);
        if let Some(place) = self.injected.iter().position(meant) {
            return self.injected.remove(place).map(|(_, fault)| fault);
        }
        if !self.faults.may_strike(operation) {
            return None;
        }
        let sightings = self.sightings.entry(identity).or_default();
        *sightings += 1;
        let digest = chance::digest(identity, &[&sightings.to_le_bytes()]);
        self.faults.chosen(chance::draw(digest)).filter(|fault| fits(*fault))
    }
}

/// Whether a request may take money.
fn charges(operation: Operation, request: &Request<'_>) -> bool {
    match operation {
        Operation::Confirm => true,
        Operation::Create => Form::decode(request.body).get("confirm") == Some("true"),
        _ => false,
    }
}
