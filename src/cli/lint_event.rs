//! `order-payments lint-event`: says whether the service would take events, for the teams that send them. Asks nobody.

mod report;

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::adapters::wire::cloud_event::EventHeaders;
use crate::adapters::wire::lint::{Linted, lint, looks_structured, unmarked_event};
use crate::adapters::wire::request::DecodeOptions;
use crate::app;
use crate::cli::lint_event::report::{Place, Report};
use crate::config::{ConfigErrors, Settings};
use crate::domain::money::Currency;
use crate::domain::request::ProviderToken;

/// One would be refused, or none is for this service.
const REFUSED: u8 = 1;
/// The files, the settings or the command line are of no use: nothing can be said of the events.
const UNUSABLE: u8 = 2;

const CONTENT_TYPE: &str = "content-type";
const STRUCTURED: &str = "application/cloudevents+json";

/// Say what is wrong with payment-requested events, where, and how to mend it. Needs no Kafka and no database.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  order-payments lint-event request.json --key o-1\n  order-payments lint-event --lines orders.jsonl --default-currency EUR\n  my-producer | order-payments lint-event - --header ce_type=payment-requested --header ce_id=1 --json\n\nA value is the event's data, or a whole CloudEvent with its data; where --header is given, the headers alone say which, as on the topic. The rules are those of the service itself. No value of an event is repeated.\n\nExit codes: 0 all would be taken or are of another type, 1 one would be refused or none is for this service, 2 not understood or not readable."
)]
pub(crate) struct Args {
    /// Files with one event each, or - for standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Each line of a file is an event; empty ones are none.
    #[arg(long)]
    lines: bool,
    /// A header of the record, as ce_type=payment-requested. May be repeated; then all that matter must be given.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The record's key.
    #[arg(long, conflicts_with = "lines")]
    key: Option<String>,
    /// The currency of events that name none; without it the setting `processing.default_currency` counts.
    #[arg(long, value_name = "CODE")]
    default_currency: Option<Currency>,
    /// The payment method of events that name none; without it the setting `processing.default_payment_method` counts.
    #[arg(long, value_name = "NAME")]
    default_payment_method: Option<ProviderToken>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("it should look like NAME=VALUE".to_owned()),
    }
}

pub(crate) fn run(args: &Args, settings: Result<Settings, ConfigErrors>) -> ExitCode {
    match settings.map_err(anyhow::Error::new).and_then(|settings| lint_all(args, &settings)) {
        Ok(report) if report.has_refused() || report.has_none_for_us() => ExitCode::from(REFUSED),
        Ok(_) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("order-payments: {problem:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn lint_all(args: &Args, settings: &Settings) -> anyhow::Result<Report> {
    if args.files.iter().filter(|file| is_standard_input(file)).count() > 1 {
        bail!("standard input can be read once only");
    }
    let configured = app::decode_options(settings);
    let options = DecodeOptions {
        default_currency: args.default_currency.or(configured.default_currency),
        default_payment_method: args.default_payment_method.clone().or(configured.default_payment_method),
    };
    let mut report = Report::default();
    for file in &args.files {
        let events = for_each_event(file, args.lines, |place, value| report.add(place, judge(args, &value, &options)));
        if events.with_context(|| format!("could not read {}", file.display()))? == 0 {
            bail!("{} has no lines: there is nothing to say about it", file.display());
        }
    }
    if args.json {
        report.print_json()?;
    } else {
        report.print_tables()?;
    }
    Ok(report)
}

/// Hands on each event of a file; says how many there were.
fn for_each_event(file: &Path, lines: bool, mut take: impl FnMut(Place, Vec<u8>)) -> anyhow::Result<u64> {
    let mut reader: Box<dyn BufRead> =
        if is_standard_input(file) { Box::new(stdin().lock()) } else { Box::new(BufReader::new(File::open(file)?)) };
    let name = if is_standard_input(file) { "standard input".to_owned() } else { file.display().to_string() };
    if !lines {
        let mut value = Vec::new();
        reader.read_to_end(&mut value)?;
        take(Place { file: name, line: None }, value);
        return Ok(1);
    }
    let mut events = 0;
    for (number, line) in (1..).zip(reader.split(b'\n')) {
        let line = line.with_context(|| format!("line {number}"))?;
        if !line.trim_ascii().is_empty() {
            take(Place { file: name.clone(), line: Some(number) }, line);
            events += 1;
        }
    }
    Ok(events)
}

fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

fn judge(args: &Args, value: &[u8], options: &DecodeOptions) -> Linted {
    let given = args.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
    // Headers that are given are the record's: what they leave out, the service is not told either.
    let is_whole = args.headers.is_empty() && looks_structured(value);
    let found = is_whole.then_some((CONTENT_TYPE, Some(STRUCTURED.as_bytes())));
    let headers = EventHeaders::gather(given.chain(found));
    let mut linted = lint(args.key.as_deref().map(str::as_bytes), Some(value), &headers, options);
    // Read as what it is here; a record would be read as what it says to be.
    linted.hints.extend(is_whole.then(unmarked_event));
    linted
}
