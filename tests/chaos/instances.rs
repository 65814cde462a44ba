//! Instances of the real program under a keeper each, which does to them what the plan says and starts
//! them again when they end, as any service manager would.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::service::Setup;

/// How long a keeper waits before it starts an instance that ended by itself.
const RESTART_DELAY: Duration = Duration::from_millis(500);

/// How long an orderly stop may take: more than `processing.shutdown_timeout_ms`.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// Orders to a keeper that may wait.
const ORDERS: usize = 64;

/// What a keeper is told to do to its instance.
#[derive(Debug)]
pub(crate) enum Order {
    Kill { down: Duration, is_lone: bool },
    Pause(Duration),
    Leave(Duration),
}

/// Something that happened to an instance.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Killed {
        is_lone: bool,
    },
    Paused,
    Left,
    /// It ended by itself, with this code.
    Ended(Option<i32>),
}

/// What happened to all of them, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<(Instant, usize, Event)>>>);

impl Diary {
    fn note(&self, at: Instant, instance: usize, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((at, instance, event));
    }

    pub(crate) fn read(&self) -> Vec<(Instant, usize, Event)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Every instance and its keeper.
pub(crate) struct Fleet {
    orders: Vec<mpsc::Sender<Order>>,
    keepers: JoinSet<()>,
    pub(crate) diary: Diary,
    logs: Vec<PathBuf>,
    /// Ends every rest; fires when the fleet is dropped.
    calm: CancellationToken,
}

impl Fleet {
    /// Starts an instance for each setup; their logs are kept in the folder.
    pub(crate) fn start(setups: Vec<Setup>, folder: &Path) -> Self {
        let (mut orders, mut keepers, mut logs) = (Vec::new(), JoinSet::new(), Vec::new());
        let (diary, calm) = (Diary::default(), CancellationToken::new());
        for (number, setup) in setups.into_iter().enumerate() {
            let log = folder.join(format!("instance-{number}.log"));
            let (tell, told) = mpsc::channel(ORDERS);
            let keeper = Keeper { number, setup, log: log.clone(), diary: diary.clone(), calm: calm.clone() };
            keepers.spawn(keeper.keep(told));
            orders.push(tell);
            logs.push(log);
        }
        Self { orders, keepers, diary, logs, calm }
    }

    /// Has this done to an instance, after what is under way there.
    pub(crate) async fn order(&self, instance: usize, order: Order) {
        self.orders[instance].send(order).await.expect("its keeper lives");
    }

    /// Waits until every order was carried out, stops all instances in order, and returns their logs.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.orders.clear();
        while let Some(ended) = self.keepers.join_next().await {
            ended.expect("a keeper does not panic");
        }
        self.calm.cancel();
        self.logs.iter().map(|log| std::fs::read_to_string(log).expect("the log is text")).collect()
    }
}

struct Keeper {
    number: usize,
    setup: Setup,
    log: PathBuf,
    diary: Diary,
    calm: CancellationToken,
}

impl Keeper {
    async fn keep(self, mut orders: mpsc::Receiver<Order>) {
        let mut child = self.start();
        loop {
            tokio::select! {
                ended = child.wait() => {
                    let code = ended.expect("it can be waited for").code();
                    self.diary.note(Instant::now(), self.number, Event::Ended(code));
                    self.rest(RESTART_DELAY).await;
                    child = self.start();
                }
                order = orders.recv() => match order {
                    Some(order) => child = self.carry_out(order, child).await,
                    None => return self.stop(child).await,
                },
            }
        }
    }

    async fn carry_out(&self, order: Order, mut child: Child) -> Child {
        let now = Instant::now();
        match order {
            Order::Kill { down, is_lone } => {
                child.kill().await.expect("it is ours");
                self.diary.note(now, self.number, Event::Killed { is_lone });
                self.rest(down).await;
                self.start()
            }
            Order::Pause(lasts) => {
                signal(&child, "STOP").await;
                self.diary.note(now, self.number, Event::Paused);
                self.rest(lasts).await;
                signal(&child, "CONT").await;
                child
            }
            Order::Leave(away) => {
                self.diary.note(now, self.number, Event::Left);
                self.stop(child).await;
                self.rest(away).await;
                self.start()
            }
        }
    }

    fn start(&self) -> Child {
        let log: File = OpenOptions::new().create(true).append(true).open(&self.log).expect("a file for the log");
        self.setup.command(&["run"]).stderr(Stdio::from(log)).spawn().expect("the program starts")
    }

    /// SIGTERM. It ends in its bounded time, whatever its servers do just then.
    async fn stop(&self, mut child: Child) {
        signal(&child, "TERM").await;
        let ended = timeout(STOP_PATIENCE, child.wait()).await;
        assert!(ended.is_ok(), "instance {} does not stop: see {}", self.number, self.log.display());
    }

    async fn rest(&self, lasts: Duration) {
        let _over = timeout(lasts, self.calm.cancelled()).await;
    }
}

/// Sends a signal, unless the process has ended by itself.
async fn signal(child: &Child, name: &str) {
    if let Some(pid) = child.id() {
        let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().await;
        sent.expect("kill exists");
    }
}
