//! The checker is checked: each rule lets lawful code pass and is seen to refuse unlawful code.

use crate::architecture::rules::{Violation, check};
use crate::architecture::source::Source;

/// What is found in `text`, were it the file of that name.
fn violations(file: &str, text: &str) -> Vec<Violation> {
    let crates = ["axum", "rdkafka", "reqwest", "serde", "sqlx", "time", "tokio", "tracing"].map(str::to_owned);
    check(&Source::parse(file, &format!("//! A sample.\n{text}"), &crates).expect("samples are Rust"))
}

#[track_caller]
fn assert_lawful(file: &str, text: &str) {
    let found = violations(file, text);
    assert!(found.is_empty(), "{file}: {text}: {found:?}");
}

#[track_caller]
fn assert_refused(file: &str, text: &str, rule: &str) {
    let found = violations(file, text);
    assert!(found.iter().any(|violation| violation.rule == rule), "{file}: {text}: wanted {rule}, found {found:?}");
}

#[test]
fn arrows_inwards_are_lawful() {
    assert_lawful("src/ports/clock.rs", "use crate::domain::timestamp::Timestamp;");
    assert_lawful("src/application/relay_outbox.rs", "use crate::ports::outbox::{Outbox, Position};");
    assert_lawful("src/adapters/kafka/consumer.rs", "use crate::application::process_payment::ProcessPayment;");
    assert_lawful("src/adapters/postgres/outbox.rs", "use crate::adapters::sql::rows::OrderRow;");
    assert_lawful("src/adapters/memory/payment_gateway.rs", "use crate::adapters::simulator::provider::Provider;");
    assert_lawful("src/app.rs", "use crate::adapters::stripe::gateway::StripeGateway;");
    assert_lawful("src/main.rs", "use order_payments::cli;\nfn main() { cli::main(); }");
}

#[test]
fn arrows_outwards_are_refused() {
    for (file, text) in [
        ("src/domain/order.rs", "use crate::ports::clock::Clock;"),
        ("src/ports/clock.rs", "use crate::application::relay_outbox::RelayOutbox;"),
        ("src/application/process_payment.rs", "use crate::adapters::stripe::gateway::StripeGateway;"),
        ("src/adapters/stripe/gateway.rs", "use crate::application::process_payment::ProcessPayment;"),
        ("src/adapters/stripe/gateway.rs", "use crate::config::Settings;"),
        ("src/config.rs", "use crate::app::App;"),
        ("src/app.rs", "use crate::cli::Arguments;"),
        ("src/main.rs", "use order_payments::adapters::kafka;"),
    ] {
        assert_refused(file, text, "arrow");
    }
}

#[test]
fn an_adapter_knows_no_other_adapters_insides() {
    assert_refused("src/adapters/stripe/gateway.rs", "use crate::adapters::simulator::ledger::Ledger;", "arrow");
    assert_refused("src/adapters/stripe/gateway.rs", "use crate::adapters::memory::clock::ManualClock;", "arrow");
    assert_refused("src/adapters/postgres/outbox.rs", "use crate::adapters::sqlite::outbox::SqliteOutbox;", "arrow");
    assert_refused("src/adapters/wire/outcome.rs", "use crate::adapters::kafka::client::Client;", "arrow");
    assert_refused(
        "src/adapters/sqlite_two/mod.rs",
        "use crate::adapters::sql_two::Row;\nuse serde::Serialize;",
        "outside crate",
    );
}

#[test]
fn an_arrow_is_found_wherever_it_is_written() {
    for text in [
        "fn now() { crate::ports::clock::now(); }",
        "struct Late(crate::ports::clock::Instant);",
        "fn late(_: &dyn crate::ports::clock::Clock) {}",
        "fn now() { println!(\"{}\", [crate::ports::clock::now()].len()); }",
        "#[derive(crate::ports::Derive)] struct Late;",
        "impl crate::ports::clock::Clock for Late {}",
        "use crate::{domain::order::Order, ports::clock::Clock};",
        "use crate::ports::clock as now;",
        "mod inside { fn now() { let _ = crate::ports::clock::NOW; } }",
    ] {
        assert_refused("src/domain/order.rs", text, "arrow");
    }
}

#[test]
fn a_crate_stays_in_the_folder_of_its_technology() {
    for (krate, home, elsewhere) in [
        ("sqlx", "src/adapters/postgres/outbox.rs", "src/adapters/memory/outbox.rs"),
        ("sqlx", "src/adapters/sql/rows.rs", "src/application/relay_outbox.rs"),
        ("reqwest", "src/adapters/stripe/gateway.rs", "src/adapters/simulator/server.rs"),
        ("rdkafka", "src/adapters/kafka/consumer.rs", "src/app.rs"),
        ("axum", "src/adapters/simulator/server.rs", "src/adapters/stripe/gateway.rs"),
        ("axum", "src/adapters/http/health.rs", "src/cli/run.rs"),
        ("tokio", "src/application/process_payment.rs", "src/ports/clock.rs"),
        ("serde", "src/adapters/wire/request.rs", "src/domain/order.rs"),
        ("tracing", "src/application/process_payment.rs", "src/domain/order.rs"),
    ] {
        assert_lawful(home, &format!("use {krate}::Thing;"));
        assert_refused(elsewhere, &format!("use {krate}::Thing;"), "outside crate");
        assert_refused(elsewhere, &format!("fn thing() {{ {krate}::thing(); }}"), "outside crate");
    }
}

