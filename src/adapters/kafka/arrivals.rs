//! Partitions that are ours and not read yet, because nobody knows where they start: that is found out on a
//! thread of its own, so that the thread that polls never waits for the database. So is where they end, where
//! that is in doubt.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};

use tokio_util::sync::CancellationToken;

use crate::adapters::kafka::consumer::ConsumerError;
use crate::adapters::kafka::positions::Scout;
use crate::adapters::kafka::starts::Start;

/// How a partition is to be read from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The client does not have it yet.
    Assign,
    /// The client reads it, from somewhere else.
    Seek,
}

/// One question.
enum Job {
    Starts { number: u64, partitions: Vec<i32> },
    Ends(Vec<i32>),
}

/// And its answer.
enum Found {
    Starts(u64, Result<Vec<Start>, ConsumerError>),
    /// Partitions and their ends, as far as they were told.
    Ends(Vec<(i32, i64)>),
}

/// The partitions that wait, and the thread that finds out.
pub(crate) struct Arrivals {
    jobs: Sender<Job>,
    found: Receiver<Found>,
    /// By partition: the job that answers for it. An older job's answer is out of date.
    waiting: HashMap<i32, (u64, Entry)>,
    last_job: u64,
    unanswered: usize,
    /// Whether it was asked where partitions end.
    is_asked_for_ends: bool,
    ends: Vec<(i32, i64)>,
    given_up: CancellationToken,
    thread: JoinHandle<()>,
}

impl Arrivals {
    /// Starts the thread.
    pub(crate) fn start(scout: Scout) -> std::io::Result<Self> {
        let (jobs, wanted) = channel::<Job>();
        let (tell, found) = channel();
        let given_up = CancellationToken::new();
        let stop = given_up.clone();
        let look_up = move || {
            for job in wanted {
                let answer = match job {
                    Job::Starts { number, partitions } => {
                        let Some(starts) = scout.look_up(&partitions, &stop) else { return };
                        Found::Starts(number, starts)
                    }
                    Job::Ends(partitions) => Found::Ends(scout.ends(&partitions, &stop)),
                };
                let _fails_once_nobody_waits = tell.send(answer);
            }
        };
        let thread = thread::Builder::new().name("kafka-positions".to_owned()).spawn(look_up)?;
        Ok(Self {
            jobs,
            found,
            waiting: HashMap::new(),
            last_job: 0,
            unanswered: 0,
            is_asked_for_ends: false,
            ends: Vec::new(),
            given_up,
            thread,
        })
    }

    /// How many partitions wait.
    pub(crate) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Has it found out where these partitions start.
    pub(crate) fn look_up(&mut self, partitions: Vec<i32>, entry: Entry) {
        self.last_job += 1;
        self.waiting.extend(partitions.iter().map(|partition| (*partition, (self.last_job, entry))));
        self.ask(Job::Starts { number: self.last_job, partitions });
    }

    /// Has it found out where these partitions end, unless that was asked before and not answered yet.
    pub(crate) fn ask_for_ends(&mut self, partitions: Vec<i32>) {
        if !self.is_asked_for_ends && !partitions.is_empty() {
            self.is_asked_for_ends = true;
            self.ask(Job::Ends(partitions));
        }
    }

    /// The ends that were found out since the last call.
    pub(crate) fn take_ends(&mut self) -> Vec<(i32, i64)> {
        std::mem::take(&mut self.ends)
    }

    fn ask(&mut self, job: Job) {
        self.unanswered += 1;
        let asked = self.jobs.send(job);
        assert!(asked.is_ok(), "the thread that looks up positions has ended");
    }

    /// Forgets partitions that are not ours any more.
    pub(crate) fn forget(&mut self, leaving: &[i32]) {
        self.waiting.retain(|partition, _| !leaving.contains(partition));
    }

    /// What was found out since the last call, of partitions that still wait for it.
    ///
    /// # Errors
    /// Where the cluster refuses to tell us.
    pub(crate) fn take_found(&mut self) -> Result<Vec<(Start, Entry)>, ConsumerError> {
        let mut arrived = Vec::new();
        loop {
            match self.found.try_recv() {
                Ok(Found::Ends(ends)) => {
                    self.unanswered -= 1;
                    self.is_asked_for_ends = false;
                    self.ends = ends;
                }
                Ok(Found::Starts(number, starts)) => {
                    self.unanswered -= 1;
                    for start in starts? {
                        let expected = self.waiting.get(&start.partition).filter(|(job, _)| *job == number);
                        let Some((_, entry)) = expected.copied() else { continue };
                        self.waiting.remove(&start.partition);
                        arrived.push((start, entry));
                    }
                }
                // Without it no partition would ever be read again: the service has to stop and say so.
                Err(TryRecvError::Disconnected) if !self.given_up.is_cancelled() => {
                    panic!("the thread that looks up positions has ended")
                }
                Err(TryRecvError::Disconnected | TryRecvError::Empty) => return Ok(arrived),
            }
        }
    }

    /// Gives up: from now on nothing is found out any more.
    pub(crate) fn give_up(&mut self) {
        self.given_up.cancel();
        self.waiting.clear();
    }

    /// Ends the thread and its hold on the consumer; one that is in the middle of a question is left behind.
    pub(crate) fn end(mut self) {
        self.give_up();
        let Self { jobs, thread, unanswered, .. } = self;
        drop(jobs);
        if unanswered == 0 && thread.join().is_err() {
            tracing::error!("the thread that looks up positions panicked");
        }
    }
}
