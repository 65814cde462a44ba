//! Lists and searches.

use std::time::Duration;

use super::*;

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().expect("a list").iter().map(|intent| text(&intent["id"])).collect()
}

#[test]
fn a_list_is_newest_first_and_pages_meet_every_intent_once() {
    let bench = Bench::new();
    let mut made: Vec<_> = (0..25).map(|_| bench.intent(PREPARE)).collect();
    made.reverse();
    let mut seen = Vec::new();
    let mut query = "limit=10".to_owned();
    loop {
        let (_, page) = bench.get("/v1/payment_intents", &query);
        seen.extend(ids(&page));
        if page["has_more"] == false {
            break;
        }
        query = format!("limit=10&starting_after={}", seen.last().expect("a page has intents"));
    }
    assert_eq!(seen, made);
}

#[test]
fn a_list_can_begin_at_a_time() {
    let bench = Bench::new();
    bench.intent(PREPARE);
    bench.wait(Duration::from_secs(10));
    let young = bench.intent(PREPARE);
    let (_, page) = bench.get("/v1/payment_intents", "created%5Bgte%5D=1700000010");
    assert_eq!(ids(&page), [young]);
    assert_eq!(page["has_more"], false);
    assert_eq!(ids(&bench.get("/v1/payment_intents", "created[gte]=1700000011").1), Vec::<String>::new());
}

#[test]
fn a_list_can_end_before_a_time() {
    let bench = Bench::new();
    let old = bench.intent(PREPARE);
    bench.wait(Duration::from_secs(10));
    bench.intent(PREPARE);
    assert_eq!(ids(&bench.get("/v1/payment_intents", "created[lt]=1700000010").1), [old.as_str()]);
    let window = "created[gte]=1700000000&created[lt]=1700000010";
    assert_eq!(ids(&bench.get("/v1/payment_intents", window).1), [old]);
    assert_eq!(ids(&bench.get("/v1/payment_intents", "created[lt]=1700000000").1), Vec::<String>::new());
}

#[test]
fn a_list_of_refunds_has_windows_and_pages_of_its_own() {
    let bench = Bench::new();
    let (charged, other) = (bench.intent(PAY), bench.intent(PAY));
    let mut made = Vec::new();
    for id in [&charged, &other, &charged] {
        let (_, refund) = bench.post("/v1/refunds", &format!("payment_intent={id}&amount=100"));
        made.insert(0, text(&refund["id"]));
        bench.wait(Duration::from_secs(10));
    }
    let listed = |query: &str| ids(&bench.get("/v1/refunds", query).1);
    assert_eq!(listed(""), made);
    assert_eq!(listed("created[gte]=1700000010"), made[..2]);
    assert_eq!(listed("created[gte]=1700000010&created[lt]=1700000020"), made[1..2]);
    assert_eq!(listed(&format!("created[lt]=1700000010&payment_intent={other}")), Vec::<String>::new());
    let (_, first) = bench.get("/v1/refunds", "created[lt]=1700000020&limit=1");
    assert_eq!((ids(&first), &first["has_more"]), (vec![made[1].clone()], &true.into()));
    assert_eq!(listed(&format!("limit=1&starting_after={}", made[1])), made[2..]);
    assert_eq!(bench.get("/v1/refunds", "starting_after=re_unknown").0, 400);
}

#[test]
fn a_list_can_be_of_one_customer() {
    let bench = Bench::new();
    bench.intent(PREPARE);
    let theirs = bench.intent(&format!("{PREPARE}&customer=cus_1"));
    assert_eq!(ids(&bench.get("/v1/payment_intents", "customer=cus_1").1), [theirs]);
}

#[test]
fn a_search_finds_an_order_with_either_quote_and_ignores_case_as_stripe_does() {
    let bench = Bench::new();
    let id = bench.intent(PREPARE);
    bench.intent(&PREPARE.replace("o-1", "o-2"));
    for query in ["metadata['order_id']:'o-1'", "metadata[\"order_id\"]:\"o-1\"", "metadata['order_id']:'O-1'"] {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        assert_eq!(ids(&bench.get("/v1/payment_intents/search", &query).1), [id.as_str()], "{query}");
    }
    assert_eq!(bench.get("/v1/payment_intents/search", "query=amount>5").0, 400);
    assert_eq!(bench.get("/v1/payment_intents/search", "").0, 400);
}

#[test]
fn a_search_has_pages() {
    let bench = Bench::new();
    let (old, young) = (bench.intent(PREPARE), bench.intent(PREPARE));
    let query = "query=metadata['order_id']:'o-1'&limit=1";
    let (_, first) = bench.get("/v1/payment_intents/search", query);
    assert_eq!((ids(&first), &first["has_more"]), (vec![young], &true.into()));
    let next = text(&first["next_page"]);
    let (_, second) = bench.get("/v1/payment_intents/search", &format!("{query}&page={next}"));
    assert_eq!((ids(&second), &second["has_more"]), (vec![old], &false.into()));
}

#[test]
fn a_search_may_lag_behind_where_a_list_does_not() {
    let search_lag = Duration::from_mins(1);
    let bench = Bench::with(ProviderConfig { search_lag, ..ProviderConfig::default() });
    let id = bench.intent(PREPARE);
    let search = || ids(&bench.get("/v1/payment_intents/search", "query=metadata['order_id']:'o-1'").1);
    assert!(search().is_empty());
    assert_eq!(ids(&bench.get("/v1/payment_intents", "").1), [id.as_str()]);
    bench.wait(search_lag);
    assert_eq!(search(), [id]);
}

#[test]
fn a_limit_is_1_to_100() {
    let bench = Bench::new();
    for limit in ["0", "101", "-1", "ten"] {
        assert_eq!(bench.get("/v1/payment_intents", &format!("limit={limit}")).0, 400);
    }
}
