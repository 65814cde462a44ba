//! What Stripe's decline and error codes mean for an order, in sentences of our own: the provider's
//! texts may name a person, a card or a key, and are never repeated.
//! <https://docs.stripe.com/declines/codes>, <https://docs.stripe.com/error-codes>

use crate::domain::outcome::{FailureCategory, FailureReason};

/// Refused for good: a further try is fruitless, and card networks fine those who keep trying.
const HARD: [(&str, &str); 33] = [
    ("lost_card", "the bank refused the card for good"),
    ("stolen_card", "the bank refused the card for good"),
    ("pickup_card", "the bank refused the card for good"),
    ("restricted_card", "the bank refused the card for good"),
    ("fraudulent", "the payment was refused for good"),
    ("merchant_blacklist", "the payment was refused for good"),
    ("expired_card", "the card has expired"),
    ("incorrect_number", "the card number is wrong"),
    ("invalid_number", "the card number is wrong"),
    ("invalid_expiry_month", "the card's expiry date is wrong"),
    ("invalid_expiry_year", "the card's expiry date is wrong"),
    ("invalid_account", "the card's account does not exist or is closed"),
    ("card_not_supported", "the card cannot be used for this kind of purchase"),
    ("currency_not_supported", "the card cannot be charged in this currency"),
    ("not_permitted", "the bank does not permit this payment"),
    ("transaction_not_allowed", "the bank does not permit this payment"),
    ("service_not_allowed", "the bank does not permit this payment"),
    ("security_violation", "the bank refused the card for good"),
    ("revocation_of_authorization", "the customer has told the bank not to pay"),
    ("revocation_of_all_authorizations", "the customer has told the bank not to pay"),
    ("stop_payment_order", "the customer has told the bank not to pay"),
    ("do_not_try_again", "the bank refused the card for good"),
    ("pin_try_exceeded", "the card's PIN was entered wrongly too often"),
    ("testmode_decline", "a test card cannot pay for a real order"),
    ("incorrect_cvc", "the card's security code is wrong"),
    ("invalid_cvc", "the card's security code is wrong"),
    ("incorrect_zip", "the postal code does not belong to the card"),
    ("incorrect_address", "the address does not belong to the card"),
    ("incorrect_pin", "the card's PIN is wrong"),
    ("invalid_pin", "the card's PIN is wrong"),
    ("invalid_amount", "the bank does not permit this amount"),
    ("new_account_information_available", "the card has been replaced by another"),
    ("confirm_card_data", "the card's details are wrong"),
];

/// Refused this time.
const SOFT: [(&str, &str); 15] = [
    ("card_declined", "the bank declined the payment"),
    ("insufficient_funds", "the account does not hold enough money"),
    ("generic_decline", "the bank declined the payment"),
    ("do_not_honor", "the bank declined the payment"),
    ("call_issuer", "the bank declined the payment and asks the customer to call"),
    ("no_action_taken", "the bank declined the payment"),
    ("card_velocity_exceeded", "the card's limit is reached"),
    ("withdrawal_count_limit_exceeded", "the card's limit is reached"),
    ("issuer_not_available", "the bank could not be reached"),
    ("processing_error", "the bank could not process the payment"),
    ("reenter_transaction", "the bank could not process the payment"),
    ("try_again_later", "the bank declined the payment for now"),
    ("approve_with_id", "the bank declined the payment for now"),
    ("card_decline_rate_limit_exceeded", "the card was declined too often and rests for a day"),
    ("transaction_exceeds_limit", "the card's limit is reached"),
];

/// The customer has to confirm in person, and is not here.
const AUTHENTICATION: [(&str, &str); 5] = [
    ("authentication_required", "the bank wants the customer to confirm the payment"),
    ("authentication_not_handled", "the bank wants the customer to confirm the payment"),
    ("payment_intent_authentication_failure", "the customer did not confirm the payment"),
    ("payment_intent_action_required", "the bank wants the customer to confirm the payment"),
    ("offline_pin_required", "the bank wants the customer to confirm the payment"),
];

/// The decline whose documented remedy is to look for a payment that was already made.
pub(crate) const DUPLICATE: &str = "duplicate_transaction";

/// What a decline means; `None` where neither its code nor the bank's advice is known to us.
pub(crate) fn decline(code: &str, advice: Option<&str>) -> Option<FailureReason> {
    let known = || meaning(code).map(|(_, sentence)| sentence);
    match (meaning(code), advice) {
        (_, Some("do_not_try_again")) => {
            Some(reason(code, FailureCategory::HardDecline, known().unwrap_or("the bank refused the card for good")))
        }
        (Some((category, sentence)), _) => Some(reason(code, category, sentence)),
        (None, Some("try_again_later")) => {
            Some(reason(code, FailureCategory::SoftDecline, "the bank declined the payment for now"))
        }
        (None, Some("confirm_card_data")) => {
            Some(reason(code, FailureCategory::HardDecline, "the card's details are wrong"))
        }
        (None, _) => None,
    }
}

/// A decline by a code that we do not know, of an intent that is seen to be uncharged.
pub(crate) fn unknown_decline(code: &str) -> FailureReason {
    reason(code, FailureCategory::SoftDecline, "the payment was declined")
}

/// A reason of ours, with the provider's code where that is fit to be published.
pub(crate) fn reason(code: &str, category: FailureCategory, sentence: &str) -> FailureReason {
    FailureReason { code: published(code), category, message: sentence.to_owned() }
}

/// Codes are an open set: one that is no plain short word is not passed on.
pub(crate) fn published(code: &str) -> String {
    const MAX_LENGTH: usize = 64;
    let plain = (1..=MAX_LENGTH).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { code.to_owned() } else { "unrecognised".to_owned() }
}

fn meaning(code: &str) -> Option<(FailureCategory, &'static str)> {
    let tables: [(&[(&str, &'static str)], FailureCategory); 3] = [
        (&HARD, FailureCategory::HardDecline),
        (&SOFT, FailureCategory::SoftDecline),
        (&AUTHENTICATION, FailureCategory::AuthenticationRequired),
    ];
    tables.into_iter().find_map(|(table, category)| {
        table.iter().find(|(known, _)| *known == code).map(|(_, sentence)| (category, *sentence))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_code_has_two_meanings() {
        let codes: Vec<_> = HARD.iter().chain(&SOFT).chain(&AUTHENTICATION).map(|(code, _)| *code).collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        assert!(!codes.contains(&DUPLICATE), "a duplicate is never a decline");
    }

    #[test]
    fn the_banks_advice_against_a_further_try_is_heeded() {
        let advised = decline("insufficient_funds", Some("do_not_try_again")).expect("a decline");
        assert_eq!(advised.category, FailureCategory::HardDecline);
        let plain = decline("insufficient_funds", None).expect("a decline");
        assert_eq!(plain.category, FailureCategory::SoftDecline);
        assert_eq!(decline("brand_new_code", None), None);
        assert!(decline("brand_new_code", Some("try_again_later")).is_some());
    }

    #[test]
    fn only_plain_codes_are_published() {
        assert_eq!(published("card_declined"), "card_declined");
        for unfit in ["", "a b", "für", "a\nb", &"x".repeat(65)] {
            assert_eq!(published(unfit), "unrecognised", "{unfit:?}");
        }
    }
}
