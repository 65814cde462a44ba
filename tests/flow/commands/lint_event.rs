//! Events as the teams that send them check them: with the real program, and nothing else of a deployment.

use std::fs;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const GOOD: &str = r#"{"order_id":"o-1","customer_email":"canary@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_1"}"#;
const BAD: &str =
    r#"{"order_id":"o-2","customer_email":"canary@example.com","total_amount":"12.505","currency":"EUR"}"#;

/// Calls the program in this folder, with this as its standard input.
async fn lint(folder: &TempDir, line: &str, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_order-payments"))
        .arg("lint-event")
        .args(line.split_whitespace())
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    // One that does not read has said why on standard error.
    let _unread = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    assert!(!text(&output.stdout).contains("canary") && !text(&output.stderr).contains("canary"), "{output:?}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let structured = format!(r#"{{"specversion":"1.0","type":"payment-requested","id":"e","data":{BAD}}}"#);
    let whole = format!(r#"{{"specversion":"1.0","type":"payment-requested","id":"e","data":{GOOD}}}"#);
    let other = r#"{"specversion":"1.0","type":"order-shipped","id":"e","data":5}"#;
    for (name, content) in [
        ("good.json", GOOD),
        ("bad.json", BAD),
        ("structured.json", &structured),
        ("whole.json", &whole),
        ("other.json", other),
        ("lines.jsonl", &format!("{GOOD}\n\n{BAD}\r\n{other}\nno json\n")),
        ("empty.jsonl", "\n\n"),
    ] {
        fs::write(folder.path().join(name), content).expect("a file is written");
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_linted_without_any_server() {
    let folder = folder();
    for (line, input, code) in [
        ("good.json --key o-1", "", 0),
        ("-", GOOD, 0),
        ("bad.json good.json", "", 1),
        ("good.json --key o-9", "", 1),
        ("good.json --header ce_specversion=0.3", "", 1),
        ("bad.json --header ce_type=order-shipped", "", 1),
        ("good.json other.json", "", 0),
        ("good.json --header ce_type=payment-requsted", "", 1),
        ("whole.json", "", 0),
        ("whole.json --header ce_type=payment-requested --header ce_id=e-1", "", 1),
        ("whole.json --header content-type=application/cloudevents+json", "", 0),
        ("--lines lines.jsonl", "", 1),
        ("missing.json", "", 2),
        ("--lines empty.jsonl", "", 2),
        ("- -", GOOD, 2),
        ("good.json --header nonsense", "", 2),
        ("good.json --default-currency euro", "", 2),
        ("--lines lines.jsonl --key o-1", "", 2),
        ("", "", 2),
    ] {
        let output = lint(&folder, line, input).await;
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        assert_eq!(code == 2, output.stdout.is_empty(), "{line}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_every_event_is_told_with_its_place_and_its_remedy() {
    let folder = folder();
    let table = text(&lint(&folder, "--lines lines.jsonl --default-payment-method pm_2", "").await.stdout);
    for told in ["lines.jsonl:3", "/total_amount", "more decimals than", "skipped: not for this", "lines.jsonl:5"] {
        assert!(table.contains(told), "{told}: {table}");
    }
    assert!(table.contains("4 events: 1 would be taken, 2 refused, 1 skipped"), "{table}");

    let output = lint(&folder, "structured.json --json", "").await;
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let pointers: Vec<&Value> =
        said["events"][0]["problems"].as_array().expect("problems").iter().map(|problem| &problem["pointer"]).collect();
    assert_eq!(pointers, [&json!("/data/total_amount"), &json!("/data/payment_method")]);
    assert_eq!((&said["refused"], &said["events"][0]["verdict"]), (&json!(1), &json!("refused")));
    let hints: Vec<&Value> = said["hints"].as_array().expect("hints").iter().map(|hint| &hint["hint"]).collect();
    assert_eq!(hints, [&json!("no-key"), &json!("no-time"), &json!("unmarked-event")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_event_is_no_data_where_headers_tell_of_the_record() {
    let folder = folder();
    let line = "whole.json --json --header ce_type=payment-requested --header ce_id=e-1";
    let said: Value = serde_json::from_slice(&lint(&folder, line, "").await.stdout).expect("JSON");
    assert_eq!((&said["taken"], &said["refused"]), (&json!(0), &json!(1)), "{said:#}");
    let hints = said["hints"].as_array().expect("hints");
    assert!(hints.iter().any(|hint| hint["hint"] == "unmarked-event"), "{said:#}");

    let misspelt = text(&lint(&folder, "good.json --header ce_type=payment-requsted", "").await.stdout);
    assert!(misspelt.contains("1 skipped") && misspelt.contains("letter by letter"), "{misspelt}");
}
