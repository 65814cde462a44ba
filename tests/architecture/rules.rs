//! What each layer may use. To allow a new arrow, change it here and say why in the commit.

use std::fmt;

use crate::architecture::source::{Source, Use};

/// Style rule 14 says about 250; above this a file certainly answers more than one question.
const MAX_FILE_LINES: usize = 400;
/// Style rule 15.
const MAX_FUNCTION_LINES: usize = 70;

const STD: &[&str] = &["std", "core", "alloc"];
/// Values and their rules need numbers, names and errors.
const VALUES: &[&str] = &["rust_decimal", "thiserror", "iso_currency", "uuid"];
/// What tasks, logs and counters are made of.
const RUNTIME: &[&str] = &["async_trait", "tokio", "tokio_util", "tracing", "metrics", "futures_util"];
/// What every adapter may speak its foreign language with.
const FORMATS: &[&str] = &["bytes", "serde", "serde_json", "secrecy", "url", "time", "fastrand"];

/// A place in the house: which of our modules and which outside crates its files may use.
struct Layer {
    /// The way to it from `src`.
    place: &'static [&'static str],
    inner: &'static [&'static str],
    outside: &'static [&'static [&'static str]],
}

/// The first whose place is the beginning of a file's module is the file's layer.
const LAYERS: &[Layer] = &[
    Layer { place: &["domain"], inner: &["domain"], outside: &[VALUES] },
    Layer { place: &["ports"], inner: &["domain", "ports"], outside: &[VALUES, &["async_trait"]] },
    Layer { place: &["application"], inner: &["domain", "ports", "application"], outside: &[VALUES, RUNTIME] },
    Layer {
        place: &["adapters", "kafka"],
        inner: &["domain", "ports", "application", "adapters::wire", "adapters::kafka"],
        outside: &[VALUES, RUNTIME, FORMATS, &["rdkafka"]],
    },
    Layer {
        place: &["adapters", "http"],
        inner: &["domain", "ports", "application", "adapters::wire", "adapters::http"],
        outside: &[VALUES, RUNTIME, FORMATS, &["axum", "metrics_exporter_prometheus"]],
    },
    Layer {
        place: &["adapters", "postgres"],
        inner: &["domain", "ports", "adapters::wire", "adapters::sql", "adapters::postgres"],
        outside: &[VALUES, RUNTIME, FORMATS, &["sqlx"]],
    },
    Layer {
        place: &["adapters", "sqlite"],
        inner: &["domain", "ports", "adapters::wire", "adapters::sql", "adapters::sqlite"],
        outside: &[VALUES, RUNTIME, FORMATS, &["sqlx"]],
    },
    Layer {
        place: &["adapters", "sql"],
        inner: &["domain", "ports", "adapters::wire", "adapters::sql"],
        outside: &[VALUES, RUNTIME, FORMATS, &["sqlx"]],
    },
    Layer {
        place: &["adapters", "memory"],
        inner: &["domain", "ports", "adapters::wire", "adapters::memory", "adapters::simulator"],
        outside: &[VALUES, RUNTIME, FORMATS],
    },
    Layer {
        place: &["adapters", "stripe"],
        inner: &["domain", "ports", "adapters::stripe"],
        outside: &[VALUES, RUNTIME, FORMATS, &["reqwest", "ring", "rustls"]],
    },
    Layer {
        place: &["adapters", "simulator"],
        inner: &["domain", "ports", "adapters::simulator"],
        outside: &[VALUES, RUNTIME, FORMATS, &["axum"]],
    },
    Layer {
        place: &["adapters", "wire"],
        inner: &["domain", "ports", "adapters::wire"],
        outside: &[VALUES, FORMATS, &["schemars", "strsim"]],
    },
    Layer { place: &["adapters", "system"], inner: &["domain", "ports", "adapters::system"], outside: &[VALUES] },
    Layer { place: &["adapters"], inner: &["adapters"], outside: &[] },
    Layer {
        place: &["config"],
        inner: &["domain", "adapters::kafka", "config"],
        outside: &[VALUES, &["secrecy", "strsim", "toml", "url"]],
    },
    Layer {
        place: &["telemetry"],
        inner: &["config", "telemetry"],
        outside: &[VALUES, &["metrics", "metrics_exporter_prometheus", "tokio", "tracing", "tracing_subscriber"]],
    },
    Layer {
        place: &["app"],
        inner: &["domain", "ports", "application", "adapters", "config", "telemetry", "app"],
        outside: &[VALUES, RUNTIME, &["anyhow", "metrics_exporter_prometheus", "secrecy", "url"]],
    },
    // A command that sends or reads records itself does so as any client of the topics would.
    Layer {
        place: &["cli"],
        inner: &[
            "domain",
            "ports",
            "application",
            "adapters::kafka",
            "adapters::simulator",
            "adapters::system",
            "adapters::wire",
            "config",
            "telemetry",
            "app",
            "cli",
        ],
        outside: &[
            VALUES,
            RUNTIME,
            &["anyhow", "clap", "clap_complete", "comfy_table", "fastrand", "indicatif", "rlimit", "schemars"],
            &["serde", "serde_json", "tempfile", "tracing_subscriber"],
        ],
    },
    Layer { place: &["main"], inner: &["cli"], outside: &[&["clap", "tikv_jemallocator"]] },
    Layer { place: &["lib"], inner: &[], outside: &[] },
];

