//! A backlog that is there before any instance: orders per second once the first tenth is done, and what
//! that cost. By flow and latency of the gateway, or by number of instances.

use std::time::Instant;

use serde::Serialize;

use crate::chaos::checker::judge;
use crate::options::Options;
use crate::processes::{Cpu, peak_rss_mib};
use crate::reader::{Reader, moments};
use crate::report::{Run, figure};
use crate::servers::Servers;
use crate::stage::{PATIENCE, Stage, backlog, send, stop};
use crate::statistics::{number, ratio, steady_per_second};
use crate::written::{PerOrder, Written};

/// What is run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) charge_flow: &'static str,
    pub(crate) gateway_ms: u64,
    pub(crate) instances: usize,
}

/// What was measured of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    case: Case,
    orders: usize,
    orders_per_second: f64,
    /// As a share of the raw limit of the same run.
    of_raw_limit: f64,
    /// While this was measured, once the first tenth was done.
    cpu_seconds: Cpu,
    /// The orders that it was for.
    counted: usize,
    /// The same span as this program saw it.
    seconds: f64,
    /// The share of all cores that was in use, by whomever.
    busy: f64,
    /// The part that took the most of it.
    most_by: &'static str,
    /// Of all instances together.
    peak_rss_mib: f64,
    /// From before the first order until all instances had stopped.
    written: Written,
    wrongs: Vec<String>,
}

impl Measured {
    /// What the run left behind.
    pub(crate) fn per_order(&self) -> PerOrder {
        PerOrder::of(self.case.charge_flow, self.orders, self.written, &self.wrongs)
    }

    fn per_thousand(&self, seconds: f64) -> String {
        figure(ratio(seconds * 1000.0, number(self.counted)))
    }

    /// How many cores that is, on average.
    fn cores(&self, seconds: f64) -> f64 {
        ratio(seconds, self.seconds)
    }
}

/// Runs the case.
pub(crate) async fn measure(servers: &Servers, options: &Options, raw_limit: f64, case: Case) -> Measured {
    let orders = options.orders;
    let stage = Stage::set(servers, options, case.charge_flow, case.gateway_ms).await;
    send(&stage.setup.topics, &backlog(orders)).await;
    let reader = Reader::start(&stage.setup.topics);
    let written = stage.written().await;
    let (start, instances) = (Instant::now(), stage.start(case.instances));
    reader.wait_for(orders / 10, PATIENCE).await;
    let (before, began, counted) = (stage.cpu(&instances), Instant::now(), orders - reader.seen().min(orders));
    reader.wait_for(orders, PATIENCE).await;
    let (cpu_seconds, seconds) = (stage.cpu(&instances) - before, began.elapsed().as_secs_f64());
    let peak_rss_mib = instances.iter().map(|instance| peak_rss_mib(instance.pid())).sum();
    stop(instances).await;
    let told = reader.finish();
    let written = stage.written().await - written;
    let wrongs = judge(&stage.evidence(0..orders).await).wrongs();
    stage.strike().await;
    let orders_per_second = steady_per_second(&moments(&told, start));
    let of_raw_limit = ratio(orders_per_second, raw_limit);
    let cores = number(std::thread::available_parallelism().map_or(1, usize::from));
    let most = cpu_seconds.parts().into_iter().filter(|(_, cpu)| !cpu.is_nan());
    Measured {
        busy: ratio(cpu_seconds.machine, seconds * cores),
        most_by: most.max_by(|one, other| one.1.total_cmp(&other.1)).map_or("-", |(name, _)| name),
        case,
        orders,
        orders_per_second,
        of_raw_limit,
        cpu_seconds,
        counted,
        seconds,
        peak_rss_mib,
        written,
        wrongs,
    }
}

impl Run for Measured {
    const COLUMNS: (&'static [&'static str], &'static [&'static str]) = (
        &["flow", "gateway ms", "instances"],
        &[
            "orders/s",
            "of raw limit",
            "CPU s/1,000: service",
            "PostgreSQL",
            "Kafka",
            "gateway",
            "peak RSS MiB",
            "other CPUs",
            "machine busy",
            "most by",
        ],
    );

    fn labels(&self) -> Vec<String> {
        let Case { charge_flow, gateway_ms, instances } = self.case;
        vec![charge_flow.to_owned(), gateway_ms.to_string(), instances.to_string()]
    }

    fn figures(&self) -> Vec<String> {
        let Cpu { service, postgres, kafka, gateway, .. } = self.cpu_seconds;
        let cost = [service, postgres, kafka, gateway].map(|seconds| self.per_thousand(seconds));
        let speed = [figure(self.orders_per_second), figure(self.of_raw_limit)];
        let rest = [
            figure(self.peak_rss_mib),
            figure(self.cores(self.cpu_seconds.others())),
            format!("{:.0} %", self.busy * 100.0),
            self.most_by.to_owned(),
        ];
        speed.into_iter().chain(cost).chain(rest).collect()
    }

    fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}
