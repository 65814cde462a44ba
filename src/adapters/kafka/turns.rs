//! What waits, queue by queue, taken one of each in turn: a long queue holds up no short one. Pure.

use std::collections::{HashMap, VecDeque};

/// Queues that take turns. An empty one costs nothing.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    queues: HashMap<i32, VecDeque<T>>,
    /// The queues that are not empty, the one whose turn it is first.
    turns: VecDeque<i32>,
}

impl<T> Turns<T> {
    pub(crate) fn new() -> Self {
        Self { queues: HashMap::new(), turns: VecDeque::new() }
    }

    /// Puts something at the end of its queue.
    pub(crate) fn push(&mut self, queue: i32, what: T) {
        let waiting = self.queues.entry(queue).or_default();
        if waiting.is_empty() {
            self.turns.push_back(queue);
        }
        waiting.push_back(what);
    }

    /// Takes what is first in the queue whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let queue = self.turns.pop_front()?;
        let waiting = self.queues.get_mut(&queue)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.queues.remove(&queue);
        } else {
            self.turns.push_back(queue);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_holds_up_no_short_one() {
        let mut turns = Turns::new();
        for number in 0..4 {
            turns.push(7, number);
        }
        turns.push(8, 100);
        turns.push(8, 101);
        let order: Vec<i32> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, [0, 100, 1, 101, 2, 3]);
        assert_eq!(turns.pop(), None);
        turns.push(8, 102);
        assert_eq!(turns.pop(), Some(102), "a queue that was empty takes turns again");
    }
}
