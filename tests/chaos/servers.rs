//! A Kafka and a PostgreSQL of the run's own, so that it may restart them, started by `tests/services.sh`.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::chaos::plan::Server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services.sh");

/// The first start may install what is missing.
const START_PATIENCE: Duration = Duration::from_mins(10);
const RESTART_PATIENCE: Duration = Duration::from_mins(2);
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// Tells where the servers are, then waits until its input ends: with this process, however that ends.
const HOLD: &str = "env | grep '^ORDER_PAYMENTS_TEST_'; echo; exec cat";

/// Running servers. They stop when this is dropped, or when this process dies.
pub(crate) struct Servers {
    script: Child,
    hold: ChildStdin,
    pub(crate) brokers: String,
    pub(crate) postgres_url: String,
    /// The ports behind the proxies before Kafka.
    pub(crate) proxied: Vec<u16>,
    state: String,
    /// A server that starts is not stopped before it runs.
    restarting: [Mutex<()>; 2],
}

impl Servers {
    /// Starts both. Kafka tells clients of these ports that they are its own.
    pub(crate) async fn start(kafka_proxies: &[u16]) -> Self {
        let proxies = kafka_proxies.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
        let mut script = Command::new(SCRIPT)
            .args(["with", "sh", "-c", HOLD])
            .env_remove("ORDER_PAYMENTS_TEST_KAFKA_BROKERS")
            .env_remove("ORDER_PAYMENTS_TEST_POSTGRES_URL")
            .env("ORDER_PAYMENTS_TEST_KAFKA_PROXIES", proxies)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs the script");
        let hold = script.stdin.take().expect("it was asked for");
        let mut lines = BufReader::new(script.stdout.take().expect("it was asked for")).lines();
        let told = async {
            let mut told = Vec::new();
            while let Some(line) = lines.next_line().await.expect("text").filter(|line| !line.is_empty()) {
                told.push(line);
            }
            told
        };
        let told = timeout(START_PATIENCE, told).await.expect("the servers start in time");
        let find = |name: &str| {
            let prefix = format!("ORDER_PAYMENTS_TEST_{name}=");
            let value = told.iter().find_map(|line| line.strip_prefix(&prefix));
            value.unwrap_or_else(|| panic!("the script did not tell {name}: see its words above")).to_owned()
        };
        let ports = find("KAFKA_PROXIED");
        let proxied = ports.split_whitespace().map(|port| port.parse().expect("a port")).collect();
        let (brokers, postgres_url, state) = (find("KAFKA_BROKERS"), find("POSTGRES_URL"), find("SERVICES"));
        Self { script, hold, brokers, postgres_url, proxied, state, restarting: Default::default() }
    }

    pub(crate) fn postgres_port(&self) -> u16 {
        let url = url::Url::parse(&self.postgres_url).expect("a url");
        url.port().expect("a port of its own")
    }

    /// Ends a server by this signal, and returns once it runs again.
    pub(crate) async fn restart(&self, server: Server, signal: &str) {
        let (name, restarting) = match server {
            Server::Kafka => ("kafka", &self.restarting[0]),
            Server::Postgres => ("postgres", &self.restarting[1]),
            Server::Gateway => unreachable!("the gateway is in this process"),
        };
        let _alone = restarting.lock().await;
        let restarted = Command::new(SCRIPT).args(["restart", &self.state, name, signal]).status();
        let restarted = timeout(RESTART_PATIENCE, restarted).await.expect("it starts again in time");
        assert!(restarted.expect("bash runs the script").success(), "{name} did not start again after {signal}");
    }

    /// Stops both and waits for their end.
    pub(crate) async fn stop(mut self) {
        drop(self.hold);
        let ended = timeout(STOP_PATIENCE, self.script.wait()).await.expect("the servers stop in time");
        assert!(ended.expect("it can be waited for").success(), "the servers did not stop as they should");
    }
}
