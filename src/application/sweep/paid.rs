//! Compares the orders that are PAID here with the gateway.

use std::collections::HashSet;

use crate::application::sweep::{Effect, Sweep, SweepError, Swept, spared};
use crate::domain::evidence::Exchanges;
use crate::domain::order::Order;
use crate::domain::payment::Payment;
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::finding_repository::FindingKind;
use crate::ports::payment_gateway::{Charge, GatewayError, Sighting};

/// Orders that are read at a time.
const PAGE: usize = 500;

impl Sweep {
    /// Compares orders that are PAID here with the gateway, but for those that were seen there already.
    pub(super) async fn compare_paid(
        &self,
        since: Timestamp,
        effect: Effect,
        confirmed: &HashSet<ProviderToken>,
        swept: &mut Swept,
        progress: &(dyn Fn(&Swept) + Send + Sync),
    ) -> Result<(), SweepError> {
        let mut after = None;
        loop {
            let page = self.store.orders.paid_since(since, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.at.clone());
            for stored in page.iter().map(|paid| &paid.stored) {
                swept.paid_orders += 1;
                let Some(payment) = &stored.payment else { continue };
                if payment.reference().is_some_and(|reference| !confirmed.contains(reference)) {
                    let confirmed = self.confirm_paid(&stored.order, payment, effect, swept).await;
                    spared(stored.order.id(), confirmed)?;
                }
            }
            progress(swept);
        }
    }

    async fn confirm_paid(
        &self,
        order: &Order,
        payment: &Payment,
        effect: Effect,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        match self.gateway.look_up(payment, &mut Exchanges::new()).await {
            Ok(Sighting::Answered(Charge::Approved(_))) => Ok(()),
            Ok(_) | Err(GatewayError::Contradiction { .. } | GatewayError::Rejected { .. }) => {
                let detail = "PAID here, and the gateway shows no such charge of the order's amount";
                let finding = self.finding(FindingKind::PaidNotCharged, order.id(), payment.reference(), detail);
                self.keep(finding, effect, swept).await
            }
            Err(trouble) => Err(trouble.into()),
        }
    }
}
