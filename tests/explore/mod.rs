//! dev
mod calls;
mod campaign;
mod case;
mod chance;
mod events;
mod facts;
mod invariants;
mod moves;
mod mutants;
mod outsiders;
mod plan;
mod ports;
mod records;
mod rounds;
mod runtime;
mod scenario;
mod sightings;
mod stage;
mod task;
mod timeline;
mod watch;
mod world;

#[test]
fn singles() {
    let scenarios = scenario::all();
    let pairs = std::env::var("PAIRS").ok().and_then(|x| x.parse().ok()).unwrap_or(u64::MAX);
    let start = std::time::Instant::now();
    let found = campaign::explore(&scenarios, campaign::Extent { one_pair_in: pairs, triples: 0 });
    println!("{:#?}", found.cases);
    println!(
        "{} cases, {} steps, {:?}, {}, missing {:?}",
        found.total(),
        found.steps,
        start.elapsed(),
        found.sightings,
        found.sightings.missing()
    );
    let mut by: std::collections::BTreeMap<String, (usize, Vec<String>)> = Default::default();
    for (case, violation) in &found.violations {
        let e = by.entry(violation.invariant.to_string()).or_default();
        e.0 += 1;
        if e.1.len() < 12 {
            e.1.push(format!("{case}: {}", violation.detail));
        }
    }
    println!("{by:#?}");
}
#[test]
fn mutants_() {
    let scenarios = scenario::all();
    let start = std::time::Instant::now();
    for (mutant, hunt) in campaign::hunt(&scenarios) {
        println!(
            "{} {} {:?} {:?}",
            mutant.name(),
            hunt.cases,
            hunt.killed.as_ref().map(|(c, v)| format!("{c} {}", v)),
            hunt.killers
        );
    }
    println!("{:?}", start.elapsed());
}
#[test]
fn one() {
    let name = std::env::var("CASE").unwrap_or("approved/two-step:".to_owned());
    let (mutant, rest) = match name.split_once('!') {
        Some((m, r)) => (Some(mutants::Mutant::named(m).unwrap()), r),
        None => (None, name.as_str()),
    };
    let (s, p) = rest.split_once(':').unwrap();
    runtime::within(|| {
        let case = case::Case { scenario: scenario::named(s).unwrap(), mutant, plan: plan::Plan::parse(p).unwrap() };
        let played = case::play(&case, timeline::Timeline::kept());
        println!("{case}\n{}\n{:?}", played.timeline.text(), played.violation.map(|v| v.to_string()));
    });
}
