//! The demo's accounts: every record has an end, and what every witness says agrees.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// What became of every record, counted by independent witnesses: the sender, the store, the two
/// topics and the gateway's own ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Accounts {
    /// Records that were sent.
    pub(crate) requested: u64,
    /// Distinct orders in the store.
    pub(crate) orders: u64,
    /// Orders with a `payment-paid` event on the topic.
    pub(crate) paid: u64,
    /// Orders with a `payment-failed` event on the topic.
    pub(crate) failed: u64,
    /// The failed ones, by the reason in their event.
    pub(crate) failed_by_reason: BTreeMap<String, u64>,
    /// Requests that were answered from the store.
    pub(crate) duplicates: u64,
    /// Records on the dead-letter topic.
    pub(crate) dead_lettered: u64,
    /// The dead letters, by the reason in their header.
    pub(crate) dead_lettered_by_reason: BTreeMap<String, u64>,
    /// Successful charges in the gateway's ledger.
    pub(crate) gateway_charges: u64,
    /// Records on the outcome topic.
    pub(crate) outcomes: u64,
    /// Orders that the gateway charged more than once.
    pub(crate) double_charges: u64,
    /// From the first record sent to the last outcome read.
    pub(crate) elapsed_ms: u64,
    /// PAID orders in the store.
    #[serde(skip)]
    pub(crate) stored_paid: u64,
    /// FAILED orders in the store.
    #[serde(skip)]
    pub(crate) stored_failed: u64,
}

impl Accounts {
    /// What does not balance, each as a sentence. Empty where all is well.
    pub(crate) fn imbalances(&self) -> Vec<String> {
        let equal = [
            ("records sent", self.requested, "orders + duplicates + dead letters", self.accounted_for()),
            ("orders", self.orders, "paid + failed", self.paid + self.failed),
            ("orders", self.orders, "records on the outcome topic", self.outcomes),
            ("paid events", self.paid, "orders PAID in the store", self.stored_paid),
            ("failed events", self.failed, "orders FAILED in the store", self.stored_failed),
            ("paid events", self.paid, "charges at the gateway", self.gateway_charges),
            ("orders charged twice", self.double_charges, "none", 0),
        ];
        let differing = equal.into_iter().filter(|(_, left, _, right)| left != right);
        differing.map(|(what, left, other, right)| format!("{what} ({left}) should equal {other} ({right})")).collect()
    }

    fn accounted_for(&self) -> u64 {
        self.orders + self.duplicates + self.dead_lettered
    }

    /// The accounts as a table for people.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        let mut row = |name: &str, count: u64| {
            table.add_row([name.to_owned(), count.to_string()]);
        };
        row("records requested", self.requested);
        row("├ distinct orders", self.orders);
        row("│ ├ paid", self.paid);
        row("│ └ failed", self.failed);
        self.failed_by_reason.iter().for_each(|(reason, count)| row(&format!("│    · {reason}"), *count));
        row("├ duplicates answered from the store", self.duplicates);
        row("└ dead-lettered", self.dead_lettered);
        self.dead_lettered_by_reason.iter().for_each(|(reason, count)| row(&format!("     · {reason}"), *count));
        row("charges at the gateway", self.gateway_charges);
        row("outcomes on the topic", self.outcomes);
        row("double charges", self.double_charges);
        table.column_mut(1).into_iter().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced() -> Accounts {
        Accounts {
            requested: 16,
            orders: 10,
            paid: 9,
            failed: 1,
            duplicates: 4,
            dead_lettered: 2,
            gateway_charges: 9,
            outcomes: 10,
            stored_paid: 9,
            stored_failed: 1,
            ..Accounts::default()
        }
    }

    #[test]
    fn balanced_accounts_have_no_imbalance() {
        assert_eq!(balanced().imbalances(), Vec::<String>::new());
    }

    #[test]
    fn every_loss_and_every_double_is_seen() {
        let faults: [fn(&mut Accounts); 7] = [
            |accounts| accounts.requested += 1,
            |accounts| accounts.outcomes += 1,
            |accounts| accounts.outcomes -= 1,
            |accounts| accounts.gateway_charges += 1,
            |accounts| accounts.double_charges += 1,
            |accounts| accounts.stored_paid -= 1,
            |accounts| accounts.dead_lettered -= 1,
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            let mut accounts = balanced();
            fault(&mut accounts);
            assert!(!accounts.imbalances().is_empty(), "fault {number} went unseen");
        }
    }
}
