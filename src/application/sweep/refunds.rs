//! Compares the gateway's refunds with those here: money that goes back is asked for here, or a person learns of it.
//!
//! The other direction needs no list: each refund here is looked at for as long as it may bounce.

use std::collections::HashMap;

use crate::application::sweep::{Effect, Sweep, SweepError, Swept};
use crate::domain::order::OrderId;
use crate::domain::refund::{Refund, RefundId, RefundState};
use crate::domain::request::ProviderToken;
use crate::ports::finding_repository::FindingKind;
use crate::ports::payment_gateway::{ListedRefund, Window};

impl Sweep {
    /// Compares every refund of the window; `charged` says whose order the charges of the window pay.
    pub(super) async fn compare_refunds(
        &self,
        window: Window,
        charged: &HashMap<ProviderToken, OrderId>,
        effect: Effect,
        swept: &mut Swept,
        progress: &(dyn Fn(&Swept) + Send + Sync),
    ) -> Result<(), SweepError> {
        let mut after = None;
        loop {
            let page = self.gateway.refunds(window, after.as_ref()).await?;
            for listed in &page.refunds {
                swept.refunds += 1;
                let charged = charged.get(&listed.charge);
                match listed.refund_id {
                    Some(id) => self.compare_own(id, listed, charged, effect, swept).await?,
                    None => self.compare_foreign(listed, charged, effect, swept).await?,
                }
            }
            progress(swept);
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Compares a refund there that has a name of ours with the one of that name here.
    async fn compare_own(
        &self,
        id: RefundId,
        listed: &ListedRefund,
        charged: Option<&OrderId>,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        let Some(refund) = self.store.refunds.refund(id).await? else {
            let detail = format!("refund {id} of {} is not known here", listed.charge);
            return self.refund_differs(listed, charged.or(listed.order_id.as_ref()), &detail, effect, swept).await;
        };
        if let Some(difference) = difference(&refund, listed) {
            return self.refund_differs(listed, Some(&refund.order_id), &difference, effect, swept).await;
        }
        if listed.has_failed && !has_failed(&refund) {
            swept.looked_at += 1;
            if effect == Effect::Repair {
                self.store.refunds.hasten_refund(id, self.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// A refund that someone else has made, past this service: of a charge of ours, a person has to know of it.
    async fn compare_foreign(
        &self,
        listed: &ListedRefund,
        charged: Option<&OrderId>,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        if listed.has_failed && charged.is_some() {
            return Ok(()); // The money is where it was.
        }
        let detail = format!("{} is given back by a refund that was not asked for here", listed.charge);
        self.refund_differs(listed, charged, &detail, effect, swept).await
    }

    /// A finding about a refund: named by itself, as one charge can have several that differ.
    async fn refund_differs(
        &self,
        listed: &ListedRefund,
        order_id: Option<&OrderId>,
        detail: &str,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        let Some(order_id) = order_id else {
            swept.unclaimed_refunds += 1;
            return Ok(());
        };
        if self.store.orders.find(order_id).await?.is_some_and(|stored| stored.is_pruned()) {
            return Ok(()); // So are its refunds.
        }
        let detail = match listed.amount {
            Some(amount) => format!("{detail} ({amount})"),
            None => detail.to_owned(),
        };
        let finding = self.finding(FindingKind::RefundDiffers, order_id, Some(&listed.name), &detail);
        self.keep(finding, effect, swept).await
    }
}

/// What contradicts the refund here, in a sentence.
fn difference(refund: &Refund, listed: &ListedRefund) -> Option<String> {
    let Refund { id, reference, amount, .. } = refund;
    if *reference != listed.charge {
        return Some(format!("refund {id} gives {} back there, and {reference} here", listed.charge));
    }
    if listed.amount != Some(*amount) {
        return Some(format!("refund {id} of {reference} gives another amount back there than {amount}"));
    }
    // Where it is the very refund that was seen to fail, the list was read before it did.
    let went_through = matches!(&refund.state, RefundState::Failed { name, .. } if name.as_ref() != Some(&listed.name));
    (went_through && !listed.has_failed).then(|| format!("refund {id} of {reference} has FAILED here, and not there"))
}

fn has_failed(refund: &Refund) -> bool {
    matches!(refund.state, RefundState::Failed { .. })
}
