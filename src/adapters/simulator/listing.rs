//! Lists and searches: newest first, in pages. Reads the book, changes nothing.

use std::ops::Range;

use serde::Serialize;

use crate::adapters::simulator::book::Book;
use crate::adapters::simulator::form::Form;
use crate::adapters::simulator::intent::{Intent, Refund};
use crate::adapters::simulator::refusal::Refusal;

/// Objects on a page where the caller does not say. <https://docs.stripe.com/api/pagination>
const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: i64 = 100;

/// A page as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Page<'a, T> {
    object: &'static str,
    data: Vec<&'a T>,
    has_more: bool,
    url: &'static str,
}

/// A page of a search as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct SearchPage<'a> {
    object: &'static str,
    data: Vec<&'a Intent>,
    has_more: bool,
    next_page: Option<String>,
    url: &'static str,
}

impl Book {
    /// Intents, newest first; consistent at once, as Stripe's top-level lists are.
    pub(crate) fn list(&self, form: &Form<'_>) -> Result<Page<'_, Intent>, Refusal> {
        let limit = limit(form)?;
        let window = window(form)?;
        let customer = form.get("customer");
        let end = match form.get("starting_after") {
            None => self.intents.len(),
            Some(id) => self.find(id).map_err(|_| after_nothing("payment_intent", id))?,
        };
        let wanted = |intent: &&Intent| {
            window.contains(&intent.created)
                && customer.is_none_or(|customer| intent.customer.as_deref() == Some(customer))
        };
        Ok(page(self.intents[..end].iter().rev().filter(wanted), limit, "/v1/payment_intents"))
    }

    /// Refunds, newest first, those of one intent where it is named.
    pub(crate) fn list_refunds(&self, form: &Form<'_>) -> Result<Page<'_, Refund>, Refusal> {
        let limit = limit(form)?;
        let window = window(form)?;
        let of = form.get("payment_intent");
        let end = match form.get("starting_after") {
            None => self.refunds.len(),
            Some(id) => self.find_refund(id).map_err(|_| after_nothing("refund", id))?,
        };
        let wanted =
            |refund: &&Refund| window.contains(&refund.created) && of.is_none_or(|of| refund.payment_intent == of);
        Ok(page(self.refunds[..end].iter().rev().filter(wanted), limit, "/v1/refunds"))
    }

    /// Intents of one order, newest first, among those that are at least as old as `created_until`.
    pub(crate) fn search(&self, form: &Form<'_>, created_until: i64) -> Result<SearchPage<'_>, Refusal> {
        let limit = limit(form)?;
        let query = form.get("query").ok_or_else(|| Refusal::missing_parameter("query"))?;
        let order_id = searched_order(query).ok_or_else(|| {
            let message = "The simulator understands only metadata['order_id']:'...'.".to_owned();
            Refusal::parameter("parameter_invalid", "query", message)
        })?;
        let skipped = form.integer("page")?.and_then(|page| usize::try_from(page).ok()).unwrap_or(0);
        let places = self.by_order.get(&order_id.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        let visible = places.iter().rev().map(|place| &self.intents[*place]);
        let visible = visible.filter(|intent| intent.created <= created_until).skip(skipped);
        let Page { data, has_more, .. } = page(visible, limit, "");
        let next_page = has_more.then(|| (skipped + data.len()).to_string());
        Ok(SearchPage { object: "search_result", data, has_more, next_page, url: "/v1/payment_intents/search" })
    }
}

fn page<'a, T>(mut wanted: impl Iterator<Item = &'a T>, limit: usize, url: &'static str) -> Page<'a, T> {
    let data = wanted.by_ref().take(limit).collect();
    Page { object: "list", data, has_more: wanted.next().is_some(), url }
}

/// The seconds in which what is asked for was made.
fn window(form: &Form<'_>) -> Result<Range<i64>, Refusal> {
    let from = form.integer("created[gte]")?.unwrap_or(i64::MIN);
    Ok(from..form.integer("created[lt]")?.unwrap_or(i64::MAX))
}

fn limit(form: &Form<'_>) -> Result<usize, Refusal> {
    match form.integer("limit")? {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(usize::try_from(limit).unwrap_or(DEFAULT_LIMIT)),
        Some(_) => {
            let message = "The limit is 1 to 100.".to_owned();
            Err(Refusal::parameter("parameter_invalid_integer", "limit", message))
        }
    }
}

fn after_nothing(what: &str, id: &str) -> Refusal {
    Refusal::resource_missing(400, what, id, "starting_after")
}

/// The order id in `metadata['order_id']:'…'`, with either sort of quote.
fn searched_order(query: &str) -> Option<&str> {
    let (field, value) = query.trim().split_once(':')?;
    let name = field.trim().strip_prefix("metadata[")?.strip_suffix(']')?;
    (unquoted(name)? == "order_id").then_some(())?;
    unquoted(value.trim())
}

fn unquoted(text: &str) -> Option<&str> {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('\'').or_else(|| within('"'))
}
