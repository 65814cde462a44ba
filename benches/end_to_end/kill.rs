//! `kill -9` in the middle of a backlog, and an instance started in its place at once: how long outcomes are
//! silent, and whether anything was lost or doubled.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::chaos::checker::judge;
use crate::options::Options;
use crate::reader::{Reader, moments};
use crate::report::{Run, millis};
use crate::servers::Servers;
use crate::stage::{PATIENCE, Stage, backlog, send, stop};
use crate::statistics::silence_after;

/// How long the gateway takes here, so that orders are under way at every step when the kill comes.
const GATEWAY_MS: u64 = 50;

/// Outcomes that were published before the kill may be read for this long after it.
const SHORTLY: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    charge_flow: &'static str,
    instances: usize,
    orders: usize,
    silence: Duration,
    wrongs: Vec<String>,
}

impl Run for Measured {
    const COLUMNS: (&'static [&'static str], &'static [&'static str]) =
        (&["flow", "instances", "killed"], &["orders", "ms to the next outcome"]);

    fn labels(&self) -> Vec<String> {
        vec![self.charge_flow.to_owned(), self.instances.to_string(), "1".to_owned()]
    }

    fn figures(&self) -> Vec<String> {
        vec![self.orders.to_string(), millis(self.silence)]
    }

    fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}

/// Runs so many instances and kills the first of them.
pub(crate) async fn measure(
    servers: &Servers,
    options: &Options,
    charge_flow: &'static str,
    instances: usize,
) -> Measured {
    let orders = options.orders;
    let stage = Stage::set(servers, options, charge_flow, GATEWAY_MS).await;
    send(&stage.setup.topics, &backlog(orders)).await;
    let start = Instant::now();
    let reader = Reader::start(&stage.setup.topics);
    let mut running = stage.start(instances);
    reader.wait_for(orders / 3, PATIENCE).await;
    let (victim, killed) = (running.remove(0), Instant::now());
    victim.kill().await;
    running.extend(stage.start(1));
    reader.wait_for(orders, PATIENCE).await;
    stop(running).await;
    let silence = silence_after(&moments(&reader.finish(), start), killed - start, SHORTLY);
    let wrongs = judge(&stage.evidence(0..orders).await).wrongs();
    stage.strike().await;
    Measured { charge_flow, instances, orders, silence, wrongs }
}
