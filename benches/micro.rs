//! What one order costs in our own computations, without a network: `cargo bench --bench micro`.
//!
//! Figures of single functions; what a whole order costs is measured by `make bench`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use order_payments::adapters::kafka::offsets::OffsetTracker;
use order_payments::adapters::stripe::measured::{class_of_charge, intent_form};
use order_payments::adapters::wire::cloud_event::EventHeaders;
use order_payments::adapters::wire::outcome::encode;
use order_payments::adapters::wire::request::{DecodeOptions, Decoded, decode};
use order_payments::domain::outcome::{FailureCategory, FailureReason};
use order_payments::domain::payment::{ChargeFlow, Payment};
use order_payments::domain::request::PaymentRequest;
use order_payments::domain::timestamp::Timestamp;
use tikv_jemallocator::Jemalloc;

/// As in the program: allocations are a good part of what is measured.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Records that are outstanding at once: many times what is in flight by default.
const OUTSTANDING: i64 = 10_000;

const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_000_000); // 2026-01-02T03:04:05Z

const KEY: &[u8] = b"ord_00000042";
const BARE: &[u8] = br#"{"order_id":"ord_00000042","customer_email":"ada@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_card_visa"}"#;
const STRUCTURED: &[u8] = br#"{"specversion":"1.0","id":"8a6f2b1e","source":"/shop","type":"payment-requested","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","data":{"order_id":"ord_00000042","customer_email":"ada@example.com","total_amount":"12.50","currency":"EUR","payment_method":"pm_card_visa"}}"#;

const BINARY_HEADERS: [(&str, &str); 6] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "8a6f2b1e"),
    ("ce_type", "payment-requested"),
    ("ce_source", "/shop"),
    ("ce_time", "2026-01-02T03:04:05Z"),
    ("content-type", "application/json"),
];
const STRUCTURED_HEADERS: [(&str, &str); 1] = [("content-type", "application/cloudevents+json")];

const APPROVED: &str = r#"{"id":"pi_3OxAbCdEfGhIjKlM","object":"payment_intent","status":"succeeded","amount":1250,"amount_received":1250,"currency":"eur","livemode":false,"metadata":{"order_id":"ord_00000042","attempt":"1"},"last_payment_error":null,"cancellation_reason":null,"created":1767323045,"payment_method":"pm_1OxAbCdEfGhIjKlM","latest_charge":"ch_3OxAbCdEfGhIjKlM"}"#;
const DECLINED: &str = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"Your card has insufficient funds.","payment_intent":{"id":"pi_3OxAbCdEfGhIjKlM","object":"payment_intent","status":"requires_payment_method","amount":1250,"amount_received":0,"currency":"eur","livemode":false,"metadata":{"order_id":"ord_00000042","attempt":"1"},"created":1767323045}}}"#;

fn read(value: &[u8], headers: &[(&str, &str)]) -> PaymentRequest {
    let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
    match decode(Some(KEY), Some(value), &EventHeaders::gather(headers), &DecodeOptions::default()) {
        Ok(Decoded::Request(request)) => *request,
        other => panic!("the sample is a request, not {other:?}"),
    }
}

fn payment() -> Payment {
    Payment::first(Arc::new(read(BARE, &BINARY_HEADERS)), ChargeFlow::OneStep, NOW)
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode a request");
    group.throughput(Throughput::Elements(1));
    group.bench_function("binary", |bencher| bencher.iter(|| read(black_box(BARE), black_box(&BINARY_HEADERS))));
    group.bench_function("structured", |bencher| {
        bencher.iter(|| read(black_box(STRUCTURED), black_box(&STRUCTURED_HEADERS)));
    });
    group.bench_function("bare JSON", |bencher| bencher.iter(|| read(black_box(BARE), &[])));
    group.finish();
}

fn outcomes(criterion: &mut Criterion) {
    let reference = "pi_3OxAbCdEfGhIjKlM".parse().expect("a name of a payment");
    let paid = payment().paid(reference, NOW).expect("it is pending").outcome;
    let reason = FailureReason {
        code: "insufficient_funds".to_owned(),
        category: FailureCategory::SoftDecline,
        message: "The account holds too little.".to_owned(),
    };
    let failed = payment().failed(reason, NOW).expect("it is pending").outcome;
    let mut group = criterion.benchmark_group("encode an outcome");
    group.throughput(Throughput::Elements(1));
    group.bench_function("paid", |bencher| bencher.iter(|| encode(black_box(&paid))));
    group.bench_function("failed", |bencher| bencher.iter(|| encode(black_box(&failed))));
    group.finish();
}

fn gateway(criterion: &mut Criterion) {
    let payment = payment();
    criterion.bench_function("form that makes an intent", |bencher| {
        bencher.iter(|| intent_form(black_box(&payment)));
    });
    let mut group = criterion.benchmark_group("classify an answer");
    group.throughput(Throughput::Elements(1));
    for (name, status, body) in [("approved", 200, APPROVED), ("declined", 402, DECLINED)] {
        assert_eq!(class_of_charge(&payment, status, body.into()), Some(name), "the sample is what it is called");
        group.bench_function(name, |bencher| {
            let answer = || body.as_bytes().to_vec();
            bencher.iter_batched(answer, |body| class_of_charge(&payment, status, body), BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// Delivers many, then has them done in an order that holds the watermark back to the very end.
fn offsets(criterion: &mut Criterion) {
    let mut order: Vec<_> = (0..OUTSTANDING).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    let first = order.iter().position(|offset| *offset == 0).expect("it is among them");
    order.swap(first, 9_999);
    let mut group = criterion.benchmark_group("offset tracker");
    group.throughput(Throughput::Elements(OUTSTANDING.unsigned_abs()));
    group.bench_function("10,000 outstanding, done out of order", |bencher| {
        bencher.iter(|| {
            let mut offsets = OffsetTracker::starting_at(0);
            for offset in 0..OUTSTANDING {
                offsets.deliver(offset);
            }
            for offset in &order {
                offsets.done(*offset);
                black_box(offsets.watermark());
            }
            offsets
        });
    });
    group.finish();
}

criterion_group!(micro, requests, outcomes, gateway, offsets);
criterion_main!(micro);
