//! `order-payments schema`: prints the JSON Schemas of the events.

use std::process::ExitCode;

use clap::ValueEnum;

use crate::adapters::wire::schema::{EventSchema, json_schema};

/// Print the JSON Schema of an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  order-payments schema payment-requested > payment-requested.schema.json")]
pub(crate) struct Args {
    /// The event.
    event: Event,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(clippy::enum_variant_names, reason = "they are the names of the events")]
enum Event {
    /// What the order service sends.
    PaymentRequested,
    /// What is published when the order is paid or has failed.
    PaymentOutcome,
    /// What is published when money has gone back, or did not.
    PaymentRefund,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let event = match args.event {
        Event::PaymentRequested => EventSchema::PaymentRequested,
        Event::PaymentOutcome => EventSchema::PaymentOutcome,
        Event::PaymentRefund => EventSchema::PaymentRefund,
    };
    print!("{}", json_schema(event));
    ExitCode::SUCCESS
}