#[test]
fn a_name_that_hides_a_crate_is_not_the_crate() {
    assert_lawful("src/application/relay_outbox.rs", "use tokio::time;\nfn wait() { time::sleep(); }");
    assert_refused("src/main.rs", "fn wait() { time::sleep(); }", "outside crate");
}

#[test]
fn a_module_may_pass_on_what_its_children_make() {
    assert_lawful("src/adapters/kafka/mod.rs", "mod consumer;\npub use consumer::Consumer;");
    assert_lawful("src/adapters/stripe/mod.rs", "mod axum;\npub use axum::Wheel;");
    assert_refused("src/adapters/stripe/mod.rs", "pub use axum::Wheel;", "outside crate");
    assert_refused("src/adapters/kafka/mod.rs", "mod consumer;\npub use consumer::*;", "glob");
}

#[test]
fn tests_may_use_what_they_test_with() {
    let text =
        "#[cfg(test)]\nmod tests {\n use super::*;\n use proptest::prelude::*;\n use crate::ports::clock::Clock;\n}";
    assert_lawful("src/domain/order.rs", text);
    assert_refused("src/domain/order.rs", &text.replace("#[cfg(test)]", ""), "outside crate");
    assert_refused("src/domain/order.rs", "#[cfg(test)]\nmod tests { use super::super::money::Money; }", "super");
}

#[test]
fn a_test_file_is_known_by_its_declaration() {
    let parent = Source::parse("src/domain/order.rs", "#[cfg(test)]\nmod tests;", &[]).expect("samples are Rust");
    assert_eq!(parent.test_modules, ["src/domain/order/tests"]);
    let test = Source::parse("src/domain/order/tests.rs", "", &[]).expect("samples are Rust");
    assert!(test.is_module("src/domain/order/tests"));
    assert!(!test.is_module("src/domain/order/test"));
    let parent = Source::parse("src/domain/mod.rs", "mod tests;", &[]).expect("samples are Rust");
    assert!(parent.test_modules.is_empty());
}

#[test]
fn imports_are_written_from_the_crate_without_globs() {
    assert_lawful("src/domain/order.rs", "use crate::domain::money::Money;\npub(super) fn total() {}");
    assert_refused("src/domain/order.rs", "use super::money::Money;", "super");
    assert_refused("src/domain/order.rs", "fn total() { super::money::total(); }", "super");
    assert_refused("src/domain/order.rs", "use super::*;", "super");
    assert_refused("src/domain/order.rs", "use crate::domain::money::*;", "glob");
}

#[test]
fn the_outside_world_is_read_at_the_edge_only() {
    assert_lawful("src/config.rs", "fn read() { std::env::vars(); std::fs::read(\"x\"); }");
    assert_lawful("src/adapters/system/mod.rs", "use std::time::{SystemTime, UNIX_EPOCH};");
    assert_lawful("src/config/http.rs", "use std::net::SocketAddr;");
    for (file, text) in [
        ("src/app.rs", "fn read() { std::env::var(\"HOME\"); }"),
        ("src/adapters/kafka/client.rs", "use std::env;"),
        ("src/application/relay_outbox.rs", "use std::fs::File;"),
        ("src/domain/timestamp.rs", "use std::time::{Duration, SystemTime};"),
        ("src/application/relay_outbox.rs", "use tokio::net::TcpStream;"),
        ("src/app.rs", "use std::net::TcpListener;"),
    ] {
        assert_refused(file, text, "reserved");
    }
}

#[test]
fn a_file_says_what_it_is_and_stays_short() {
    let silent = Source::parse("src/domain/order.rs", "struct Order;", &[]).expect("samples are Rust");
    assert_eq!(check(&silent).first().map(|violation| violation.rule), Some("opening"));
    assert_lawful("src/domain/order.rs", &"\n".repeat(390));
    assert_refused("src/domain/order.rs", &"\n".repeat(401), "file length");
    assert_lawful("src/domain/order.rs", &format!("fn long() {{{}}}", "\n".repeat(60)));
    assert_refused("src/domain/order.rs", &format!("fn long() {{{}}}", "\n".repeat(71)), "function length");
    assert_refused(
        "src/domain/order.rs",
        &format!("impl A {{ fn long() {{{}}} }}", "\n".repeat(71)),
        "function length",
    );
}

#[test]
fn a_file_outside_every_layer_is_refused() {
    assert_refused("src/helpers.rs", "", "layer");
}

#[test]
fn a_violation_says_where_and_what_to_do() {
    let found = violations("src/domain/order.rs", "\nuse crate::ports::clock::Clock;");
    let text = found.first().map(ToString::to_string).unwrap_or_default();
    assert!(
        text.starts_with("src/domain/order.rs:3: [arrow] domain may not use `crate::ports::clock::Clock`"),
        "{text}"
    );
    assert!(text.contains("turn the arrow by a port"), "{text}");
}
