//! What the server has spent so far: CPU of all its processes, bytes and page images of its log.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::PgConnection;

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which is 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What was spent up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    at: Instant,
    cpu: Duration,
    wal_bytes: i64,
    page_images: i64,
}

/// What was spent between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
    pub(crate) wal_bytes: i64,
    /// Whole pages in the log: the first change of a page after a checkpoint costs one.
    pub(crate) page_images: i64,
}

impl Spent {
    /// What was spent up to now.
    pub(crate) async fn now(db: &mut PgConnection) -> anyhow::Result<Self> {
        const STATEMENT: &str = "
            SELECT pg_read_file('postmaster.pid'), (pg_current_wal_insert_lsn() - '0/0')::bigint,
                (SELECT wal_fpi FROM pg_stat_wal)";
        let (pid_file, wal_bytes, page_images): (String, i64, i64) = sqlx::query_as(STATEMENT).fetch_one(db).await?;
        let server = pid_file.lines().next().and_then(|line| line.trim().parse().ok()).context("no server's id")?;
        Ok(Self { at: Instant::now(), cpu: cpu_of(server)?, wal_bytes, page_images })
    }

    /// What was spent since then.
    pub(crate) fn since(self, earlier: Self) -> Cost {
        Cost {
            time: self.at - earlier.at,
            cpu: self.cpu.saturating_sub(earlier.cpu),
            wal_bytes: self.wal_bytes - earlier.wal_bytes,
            page_images: self.page_images - earlier.page_images,
        }
    }
}

impl Cost {
    pub(crate) fn add(&mut self, other: Self) {
        self.time += other.time;
        self.cpu += other.cpu;
        self.wal_bytes += other.wal_bytes;
        self.page_images += other.page_images;
    }
}

/// The CPU of a process, of its children, and of those that have ended.
fn cpu_of(server: u32) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").context("the server's CPU is read from /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process that has ended meanwhile is among the ended ones of its parent.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        // Its parent is the second of these fields, its user and system time the 12th and 13th, and those of
        // its children that have ended the next two.
        let fields: Vec<i64> = fields.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let own = if pid == server { 10..14 } else { 10..12 };
        if pid == server || fields.first() == Some(&i64::from(server)) {
            ticks += fields[own].iter().sum::<i64>().unsigned_abs();
        }
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}
