//! The sums of a replay: what was foreseen, what has come of it, and how much money that is about.

use std::collections::BTreeMap;

use anyhow::Context;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::adapters::wire::rejection::RejectionReason;
use crate::application::replay::Told;
use crate::application::replay::verdict::{Deed, Verdict};
use crate::cli::print;
use crate::cli::replay::report::Line;

/// Sums by verdict.
#[derive(Debug, Default)]
pub(super) struct Tally {
    by_verdict: BTreeMap<Verdict, Sum>,
    by_deed: BTreeMap<(Verdict, Deed), u64>,
    /// Records that were told.
    pub(super) records: u64,
    /// Records that are to be tried again.
    pub(super) not_now: u64,
    /// Records of which something else came than was foreseen.
    pub(super) otherwise: u64,
    /// Records of which a person should look at what came.
    pub(super) to_look_at: u64,
}

#[derive(Debug, Default)]
struct Sum {
    records: u64,
    amounts: BTreeMap<String, Decimal>,
}

#[derive(Debug, Serialize)]
struct SumView {
    records: u64,
    amounts: BTreeMap<String, String>,
    would: &'static str,
}

/// The sums as JSON.
#[derive(Debug, Serialize)]
pub(super) struct TallyView {
    records: u64,
    foreseen: BTreeMap<&'static str, SumView>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    results: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise_than_foreseen: Option<u64>,
}

impl Tally {
    /// Counts a record.
    pub(super) fn add(&mut self, told: &Told) {
        let amount = told.order.as_ref().map(|(_, amount)| (amount.currency().code(), amount.amount()));
        self.count(told.foreseen.verdict, told.deed, amount);
    }

    /// Counts a record that an earlier run has told.
    ///
    /// # Errors
    /// Where this version does not know what it says.
    pub(super) fn add_line(&mut self, line: &Line) -> anyhow::Result<()> {
        let reasons = RejectionReason::ALL.map(RejectionReason::as_str);
        let read = Verdict::of(&line.foreseen, &reasons).zip(Deed::of(&line.result, &reasons));
        let (verdict, deed) = read.with_context(|| {
            format!("this version does not know {:?} or {:?}, which the report tells", line.foreseen, line.result)
        })?;
        let amount = line.amount.as_deref().map(str::parse).transpose().context("the report tells an amount")?;
        self.count(verdict, deed, line.currency.as_deref().zip(amount));
        Ok(())
    }

    fn count(&mut self, verdict: Verdict, deed: Deed, amount: Option<(&str, Decimal)>) {
        let sum = self.by_verdict.entry(verdict).or_default();
        sum.records += 1;
        if let Some((currency, amount)) = amount {
            let total = sum.amounts.entry(currency.to_owned()).or_default();
            *total = total.checked_add(amount).unwrap_or(Decimal::MAX);
        }
        *self.by_deed.entry((verdict, deed)).or_default() += 1;
        self.records += 1;
        self.not_now += u64::from(deed == Deed::NotNow);
        self.otherwise += u64::from(deed != Deed::NotNow && !deed.is_as(verdict));
        self.to_look_at += u64::from(deed.needs_a_look());
    }

    /// Whether all is done, and nobody needs to look at anything.
    pub(super) const fn is_well(&self) -> bool {
        self.not_now == 0 && self.otherwise == 0 && self.to_look_at == 0
    }

    /// How many records of orders that may still get an outcome there are.
    pub(super) fn open(&self) -> u64 {
        self.sum_of(Verdict::is_open)
    }

    /// How many records of settled orders there are.
    pub(super) fn settled(&self) -> u64 {
        self.sum_of(Verdict::is_settled)
    }

    /// How many records could move money.
    pub(super) fn may_charge(&self) -> u64 {
        self.sum_of(Verdict::may_charge)
    }

    fn sum_of(&self, is_meant: impl Fn(Verdict) -> bool) -> u64 {
        self.by_verdict.iter().filter(|(verdict, _)| is_meant(**verdict)).map(|(_, sum)| sum.records).sum()
    }

    /// What could be charged at the most, by currency.
    pub(super) fn at_stake(&self) -> String {
        let mut at_stake: BTreeMap<&str, Decimal> = BTreeMap::new();
        for (_, sum) in self.by_verdict.iter().filter(|(verdict, _)| verdict.may_charge()) {
            for (currency, amount) in &sum.amounts {
                let total = at_stake.entry(currency).or_default();
                *total = total.checked_add(*amount).unwrap_or(Decimal::MAX);
            }
        }
        amounts(at_stake.iter().map(|(currency, amount)| (*currency, amount)))
    }

    /// What was foreseen, as a table.
    pub(super) fn plan(&self) -> String {
        let mut table = print::table(&["foreseen", "records", "amounts", "by process"]);
        for (verdict, sum) in &self.by_verdict {
            table.add_row([
                verdict.to_string(),
                sum.records.to_string(),
                amounts(sum.amounts.iter().map(|(currency, amount)| (currency.as_str(), amount))),
                verdict.would().to_owned(),
            ]);
        }
        format!("{table}\n{} records", self.records)
    }

    /// What was foreseen beside what has come of it, as a table.
    pub(super) fn results(&self) -> String {
        let mut table = print::table(&["foreseen", "result", "records"]);
        for ((verdict, deed), records) in &self.by_deed {
            table.add_row([verdict.to_string(), deed.to_string(), records.to_string()]);
        }
        let retry = match self.not_now {
            0 => String::new(),
            count => format!(", {count} to be tried again"),
        };
        format!("{table}\n{} records, {} otherwise than foreseen{retry}", self.records, self.otherwise)
    }

    /// The sums as JSON, with results where something was to be done.
    pub(super) fn view(&self, with_results: bool) -> TallyView {
        let sum = |(verdict, sum): (&Verdict, &Sum)| {
            let amounts = sum.amounts.iter().map(|(currency, amount)| (currency.clone(), amount.to_string())).collect();
            (verdict.as_str(), SumView { records: sum.records, amounts, would: verdict.would() })
        };
        let mut results = BTreeMap::new();
        if with_results {
            for ((_, deed), records) in &self.by_deed {
                *results.entry(deed.as_str()).or_default() += records;
            }
        }
        TallyView {
            records: self.records,
            foreseen: self.by_verdict.iter().map(sum).collect(),
            results,
            otherwise_than_foreseen: with_results.then_some(self.otherwise),
        }
    }

    /// The results in a line, for the journal.
    pub(super) fn noted(&self) -> String {
        let TallyView { results, .. } = self.view(true);
        let counts: Vec<_> = results.iter().map(|(deed, records)| format!("{deed} {records}")).collect();
        format!("{} records: {}; {} otherwise than foreseen", self.records, counts.join(", "), self.otherwise)
    }
}

fn amounts<'a>(amounts: impl Iterator<Item = (&'a str, &'a Decimal)>) -> String {
    amounts.map(|(currency, amount)| format!("{amount} {currency}")).collect::<Vec<_>>().join(", ")
}
