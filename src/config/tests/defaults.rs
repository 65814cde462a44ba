//! config/default.toml and the code say the same: keys, comments, ranges.

use super::*;

#[test]
fn every_key_of_the_defaults_is_read() {
    let layers = Layers::of_defaults();
    let known: BTreeSet<_> = layers.values.keys().cloned().collect();
    let mut reader = Reader::new(layers, Needs::Everything);
    settings::kafka::read(&mut reader);
    DatabaseSettings::read(&mut reader);
    GatewaySettings::read(&mut reader);
    ProcessingSettings::read(&mut reader);
    RelaySettings::read(&mut reader);
    ReconcileSettings::read(&mut reader);
    HttpSettings::read(&mut reader);
    TelemetrySettings::read(&mut reader);
    assert_eq!(*reader.taken(), known);
}

#[test]
fn every_key_of_the_defaults_has_a_comment() {
    let lines: Vec<_> = DEFAULTS.lines().collect();
    for pair in lines.windows(2) {
        let is_setting = pair[1].contains(" = ") && !pair[1].starts_with('#');
        assert!(!is_setting || pair[0].starts_with('#'), "{} has no comment", pair[1]);
    }
}

/// The keys whose comment names a range, with that range: "1 to 10" above `max_tries = 3`.
fn commented_ranges() -> Vec<(String, i64, i64)> {
    let (mut table, mut comment, mut ranges) = (String::new(), String::new(), Vec::new());
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
        } else if line.starts_with('#') {
            comment.push_str(line);
        } else {
            let words: Vec<_> = comment.split([' ', ',', ';', '.']).filter(|word| !word.is_empty()).collect();
            let range = words.windows(3).find_map(|words| match words {
                [low, "to", high] => Some((low.parse().ok()?, high.parse().ok()?)),
                _ => None,
            });
            if let (Some((low, high)), Some((name, _))) = (range, line.split_once(" = ")) {
                ranges.push((format!("{table}.{name}"), low, high));
            }
            comment.clear();
        }
    }
    ranges
}

#[test]
fn every_commented_range_is_enforced() {
    let ranges = commented_ranges();
    assert!(ranges.len() > 15, "the comments were not understood: {ranges:?}");
    for (key, low, high) in ranges {
        for inside in [low, high] {
            Given::enough().flag(&key, &inside.to_string()).settings();
        }
        for outside in [low - 1, high + 1] {
            let errors = Given::enough().flag(&key, &outside.to_string()).errors();
            assert_says(&errors, &format!("{key} (--set {key}) is {outside}, must be {low} to {high}"));
        }
    }
}
