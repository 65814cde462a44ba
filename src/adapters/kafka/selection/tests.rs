//! What is selected by which words.

use super::*;

const TOPIC: &str = "requests";

fn stretch(partition: i32, from: i64, to: i64) -> Stretch {
    Stretch { partition, from, to }
}

fn bounds() -> Vec<Stretch> {
    vec![stretch(0, 10, 100), stretch(1, 0, 50), stretch(2, 0, 0)]
}

fn of(lines: &str) -> Criteria {
    let mut criteria = Criteria::default();
    criteria.add_lines(lines).expect("good lines");
    criteria
}

fn selected(criteria: &Criteria) -> Vec<Stretch> {
    criteria.stretches(TOPIC, &bounds(), None, None).expect("on the topic")
}

#[test]
fn offsets_are_a_partition_and_a_range_without_its_end() {
    let offsets = |partition, from, to| Ok(Offsets { partition, from, to });
    assert_eq!("2:100..200".parse::<Offsets>(), offsets(2, 100, Some(200)));
    assert_eq!("2:100..".parse::<Offsets>(), offsets(2, 100, None));
    assert_eq!("2:100".parse::<Offsets>(), offsets(2, 100, Some(101)));
    for text in
        ["", ":", "2", "2:", "2:..", "2:..7", "2:-1", "-1:2", "2:+1", "2:1-3", "2:1...3", "a:1", "99999999999:1"]
    {
        assert!(text.parse::<Offsets>().is_err(), "{text}");
    }
    for text in ["0:5..5", "0:5..4"] {
        let problem = text.parse::<Offsets>().expect_err(text);
        assert!(problem.contains("ends before it starts"), "{problem}");
    }
}

#[test]
fn nothing_asked_for_is_the_whole_topic() {
    let criteria = of("\n# a comment\n   \n");
    assert_eq!(criteria, Criteria::default());
    assert_eq!(selected(&criteria), [stretch(0, 10, 100), stretch(1, 0, 50)]);
}

#[test]
fn a_file_names_orders_events_and_places() {
    let criteria = of("order o-1\n event  e 1 \noffsets 0:10..20\n1:7\n# 1:8\n");
    assert!(criteria.wants(Some("o-1"), Some("e 1")));
    assert!(!criteria.wants(Some("o-1"), Some("e-2")) && !criteria.wants(None, Some("e 1")));
    assert_eq!(selected(&criteria), [stretch(0, 10, 20), stretch(1, 7, 8)]);
}

#[test]
fn a_bad_line_is_named_by_its_number() {
    for (lines, line, what) in [
        ("order o-1\n\nordre o-2", 3, "it should be"),
        ("order o ä", 1, "order id"),
        ("offsets 0:9..3", 1, "ends before it starts"),
        ("# fine\n0:1..x", 2, "0:100..200"),
        ("o-1", 1, "it should be"),
    ] {
        let problem = Criteria::default().add_lines(lines).expect_err(lines).to_string();
        assert!(problem.starts_with(&format!("line {line}: ")) && problem.contains(what), "{lines:?}: {problem}");
    }
}

#[test]
fn what_the_topic_does_not_have_is_refused() {
    for (line, what) in [
        ("0:9", "partition 0 of \"requests\" holds 10..100"),
        ("0:50..101", "outside the log"),
        ("0:100..", "outside the log"),
        ("2:0", "holds 0..0"),
        ("3:0", "has no partition 3"),
    ] {
        let problem = of(line).stretches(TOPIC, &bounds(), None, None).expect_err(line).to_string();
        assert!(problem.contains(what), "{line}: {problem}");
    }
    let criteria = Criteria { partitions: [7].into(), ..Criteria::default() };
    assert!(criteria.stretches(TOPIC, &bounds(), None, None).is_err());
}

#[test]
fn partitions_offsets_and_times_all_hold_at_once() {
    let mut criteria = of("0:20..40\n1:20..40");
    criteria.partitions.insert(0);
    assert_eq!(selected(&criteria), [stretch(0, 20, 40)]);
    let (from, to) = ([(0, 30), (1, 0), (2, 0)], [(0, 35), (1, 50), (2, 0)]);
    let narrowed = criteria.stretches(TOPIC, &bounds(), Some(&from), Some(&to)).expect("on the topic");
    assert_eq!(narrowed, [stretch(0, 30, 35)]);
    let nothing = criteria.stretches(TOPIC, &bounds(), Some(&[(0, 40)]), None).expect("on the topic");
    assert_eq!(nothing, []);
    let apart = Criteria { partitions: [2].into(), ..of("0:20..40") };
    let problem = apart.stretches(TOPIC, &bounds(), None, None).expect_err("nothing in common").to_string();
    assert!(problem.contains("nothing is selected"), "{problem}");
}

#[test]
fn what_overlaps_is_selected_once() {
    let criteria = of("0:20..40\n0:30..50\n0:50\n0:60..70\n0:20");
    assert_eq!(selected(&criteria), [stretch(0, 20, 51), stretch(0, 60, 70)]);
    assert!(covers(&selected(&criteria), 0, 50) && covers(&selected(&criteria), 0, 69));
    for (partition, offset) in [(0, 19), (0, 51), (0, 59), (0, 70), (1, 20)] {
        assert!(!covers(&selected(&criteria), partition, offset), "{partition}/{offset}");
    }
}

#[test]
fn stretches_far_apart_are_read_in_rounds() {
    let far = 3 * MAX_GAP;
    let stretches = [stretch(0, 0, 5), stretch(0, 10, 20), stretch(0, far, far + 1), stretch(1, 0, 1)];
    let expected = [vec![stretch(0, 0, 20), stretch(1, 0, 1)], vec![stretch(0, far, far + 1)]];
    assert_eq!(rounds(&stretches), expected);
    assert!(rounds(&[]).is_empty());
}
