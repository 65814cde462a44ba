//! What is sent: addresses, and which requests carry a key.

use bytes::Bytes;
use reqwest::header::HeaderValue;
use url::Url;
use uuid::Uuid;

use crate::adapters::stripe::client::Call;
use crate::adapters::stripe::wire;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::request::ProviderToken;
use crate::ports::payment_gateway::{GatewayError, Window};

/// The most objects that Stripe puts on a page. <https://docs.stripe.com/api/pagination>
const PAGE: &str = "100";

/// The reference, if it may stand in an address.
pub(super) fn plain(reference: &ProviderToken) -> Result<ProviderToken, GatewayError> {
    let detail = || "the stored reference is no name of Stripe's".to_owned();
    wire::object_id(reference.as_str()).ok_or_else(|| GatewayError::Contradiction { detail: detail() })
}

/// Acts once, under this key.
pub(super) fn keyed(url: Url, key: &IdempotencyKey, form: String) -> Result<Call, GatewayError> {
    let unfit = |_| GatewayError::Contradiction { detail: "the idempotency key cannot be sent".to_owned() };
    Ok(Call::Post { url, key: HeaderValue::from_str(key.as_str()).map_err(unfit)?, form: Bytes::from(form) })
}

/// Acts with every call: only for what is the same however often it is done. The key is the call's own, so
/// that an answer which Stripe keeps under it, a 500 included, is met by the tries of this call alone.
pub(super) fn anew(url: Url) -> Call {
    let key = HeaderValue::from_str(&Uuid::new_v4().to_string()).expect("hexadecimal digits and hyphens");
    Call::Post { url, key, form: Bytes::new() }
}

/// An order id holds neither quotes nor backslashes, so quoting it is enough.
pub(super) fn search(intents: &Url, order_id: &str) -> Call {
    let mut url = below(intents, &["search"]);
    url.query_pairs_mut()
        .append_pair("query", &format!("metadata['order_id']:'{order_id}'"))
        .append_pair("limit", PAGE);
    Call::Get(url)
}

/// The refunds of a charge, after that one.
pub(super) fn refunds_of(
    refunds: &Url,
    reference: &ProviderToken,
    after: Option<&ProviderToken>,
) -> Result<Call, GatewayError> {
    let mut url = refunds.clone();
    url.query_pairs_mut()
        .append_pair("payment_intent", plain(reference)?.as_str())
        .append_pair("limit", PAGE)
        .extend_pairs(after.map(|after| ("starting_after", after.as_str())));
    Ok(Call::Get(url))
}

/// The intents or refunds of a window, after that one. Stripe counts in whole seconds: one that lies in the
/// window by a part is asked for.
pub(super) fn list(objects: &Url, window: Window, after: Option<&ProviderToken>) -> Result<Call, GatewayError> {
    const SECOND: i64 = 1_000_000;
    let after = after.map(plain).transpose()?;
    let from = window.from.map(|from| from.as_micros().div_euclid(SECOND).to_string());
    let to = window.to.map(|to| to.as_micros().saturating_add(SECOND - 1).div_euclid(SECOND).to_string());
    let mut url = objects.clone();
    url.query_pairs_mut()
        .extend_pairs(from.map(|from| ("created[gte]", from)))
        .extend_pairs(to.map(|to| ("created[lt]", to)))
        .append_pair("limit", PAGE)
        .extend_pairs(after.as_ref().map(|after| ("starting_after", after.as_str())));
    Ok(Call::Get(url))
}

pub(super) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(segments);
    url
}

/// The mode that the key's own prefix tells. <https://docs.stripe.com/keys>
pub(super) fn livemode_of(key: &str) -> Option<bool> {
    match key {
        _ if key.starts_with("sk_live_") || key.starts_with("rk_live_") => Some(true),
        _ if key.starts_with("sk_test_") || key.starts_with("rk_test_") => Some(false),
        _ => None,
    }
}
