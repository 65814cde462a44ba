//! The journal: what became of an order, a refund or a gate, when, and what that rests on.

use comfy_table::Table;
use serde::Serialize;
use serde_json::Value;

use crate::adapters::wire::outcome::rfc3339;
use crate::cli::print;
use crate::domain::timestamp::Timestamp;
use crate::ports::order_repository::{JournalEntry, RecordedEvidence};

/// An entry as commands show it.
#[derive(Debug, Serialize)]
pub(crate) struct EntryView {
    recorded_at: String,
    subject: String,
    version: u64,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The requests that were sent to the gateway, in the words of whichever version has written them.
    exchanges: Value,
}

impl EntryView {
    pub(crate) fn of(entry: &JournalEntry) -> Self {
        Self {
            recorded_at: rfc3339(entry.recorded_at),
            subject: entry.subject.clone(),
            version: entry.version,
            state: entry.state.clone(),
            actor: entry.evidence.actor.clone(),
            note: entry.evidence.note.clone(),
            exchanges: exchanges(&entry.evidence).into(),
        }
    }
}

/// A row for each entry.
pub(crate) fn table(entries: &[JournalEntry]) -> Table {
    let mut table = print::table(&["when", "whose", "became", "by, why", "sent to the gateway"]);
    for entry in entries {
        let sent: Vec<String> = exchanges(&entry.evidence).iter().map(sentence).collect();
        table.add_row([
            to_the_millisecond(entry.recorded_at),
            shortened(&entry.subject),
            entry.state.clone(),
            who_and_why(&entry.evidence),
            sent.join("\n"),
        ]);
    }
    print::narrow(&mut table, 3);
    table
}

/// A refund's name is told by its beginning; the whole is in the table of refunds and in JSON.
pub(crate) fn shortened(subject: &str) -> String {
    match subject.split_once('/') {
        Some(("refund", name)) => format!("refund/{}…", name.chars().take(8).collect::<String>()),
        _ => subject.to_owned(),
    }
}

/// `ada: the goods came back`.
pub(crate) fn who_and_why(evidence: &RecordedEvidence) -> String {
    let both = [evidence.actor.as_deref(), evidence.note.as_deref()];
    both.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

pub(crate) fn exchanges(evidence: &RecordedEvidence) -> Vec<Value> {
    if evidence.exchanges.is_empty() {
        return Vec::new();
    }
    match serde_json::from_str(&evidence.exchanges) {
        Ok(Value::Array(exchanges)) => exchanges,
        Ok(other) => vec![other],
        Err(_) => vec![Value::from(evidence.exchanges.clone())],
    }
}

/// `charge 402 card_declined, taken for declined (req_1, 120 ms)`; what cannot be read, as it is.
pub(crate) fn sentence(exchange: &Value) -> String {
    let text = |name: &str| exchange[name].as_str();
    let Some(operation) = text("operation") else { return exchange.to_string() };
    let status = exchange["status"].as_u64().map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let code = text("code").map(|code| format!(" {code}")).unwrap_or_default();
    let class = text("class").map(|class| format!(", taken for {class}")).unwrap_or_default();
    let took = exchange["took_ms"].as_u64().map(|took| format!("{took} ms"));
    let replayed = (exchange["replayed"] == true).then(|| "replayed".to_owned());
    let aside: Vec<String> = [text("request_id").map(str::to_owned), replayed, took].into_iter().flatten().collect();
    let aside = if aside.is_empty() { String::new() } else { format!(" ({})", aside.join(", ")) };
    format!("{operation} {status}{code}{class}{aside}")
}

pub(crate) fn to_the_millisecond(moment: Timestamp) -> String {
    const MILLISECOND: i64 = 1_000;
    rfc3339(Timestamp::from_micros(moment.as_micros().div_euclid(MILLISECOND) * MILLISECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: &str, evidence: RecordedEvidence) -> JournalEntry {
        let recorded_at = Timestamp::from_micros(1_767_225_600_123_456);
        JournalEntry { subject: "payment/1".to_owned(), version: 1, recorded_at, state: state.to_owned(), evidence }
    }

    fn sent(exchanges: &str) -> RecordedEvidence {
        RecordedEvidence { exchanges: exchanges.to_owned(), ..RecordedEvidence::default() }
    }

    #[test]
    fn an_exchange_is_told_in_a_line() {
        let declined = r#"[{"operation":"charge","key":"k","digest":"d","status":402,"code":"card_declined","request_id":"req_1","replayed":true,"class":"declined","took_ms":120}]"#;
        let unanswered = r#"[{"operation":"charge","digest":"d","replayed":false,"class":"unknown","took_ms":80000}]"#;
        let told = |text| exchanges(&sent(text)).iter().map(sentence).collect::<Vec<_>>();
        assert_eq!(told(declined), ["charge 402 card_declined, taken for declined (req_1, replayed, 120 ms)"]);
        assert_eq!(told(unanswered), ["charge no answer, taken for unknown (80000 ms)"]);
        assert_eq!(told(""), Vec::<String>::new());
    }

    #[test]
    fn what_another_version_wrote_is_shown_as_it_is() {
        let told = |text| exchanges(&sent(text)).iter().map(sentence).collect::<Vec<_>>();
        assert_eq!(told(r#"[{"did":"charge"}]"#), [r#"{"did":"charge"}"#]);
        assert_eq!(told("no JSON"), [r#""no JSON""#]);
    }

    #[test]
    fn a_refund_is_told_by_the_beginning_of_its_name() {
        assert_eq!(shortened("refund/6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b"), "refund/6f0c2ab1…");
        assert_eq!(shortened("payment/12"), "payment/12");
    }

    #[test]
    fn the_table_has_a_row_for_each_entry() {
        let by_ada = RecordedEvidence {
            actor: Some("ada".to_owned()),
            note: Some("the bank says that it was charged".to_owned()),
            ..RecordedEvidence::default()
        };
        let prepared =
            sent(r#"[{"operation":"prepare","status":200,"class":"unconfirmed","request_id":"req_1","took_ms":9}]"#);
        let entries = [entry("CONFIRMING", prepared), entry("SUCCEEDED", by_ada)];
        let expected = "\
┌──────────────────────────┬───────────┬────────────┬────────────────────────────────────────┬──────────────────────────────────────────────────┐
│ when                     ┆ whose     ┆ became     ┆ by, why                                ┆ sent to the gateway                              │
╞══════════════════════════╪═══════════╪════════════╪════════════════════════════════════════╪══════════════════════════════════════════════════╡
│ 2026-01-01T00:00:00.123Z ┆ payment/1 ┆ CONFIRMING ┆                                        ┆ prepare 200, taken for unconfirmed (req_1, 9 ms) │
│ 2026-01-01T00:00:00.123Z ┆ payment/1 ┆ SUCCEEDED  ┆ ada: the bank says that it was charged ┆                                                  │
└──────────────────────────┴───────────┴────────────┴────────────────────────────────────────┴──────────────────────────────────────────────────┘";
        assert_eq!(table(&entries).to_string(), expected);
    }
}
