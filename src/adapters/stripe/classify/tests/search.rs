//! Searches: evidence of what they show, and of nothing else.

use serde_json::{Value, json};

use super::*;

fn searched(intents: &[Value], has_more: bool) -> String {
    let page = json!({"object": "search_result", "data": intents, "has_more": has_more});
    name(&classify(&Seen::Answered(answer(200, &page)), &Asked::Search(EXPECTED)))
}

#[test]
fn a_search_is_evidence_of_what_it_shows_and_of_nothing_else() {
    assert_eq!(searched(&[], false), "not found");
    assert_eq!(searched(&[], true), "unknown");
    assert_eq!(searched(&[intent("succeeded")], false), "approved");
    assert_eq!(searched(&[intent("requires_confirmation")], false), "unconfirmed");
    let other_case = altered("succeeded", "/metadata/order_id", "ORD_1");
    assert_eq!(searched(std::slice::from_ref(&other_case), false), "not found");
    assert_eq!(searched(&[other_case, intent("canceled")], false), "void");
    assert_eq!(searched(&[intent("canceled"), intent("canceled")], false), "unknown");
    assert_eq!(searched(&[intent("canceled"), intent("succeeded")], false), "approved");
}

#[test]
fn two_successes_of_one_order_are_a_contradiction() {
    let other_attempt = altered("succeeded", "/metadata/attempt", "2");
    assert_eq!(searched(&[intent("succeeded"), intent("succeeded")], false), "quarantine");
    assert_eq!(searched(&[intent("succeeded"), other_attempt.clone()], false), "quarantine");
    assert_eq!(searched(&[other_attempt, intent("canceled")], false), "quarantine");
}
