//! How many files and connections this process may have open, against what its settings may need.

use anyhow::{Context, bail};
use rlimit::Resource;

/// Beside a connection to the gateway for each order in flight: those to Kafka and the database, those of
/// whoever asks for health and metrics, files.
const BESIDE: u64 = 256;

/// Raises the process's own limit as far as it may be raised, and says what it is then.
///
/// # Errors
/// Where the system does not tell.
pub(crate) fn raise_limit() -> anyhow::Result<u64> {
    let raised = rlimit::increase_nofile_limit(u64::MAX);
    let limit = raised.or_else(|_| rlimit::getrlimit(Resource::NOFILE).map(|(limit, _)| limit));
    limit.context("the limit of open files is not told")
}

/// Whether about so many orders may be in flight under this limit.
///
/// # Errors
/// Says what to change, and to what.
pub(crate) fn check_limit(limit: u64, max_in_flight: usize) -> anyhow::Result<()> {
    let needed = max_in_flight as u64 + BESIDE;
    if limit >= needed {
        return Ok(());
    }
    let lower = match limit.saturating_sub(BESIDE) {
        0 => String::new(),
        most => format!(", or set processing.max_in_flight to {most} at the most"),
    };
    bail!(
        "this process may have {limit} files and connections open, and {max_in_flight} orders in flight \
         (processing.max_in_flight) may need {needed}, one to the gateway for each: raise the limit (ulimit -n, \
         systemd's LimitNOFILE=, a container's nofile){lower}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_need_more_than_there_is_is_refused_with_what_fits() {
        check_limit(4_352, 4_096).expect("just enough");
        let refused = check_limit(1_024, 4_096).expect_err("too little").to_string();
        assert!(refused.contains("may need 4352") && refused.contains("to 768 at the most"), "{refused}");
        let refused = check_limit(200, 1).expect_err("too little for anything").to_string();
        assert!(refused.ends_with("nofile)"), "{refused}");
    }

    #[test]
    fn the_limit_is_raised_and_never_lowered() {
        let before = rlimit::getrlimit(Resource::NOFILE).expect("the system tells").0;
        let raised = raise_limit().expect("the system tells");
        assert_eq!(rlimit::getrlimit(Resource::NOFILE).expect("the system tells").0, raised);
        assert!(raised >= before, "{before} to {raised}");
    }
}
