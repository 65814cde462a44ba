//! The `order-payments` program: reads the command line and runs it.

use std::process::ExitCode;

use clap::Parser;
use order_payments::cli::{self, Cli};
use tikv_jemallocator::Jemalloc;

/// Thousands of short-lived requests and answers: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("order-payments: {error:#}");
        ExitCode::FAILURE
    })
}
