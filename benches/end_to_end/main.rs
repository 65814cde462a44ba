//! The whole service from outside, on a real Kafka and PostgreSQL: `make bench`.
//!
//! ```text
//! backlog or schedule ─► Kafka ─► order-payments run ─► PostgreSQL       measured: when outcomes are read,
//!        ▲                 │              └─► order-payments simulator            CPU and memory in /proc
//!        └── this program ◄┘ outcomes, read at read_committed ─► judged against tables and ledger
//! ```
//!
//! Everything shares the machine, as does the raw limit that is measured first: only ratios within one run
//! mean anything elsewhere. A run that is not correct has no figures, and fails the command.

mod arrivals;
mod backlog;
#[expect(dead_code, reason = "the chaos tests use more of it")]
mod chaos;
mod gateway;
mod kill;
mod latency;
mod machine;
mod options;
mod processes;
mod raw_limit;
mod reader;
mod replay;
mod report;
mod servers;
mod stage;
mod statistics;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;
mod written;

use std::process::ExitCode;
use std::time::Instant;

use crate::arrivals::Pattern;
use crate::backlog::Case;
use crate::machine::Machine;
use crate::options::{Options, Scenario};
use crate::report::Report;
use crate::servers::Servers;

const FLOWS: [&str; 2] = ["one-step", "two-step"];

#[tokio::main]
async fn main() -> ExitCode {
    let (options, servers, began) = (Options::read(), Servers::of_environment(), Instant::now());
    let machine = Machine::here(&servers.postgres_url, servers.are_own).await;
    println!("{machine}");
    let bench = Bench { options, servers };
    let mut report = Report::default();
    report.note("machine", &machine);
    report.note("options", &bench.options);
    bench.run(&mut report).await;
    println!("\n{:.0} s in all; only ratios within one run mean anything", began.elapsed().as_secs_f64());
    let written = bench.options.json.as_ref().map(|file| report.write(file));
    if let Some(Err(problem)) = written {
        println!("the figures could not be written: {problem}");
        return ExitCode::FAILURE;
    }
    if report.incorrect() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What all scenarios share.
struct Bench {
    options: Options,
    servers: Servers,
}

impl Bench {
    async fn run(&self, report: &mut Report) {
        let Self { options, servers } = self;
        eprintln!("raw limit");
        let limit = raw_limit::measure(servers, options).await;
        let raw_limit = limit.records_per_second;
        report.show("raw_limit", "Raw limit: read, write and commit in batches, nothing else", &[limit]);
        if options.wants(Scenario::Throughput) {
            self.throughput(report, raw_limit).await;
        }
        if options.wants(Scenario::Latency) {
            self.latency(report).await;
        }
        if options.wants(Scenario::Kill) {
            self.kill(report).await;
        }
        if options.wants(Scenario::Replay) {
            eprintln!("replay");
            let replay = replay::measure(servers, options, raw_limit).await;
            report.show("replay", "Replay: all records read again by another group, all settled", &[replay]);
        }
        if options.wants(Scenario::ScaleOut) {
            self.scale_out(report, raw_limit).await;
        }
    }

    async fn throughput(&self, report: &mut Report, raw_limit: f64) {
        let mut runs = Vec::new();
        for charge_flow in FLOWS {
            for gateway_ms in self.options.gateway_ms.iter().copied() {
                eprintln!("throughput: {charge_flow}, gateway at {gateway_ms} ms");
                let case = Case { charge_flow, gateway_ms, instances: 1 };
                runs.push(backlog::measure(&self.servers, &self.options, raw_limit, case).await);
            }
        }
        let title = format!("Throughput: a backlog of {} orders, one instance", self.options.orders);
        report.show("throughput", &title, &runs);
        let first = self.options.gateway_ms.len().max(1);
        let written: Vec<_> = runs.iter().step_by(first).map(backlog::Measured::per_order).collect();
        report.show("written", "What an order leaves behind, in the first run of each flow", &written);
    }

    async fn latency(&self, report: &mut Report) {
        let mut runs = Vec::new();
        for charge_flow in FLOWS {
            for pattern in [Pattern::Poisson, Pattern::Bursts] {
                eprintln!("latency: {charge_flow}, {}", pattern.name());
                runs.push(latency::measure(&self.servers, &self.options, charge_flow, pattern).await);
            }
        }
        let title = format!(
            "Latency: {} requests/s by schedule, Zipf's keys, a gateway of {} ms; its own time is left out",
            self.options.rate,
            latency::GATEWAY_MS
        );
        report.show("latency", &title, &runs);
    }

    async fn kill(&self, report: &mut Report) {
        let mut runs = Vec::new();
        for instances in [1, 2] {
            eprintln!("kill: {instances} instances");
            runs.push(kill::measure(&self.servers, &self.options, "two-step", instances).await);
        }
        report.show("kill", "Kill: one instance killed by -9 within a backlog, another started at once", &runs);
    }

    async fn scale_out(&self, report: &mut Report, raw_limit: f64) {
        let mut runs = Vec::new();
        for instances in self.options.instances.iter().copied() {
            eprintln!("scale-out: {instances} instances");
            let case = Case { charge_flow: "two-step", gateway_ms: 0, instances };
            runs.push(backlog::measure(&self.servers, &self.options, raw_limit, case).await);
        }
        let title = format!("Scale-out: the same {} orders for more instances of one group", self.options.orders);
        report.show("scale_out", &title, &runs);
    }
}
