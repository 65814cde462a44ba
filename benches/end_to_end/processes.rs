//! What processes cost, as Linux counts it in `/proc`. Reads only.

use std::fs;
use std::ops::Sub;

use serde::Serialize;

/// `/proc` counts in hundredths of a second, whatever the kernel's own clock does: `man 5 proc`.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds, up to a moment or between two.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cpu {
    pub(crate) service: f64,
    /// Not a number where it is not a process of ours: a container, or a server elsewhere.
    pub(crate) postgres: f64,
    /// The same.
    pub(crate) kafka: f64,
    pub(crate) gateway: f64,
    /// This program: it sends, reads and judges.
    pub(crate) bench: f64,
    /// All programs on all cores.
    pub(crate) machine: f64,
}

impl Cpu {
    /// Each part by its name.
    pub(crate) fn parts(&self) -> [(&'static str, f64); 5] {
        let Self { service, postgres, kafka, gateway, bench, .. } = *self;
        [("service", service), ("PostgreSQL", postgres), ("Kafka", kafka), ("gateway", gateway), ("bench", bench)]
    }

    /// What programs took that have no part in this.
    pub(crate) fn others(&self) -> f64 {
        let ours: f64 = self.parts().iter().map(|(_, cpu)| cpu).filter(|cpu| !cpu.is_nan()).sum();
        (self.machine - ours).max(0.0)
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            service: self.service - before.service,
            postgres: self.postgres - before.postgres,
            kafka: self.kafka - before.kafka,
            gateway: self.gateway - before.gateway,
            bench: self.bench - before.bench,
            machine: self.machine - before.machine,
        }
    }
}

/// A line of `/proc/PID/stat`, as far as it is needed.
struct Stat {
    pid: u32,
    parent: u32,
    /// With children that have ended and were waited for.
    ticks: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything, parentheses as well.
        let (pid, rest) = (text.split_once(' ')?.0, text.rsplit_once(") ")?.1);
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>().unwrap_or_default()).sum();
        Some(Self { pid: pid.parse().ok()?, parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

/// CPU seconds of a process and of all that descend from it; not a number where there is no such process.
pub(crate) fn cpu_of(root: Option<u32>) -> f64 {
    let all = stats();
    let Some(root) = root.filter(|root| all.iter().any(|stat| stat.pid == *root)) else { return f64::NAN };
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(all.iter().filter(|stat| stat.parent == parent).map(|stat| stat.pid));
        next += 1;
    }
    let ticks: f64 = all.iter().filter(|stat| family.contains(&stat.pid)).map(|stat| stat.ticks).sum();
    ticks / TICKS_PER_SECOND
}

fn stats() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| Stat::parse(&fs::read_to_string(entry.path().join("stat")).ok()?);
    entries.filter_map(read).collect()
}

/// CPU seconds of this process alone: what it started is counted apart.
pub(crate) fn cpu_of_this() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = text.rsplit_once(") ").map_or_else(Vec::new, |(_, rest)| rest.split(' ').collect());
    let own = fields.get(11..13).into_iter().flatten();
    own.map(|field| field.parse::<f64>().unwrap_or_default()).sum::<f64>() / TICKS_PER_SECOND
}

/// CPU seconds of everything since the start of the machine.
pub(crate) fn cpu_of_machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user, nice, system, idle, iowait, irq, softirq; what follows is not ours or counted before.
    let busy = fields.take(7).enumerate().filter(|(place, _)| !matches!(place, 3 | 4));
    busy.map(|(_, field)| field.parse::<f64>().unwrap_or_default()).sum::<f64>() / TICKS_PER_SECOND
}

/// The most memory that a process has held, in MiB.
pub(crate) fn peak_rss_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or_default() / 1024.0
}