/// A part of an outside crate that only some places may use, and what the others do instead.
struct Reserved {
    path: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        path: &["std", "env"],
        places: &["config"],
        instead: "take it as a setting: only config reads the environment",
    },
    Reserved {
        path: &["std", "fs"],
        places: &["adapters", "config", "cli"],
        instead: "take what was read as an argument: only adapters, config and cli read files",
    },
    Reserved {
        path: &["std", "time", "SystemTime"],
        places: &["adapters::system"],
        instead: "ask the Clock port: tests must be able to own the time",
    },
    Reserved { path: &["tokio", "fs"], places: &["adapters", "cli"], instead: "only adapters and cli read files" },
    Reserved { path: &["tokio", "net"], places: &["adapters"], instead: "only adapters open sockets" },
    Reserved { path: &["std", "net", "TcpListener"], places: &["adapters"], instead: "only adapters open sockets" },
    Reserved { path: &["std", "net", "TcpStream"], places: &["adapters"], instead: "only adapters open sockets" },
    Reserved { path: &["std", "net", "UdpSocket"], places: &["adapters"], instead: "only adapters open sockets" },
];

/// A broken rule: where, and what to do about it.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: [{}] {}", self.file, self.line, self.rule, self.advice)
    }
}

/// Every rule that the file breaks.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let broken = |line, (rule, advice)| Violation { file: source.file.clone(), line, rule, advice };
    let mut violations: Vec<_> = shape(source).into_iter().map(|(line, finding)| broken(line, finding)).collect();
    let module = source.module();
    let Some(layer) = LAYERS.iter().find(|layer| module.starts_with(layer.place)) else {
        let advice = "this file is in no layer: move it into one, or add its layer to tests/architecture/rules.rs";
        violations.push(broken(1, ("layer", advice.to_owned())));
        return violations;
    };
    for named in &source.uses {
        let in_test = source.is_test || named.in_test;
        let findings = [import_style(named, in_test), arrow(layer, named, in_test), reserved(&module, named, in_test)];
        violations.extend(findings.into_iter().flatten().map(|finding| broken(named.line, finding)));
    }
    violations
}

type Finding = (&'static str, String);

fn shape(source: &Source) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    if !source.opens_with_docs {
        let advice = "open the file with `//!`: what it is and what it must never do".to_owned();
        findings.push((1, ("opening", advice)));
    }
    if source.lines > MAX_FILE_LINES {
        let advice =
            format!("{} lines, at most {MAX_FILE_LINES}: split it by question, tests into tests.rs", source.lines);
        findings.push((source.lines, ("file length", advice)));
    }
    for function in &source.functions {
        if function.lines > MAX_FUNCTION_LINES {
            let advice =
                format!("`{}` has {} lines, at most {MAX_FUNCTION_LINES}: split it", function.name, function.lines);
            findings.push((function.line, ("function length", advice)));
        }
    }
    findings
}

/// Style rule 16. A test module opens its subject with `use super::*`.
fn import_style(named: &Use, in_test: bool) -> Option<Finding> {
    let is_glob = named.path.last().is_some_and(|name| name == "*");
    if named.path[0] == "super" && !(in_test && named.path.len() == 2 && is_glob) {
        return Some(("super", format!("write `{}` from `crate::`", named.path.join("::"))));
    }
    (is_glob && !in_test).then(|| ("glob", format!("name what `{}` is needed for", named.path.join("::"))))
}

/// Tests may reach outwards for fakes and libraries: no arrow of theirs is shipped.
fn arrow(layer: &Layer, named: &Use, in_test: bool) -> Option<Finding> {
    if in_test {
        return None;
    }
    let (first, rest) = named.path.split_first()?;
    let place = layer.place.join("::");
    let path = named.path.join("::");
    match first.as_str() {
        "crate" | "order_payments" => {
            let target = rest.join("::");
            let is_allowed =
                layer.inner.iter().any(|inner| target == *inner || target.starts_with(&format!("{inner}::")));
            (!is_allowed).then(|| {
                let allowed = layer.inner.join(", ");
                (
                    "arrow",
                    format!("{place} may not use `{path}`, only {allowed}: turn the arrow by a port, or move the code"),
                )
            })
        }
        "super" | "self" => None,
        // The variants of an imported type.
        name if name.starts_with(char::is_uppercase) => None,
        name if STD.contains(&name) || layer.outside.iter().any(|crates| crates.contains(&name)) => None,
        name => {
            Some(("outside crate", format!("{place} may not use the crate `{name}`: put what needs it behind a port")))
        }
    }
}

fn reserved(module: &[&str], named: &Use, in_test: bool) -> Option<Finding> {
    let module = module.join("::");
    let starts_with = |path: &[&str]| path.iter().zip(&named.path).filter(|(a, b)| a == b).count() == path.len();
    let rule = RESERVED.iter().find(|reserved| starts_with(reserved.path))?;
    let is_home = rule.places.iter().any(|place| module == *place || module.starts_with(&format!("{place}::")));
    (!is_home && !in_test).then(|| ("reserved", format!("`{}`: {}", named.path.join("::"), rule.instead)))
}
