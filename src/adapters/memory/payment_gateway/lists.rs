//! Pages of the provider's lists: our charges, and everybody's refunds.

use rust_decimal::Decimal;
use url::form_urlencoded::Serializer;

use crate::adapters::memory::payment_gateway::views::{IntentView, PageView, RefundView, token};
use crate::adapters::memory::payment_gateway::{PAGE, SimulatedGateway};
use crate::adapters::simulator::intent::{RefundStatus, Status};
use crate::domain::attempt::Attempt;
use crate::domain::evidence::Exchanges;
use crate::domain::money::{Currency, Money};
use crate::domain::request::ProviderToken;
use crate::domain::timestamp::Timestamp;
use crate::ports::payment_gateway::{
    GatewayError, ListedCharge, ListedPage, ListedRefund, ListedStanding, RefundPage, Window,
};

const SECOND: i64 = 1_000_000;

impl SimulatedGateway {
    pub(super) fn charges_now(
        &self,
        window: Window,
        after: Option<&ProviderToken>,
    ) -> Result<ListedPage, GatewayError> {
        let mut unread = Exchanges::new();
        let mut talk = self.talk("charges", &mut unread);
        let page = talk.get::<PageView<IntentView>>("/v1/payment_intents", &query(window, after))?;
        let next = page.next().map(|last| token(&last)).transpose()?;
        let charges = page.data.iter().filter_map(|intent| charge(intent).transpose()).collect::<Result<_, _>>()?;
        Ok(ListedPage { charges, next })
    }

    pub(super) fn refunds_now(
        &self,
        window: Window,
        after: Option<&ProviderToken>,
    ) -> Result<RefundPage, GatewayError> {
        let mut unread = Exchanges::new();
        let mut talk = self.talk("refunds", &mut unread);
        let page = talk.get::<PageView<RefundView>>("/v1/refunds", &query(window, after))?;
        let next = page.next().map(|last| token(&last)).transpose()?;
        let refunds = page.data.iter().map(refund).collect::<Result<_, _>>()?;
        Ok(RefundPage { refunds, next })
    }
}

/// The provider counts in whole seconds: a second that lies in the window by a part is asked for.
fn query(window: Window, after: Option<&ProviderToken>) -> String {
    let mut query = Serializer::new(String::new());
    if let Some(from) = window.from {
        query.append_pair("created[gte]", &from.as_micros().div_euclid(SECOND).to_string());
    }
    if let Some(to) = window.to {
        query.append_pair("created[lt]", &(-(-to.as_micros()).div_euclid(SECOND)).to_string());
    }
    query.append_pair("limit", PAGE);
    if let Some(after) = after {
        query.append_pair("starting_after", after.as_str());
    }
    query.finish()
}

/// The intent as a list of ours shows it, where it is one of ours.
fn charge(intent: &IntentView) -> Result<Option<ListedCharge>, GatewayError> {
    let order_id = intent.metadata.order_id.as_deref().and_then(|id| id.parse().ok());
    let number = intent.metadata.attempt.as_deref().and_then(|number| number.parse().ok());
    let (Some(order_id), Some(attempt)) = (order_id, number.and_then(Attempt::numbered)) else { return Ok(None) };
    let standing = match intent.status {
        Status::Succeeded => ListedStanding::Succeeded(money(intent.amount_received, &intent.currency)),
        Status::Processing => ListedStanding::Pending,
        Status::Canceled => ListedStanding::Canceled,
        Status::RequiresPaymentMethod
        | Status::RequiresConfirmation
        | Status::RequiresAction
        | Status::RequiresCapture => ListedStanding::Open,
    };
    Ok(Some(ListedCharge {
        reference: token(&intent.id)?,
        order_id,
        attempt,
        made_at: made_at(intent.created),
        amount: money(intent.amount, &intent.currency),
        standing,
    }))
}

fn refund(refund: &RefundView) -> Result<ListedRefund, GatewayError> {
    Ok(ListedRefund {
        name: token(&refund.id)?,
        charge: token(&refund.payment_intent)?,
        refund_id: refund.metadata.refund_id.as_deref().and_then(|id| id.parse().ok()),
        order_id: refund.metadata.order_id.as_deref().and_then(|id| id.parse().ok()),
        amount: money(refund.amount, &refund.currency),
        has_failed: refund.status == RefundStatus::Failed,
        made_at: made_at(refund.created),
    })
}

/// What the provider counts in minor units; `None` where that is no amount of ours.
fn money(units: u64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    Money::new(Decimal::try_from_i128_with_scale(units.into(), currency.decimals()).ok()?, currency).ok()
}

fn made_at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(SECOND))
}
