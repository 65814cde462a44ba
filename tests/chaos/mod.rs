//! Chaos on real processes: instances, servers and networks fail by a seeded plan while orders are paid,
//! and witnesses that are not the product's own tell what became of every order.
//!
//! ```text
//! load ─► Kafka ◄─ proxies ─► instances ─ proxies ─► PostgreSQL        plan: kill, stop, cut, restart …
//!           │                     └────── proxies ─► simulator
//!           └─► witness ─► checker ◄─ tables, ledger ─► account
//! ```
//!
//! `make test` runs the short form, `make chaos` the full one. The servers are the run's own.

mod account;
mod checker;
mod evidence;
mod form;
mod instances;
pub(crate) mod load;
mod plan;
mod planted;
mod recovery;
mod run;
pub(crate) mod servers;
mod stage;
mod witness;

use crate::chaos::form::Form;

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_lost_doubled_or_told_twice_whatever_fails() {
    let form = Form::asked_for();
    let account = run::run(&form).await;
    account.tell();
    assert!(account.is_flawless(), "see the account above");
}
