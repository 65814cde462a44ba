//! The real program as a process, started and killed as an operator or a crash would.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::eventually;
use crate::support::kafka::Topics;
use crate::support::postgres::Database;

const PATIENCE: Duration = Duration::from_mins(1);

/// What an instance of the service is told.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) topics: Topics,
    pub(crate) database: Database,
    pub(crate) gateway_url: String,
    pub(crate) group: String,
    pub(crate) charge_flow: &'static str,
    /// Further settings, by their names in the environment without the prefix.
    pub(crate) further: Vec<(&'static str, String)>,
}

/// A running instance, and the file that holds its log.
pub(crate) struct Service {
    child: Child,
    folder: TempDir,
}

impl Setup {
    /// The program with these arguments, and its settings in the environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_order-payments"));
        let settings = [
            ("KAFKA__BROKERS", self.topics.brokers.as_str()),
            ("KAFKA__GROUP_ID", &self.group),
            ("KAFKA__REQUEST_TOPIC", &self.topics.requests),
            ("KAFKA__OUTCOME_TOPIC", &self.topics.outcomes),
            ("KAFKA__DEAD_LETTER_TOPIC", &self.topics.dead_letters),
            ("DATABASE__URL", &self.database.url),
            ("GATEWAY__CHARGE_FLOW", self.charge_flow),
            ("GATEWAY__REQUESTS_PER_SECOND", "0"),
            ("GATEWAY__STRIPE__API_BASE", &self.gateway_url),
            ("GATEWAY__STRIPE__API_KEY", "sk_test_canary"),
            ("HTTP__LISTEN", "127.0.0.1:0"),
        ];
        let further = self.further.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in settings.into_iter().chain(further) {
            command.env(format!("ORDER_PAYMENTS__{name}"), value);
        }
        command.args(arguments);
        command.env("RUST_LOG", "info").stdout(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Creates the tables.
    pub(crate) async fn migrate(&self) {
        let output = self.command(&["migrate"]).output().await.expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts an instance.
    pub(crate) fn start(&self) -> Service {
        let folder = TempDir::new().expect("a folder for the log");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file for the log");
        let child = self.command(&["run"]).stderr(Stdio::from(log)).spawn().expect("the program starts");
        Service { child, folder }
    }
}

impl Service {
    /// Everything that the instance has logged.
    pub(crate) fn log(&self) -> String {
        let path: PathBuf = self.folder.path().join("log");
        std::fs::read_to_string(path).expect("the log is text")
    }

    /// Where the instance serves health and metrics.
    pub(crate) async fn http_address(&self) -> String {
        eventually("the instance saying where it serves HTTP", PATIENCE, async || {
            let log = self.log();
            let (_, address) = log.split_once("http.address=")?;
            address.split_whitespace().next().map(str::to_owned)
        })
        .await
    }

    /// Waits for an instance that is to end by itself: its exit code and its log.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends by itself");
        (ended.expect("it can be waited for").code(), self.log())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it was running");
    }

    /// SIGTERM; the instance's log once it has ended well.
    pub(crate) async fn stop(mut self) -> String {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill exists");
        assert!(sent.success());
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends within its bounded time");
        let status = ended.expect("it can be waited for");
        assert!(status.success(), "it ended with {status}: {}", self.log());
        self.log()
    }
}
