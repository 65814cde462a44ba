//! The benchmarks' arithmetic is right: percentiles, rates, ratios, and what arrives when.

#[path = "../benches/end_to_end/arrivals.rs"]
mod arrivals;
#[path = "../benches/end_to_end/statistics.rs"]
mod statistics;

use std::time::Duration;

use crate::benchmarks::arrivals::{BURST, Pattern, Zipf, payable, repetitions};
use crate::benchmarks::statistics::{Percentiles, median, number, percentile, ratio, silence_after, steady_per_second};
use crate::chaos::load::requested;

fn millis(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
    values.into_iter().map(Duration::from_millis).collect()
}

#[test]
fn percentiles_are_values_that_occurred() {
    let of_hundred = Percentiles::of(millis((1..=100).rev()));
    let of = |p50, p95, p99, max| {
        let [p50, p95, p99, max] = [p50, p95, p99, max].map(Duration::from_millis);
        Percentiles { p50, p95, p99, max }
    };
    assert_eq!(of_hundred, of(50, 95, 99, 100));
    assert_eq!(Percentiles::of(millis([7, 3])), of(3, 7, 7, 7));
    assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    assert_eq!(percentile(&millis(1..=1000), 999), Duration::from_millis(999));
}

#[test]
fn rates_and_ratios_of_nothing_are_zero_and_not_infinite() {
    assert!(steady_per_second(&[]).abs() < 1e-9 && steady_per_second(&millis([5, 5])).abs() < 1e-9);
    assert!((ratio(1.0, 4.0) - 0.25).abs() < 1e-9);
    assert!(ratio(1.0, 0.0).abs() < 1e-9);
    assert!((number(12) - 12.0).abs() < 1e-9);
}

#[test]
fn the_rush_at_the_start_does_not_count_as_speed() {
    let even = millis((0..1_000).map(|number| number * 2));
    assert!((steady_per_second(&even) - 500.0).abs() < 1e-9);
    let rushed = millis((0..1_000).map(|number| if number < 100 { 0 } else { number * 2 }));
    assert!((steady_per_second(&rushed) - 500.0).abs() < 1e-9);
}

#[test]
fn the_median_is_the_middle_one_whatever_comes_first() {
    assert!((median(vec![9.0, 1.0, 5.0]) - 5.0).abs() < 1e-9);
    assert!((median(vec![4.0, 1.0]) - 1.0).abs() < 1e-9);
    assert!(median(Vec::new()).abs() < 1e-9);
}

#[test]
fn a_silence_counts_from_the_kill_and_only_if_it_began_shortly_after() {
    let told = millis([0, 900, 1_000, 1_100, 6_100, 6_200, 20_000]);
    let after = |kill| silence_after(&told, Duration::from_millis(kill), Duration::from_secs(1)).as_millis();
    assert_eq!(after(1_050), 5_000, "what was on its way is read a little later");
    assert_eq!(after(3_000), 3_100, "what was silent before does not count");
    assert_eq!(after(21_000), 0);
}

#[test]
fn arrivals_keep_their_rate_whether_alone_or_in_bursts() {
    for pattern in [Pattern::Poisson, Pattern::Bursts] {
        let moments = pattern.moments(20_000, 200.0, &mut fastrand::Rng::with_seed(7));
        let lasts = moments.last().expect("there are some").as_secs_f64();
        assert!((80.0..125.0).contains(&lasts), "{}: {lasts} s for 20,000 at 200/s", pattern.name());
        assert!(moments.is_sorted());
    }
    let bursts = Pattern::Bursts.moments(120, 200.0, &mut fastrand::Rng::with_seed(7));
    assert!(bursts[0] == bursts[BURST - 1] && bursts[BURST - 1] < bursts[BURST] && bursts.len() == 120);
}

#[test]
fn a_rank_of_zipf_is_drawn_in_proportion_to_its_inverse() {
    let (zipf, mut random) = (Zipf::over(1_000), fastrand::Rng::with_seed(7));
    let mut drawn = vec![0_u32; 1_000];
    for _ in 0..100_000 {
        drawn[zipf.draw(&mut random)] += 1;
    }
    let times = |rank: usize| f64::from(drawn[0]) / f64::from(drawn[rank - 1]);
    assert!((1.8..2.2).contains(&times(2)) && (8.0..12.0).contains(&times(10)), "{:?}", &drawn[..10]);
    assert_eq!(repetitions(&[3, 1, 3, 3]), 2);
}

#[test]
fn only_orders_that_are_not_declined_are_payable() {
    let numbers: Vec<_> = (0..100).map(payable).collect();
    assert!(numbers.is_sorted() && repetitions(&numbers) == 0);
    assert!(numbers.iter().all(|number| !requested(*number).is_declined));
}
