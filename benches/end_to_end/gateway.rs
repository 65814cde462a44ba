//! The simulator in a process of its own, so that what it costs is not the service's.

use std::process::Stdio;

use order_payments::adapters::simulator::ledger::Ledger;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::support::http::get;

/// A running gateway; it ends when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    /// `http://host:port`
    pub(crate) url: String,
    /// Reads what it says, so that it never waits to say it.
    _listening: JoinSet<()>,
}

impl Gateway {
    /// Starts one that answers after this long.
    pub(crate) async fn start(latency_ms: u64) -> Self {
        let latency = latency_ms.to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_order-payments"))
            .args(["simulator", "--listen", "127.0.0.1:0", "--latency-ms", &latency])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it was asked for")).lines();
        let line = lines.next_line().await.expect("text").expect("it says where it listens");
        let url = line.split([' ', ';']).find(|word| word.starts_with("http://")).expect("an address").to_owned();
        let mut listening = JoinSet::new();
        listening.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, url, _listening: listening }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    /// What it truly did.
    pub(crate) async fn ledger(&self) -> Ledger {
        let address = self.url.trim_start_matches("http://");
        let (status, answer) = get(&format!("{address}/_ledger")).await;
        assert_eq!(status, 200, "the gateway shows its ledger");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).expect("a ledger")
    }
}
