//! `order-payments submit`: sends payment requests, one from flags or many from a file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::adapters::kafka::requests::{RequestProducer, RequestRecord, Sent};
use crate::adapters::system::SystemClock;
use crate::adapters::wire::cloud_event::EventHeaders;
use crate::adapters::wire::outcome::rfc3339;
use crate::adapters::wire::request::{DecodeOptions, Decoded, EVENT_TYPE, decode};
use crate::app;
use crate::cli::progress;
use crate::config::Settings;
use crate::ports::clock::Clock;

/// Requests that are on their way to the broker at a time.
const ON_THE_WAY: usize = 10_000;

/// Send payment-requested events to the request topic.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments submit --order-id o-1 --customer-email ada@example.com --amount 12.50 --currency EUR --payment-method pm_card_visa\n  order-payments submit --file orders.jsonl\n\nA line of the file is the JSON of one event's data, as `order-payments schema payment-requested` has it. Every line is checked before the first is sent."
)]
pub(crate) struct Args {
    /// A file with one JSON object a line, or - for standard input.
    #[arg(long, conflicts_with_all = ["order_id", "customer_email", "amount", "currency", "payment_method", "customer"])]
    file: Option<PathBuf>,
    /// The order's id.
    #[arg(long, required_unless_present = "file")]
    order_id: Option<String>,
    /// The customer's e-mail address.
    #[arg(long, required_unless_present = "file")]
    customer_email: Option<String>,
    /// The amount, as 12.50.
    #[arg(long, required_unless_present = "file", allow_hyphen_values = true)]
    amount: Option<String>,
    /// ISO 4217 code, as EUR; without it the service's `processing.default_currency` counts.
    #[arg(long)]
    currency: Option<String>,
    /// The gateway's payment method; without it the service's `processing.default_payment_method` counts.
    #[arg(long)]
    payment_method: Option<String>,
    /// The gateway's customer.
    #[arg(long)]
    customer: Option<String>,
}

pub(crate) async fn run(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let options = app::decode_options(settings);
    let requests = match &args.file {
        Some(file) => from_file(file, &options)?,
        None => vec![from_flags(args, &options)?],
    };
    let producer = RequestProducer::new(&settings.kafka)?;
    let bar = progress::bar(requests.len() as u64, "submitting");
    let mut on_the_way: VecDeque<Sent> = VecDeque::new();
    for request in &requests {
        if on_the_way.len() >= ON_THE_WAY {
            confirm_first(&mut on_the_way).await?;
            bar.inc(1);
        }
        on_the_way.push_back(producer.send(request)?);
    }
    while !on_the_way.is_empty() {
        confirm_first(&mut on_the_way).await?;
        bar.inc(1);
    }
    bar.finish();
    eprintln!("requests on topic {}: {}", settings.kafka.request_topic, requests.len());
    Ok(ExitCode::SUCCESS)
}

async fn confirm_first(on_the_way: &mut VecDeque<Sent>) -> anyhow::Result<()> {
    let Some(first) = on_the_way.pop_front() else { return Ok(()) };
    first.confirm().await.context("not every request was sent (sending them again is safe: no order is paid twice)")
}

fn from_flags(args: &Args, options: &DecodeOptions) -> anyhow::Result<RequestRecord> {
    let fields = [
        ("order_id", &args.order_id),
        ("customer_email", &args.customer_email),
        ("total_amount", &args.amount),
        ("currency", &args.currency),
        ("payment_method", &args.payment_method),
        ("customer", &args.customer),
    ];
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.clone()?))));
    let body: Map<String, Value> = given.collect();
    checked(serde_json::to_vec(&body)?, options)
}

/// Reads and checks every line, so that a file with a mistake in it sends nothing.
fn from_file(file: &Path, options: &DecodeOptions) -> anyhow::Result<Vec<RequestRecord>> {
    let name = file.display();
    let reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).with_context(|| format!("could not open {name}"))?))
    };
    let (mut requests, mut mistakes) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(reader.lines()) {
        let line = line.with_context(|| format!("{name}, line {number}; nothing was sent"))?;
        if line.trim().is_empty() {
            continue;
        }
        match checked(line.into_bytes(), options) {
            Ok(request) => requests.push(request),
            Err(mistake) => mistakes.push(format!("  line {number}: {mistake:#}")),
        }
    }
    if !mistakes.is_empty() {
        let (count, shown) = (mistakes.len(), mistakes.iter().take(20).cloned().collect::<Vec<_>>().join("\n"));
        bail!("lines of {name} that are no payment requests: {count}; nothing was sent\n{shown}");
    }
    if requests.is_empty() {
        bail!("{name} has no lines; nothing was sent");
    }
    Ok(requests)
}

/// A record that the service will take, checked by the very decoder that the service uses.
fn checked(payload: Vec<u8>, options: &DecodeOptions) -> anyhow::Result<RequestRecord> {
    let decoded = decode(None, Some(&payload), &EventHeaders::default(), options);
    let order_id = match decoded.map_err(|rejection| anyhow::anyhow!("{}", rejection.message))? {
        Decoded::Request(request) => request.order.id().to_string(),
        Decoded::OtherType(other) => bail!("it is an event of type {other:?}"),
    };
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", Uuid::new_v4().to_string()),
        ("ce_type", EVENT_TYPE.to_owned()),
        ("ce_source", "/order-payments/submit".to_owned()),
        ("ce_time", rfc3339(SystemClock.now())),
        ("content-type", "application/json".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Ok(RequestRecord { key: order_id, headers, payload })
}
