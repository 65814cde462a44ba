//! The watch, told by hand what it sees, on a clock of the test's own.

use super::*;

const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_secs(5);

/// Looks within the patience.
const LOOKS: u32 = 12;

/// A partition that was read to 50 of 100 and is not read on.
fn silent() -> Sight {
    Sight {
        partition: 3,
        is_paused: false,
        position: 50,
        fetched_to: 50,
        end: Some(100),
        fetch_state: "active".to_owned(),
        broker: Link::Up,
    }
}

/// A watch and its clock.
struct Stage {
    watch: StallWatch,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        Self { watch: StallWatch::new(PATIENCE), now: Instant::now() }
    }

    /// What it says of the same sight, looked at so often.
    fn look(&mut self, sight: &Sight, looks: u32) -> Vec<Repair> {
        let mut repairs = Vec::new();
        for _ in 0..looks {
            self.now += LOOK;
            let alarms = self.watch.observe(self.now, std::slice::from_ref(sight));
            repairs.extend(alarms.iter().map(|alarm| alarm.repair));
        }
        repairs
    }
}

#[test]
fn a_silent_partition_is_repaired_step_by_step() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS), []);
    assert_eq!(stage.watch.stalled_count(), 0);
    let repairs = stage.look(&silent(), LOOKS * 4);
    assert_eq!(repairs, [Repair::Seek, Repair::Reassign, Repair::Renew, Repair::GiveUp]);
    assert_eq!(stage.watch.stalled_count(), 1);
}

#[test]
fn what_is_not_read_for_a_reason_does_not_stall() {
    let reasons = [
        ("paused", Sight { is_paused: true, ..silent() }),
        ("its broker is away", Sight { broker: Link::Away, ..silent() }),
        ("throttled", Sight { broker: Link::Throttling, ..silent() }),
        ("at its end", Sight { end: Some(50), ..silent() }),
        ("its end is not known", Sight { end: None, ..silent() }),
        ("only the end of a transaction is left", Sight { fetched_to: 100, ..silent() }),
        ("nothing of it was fetched yet, and there is nothing", Sight { fetched_to: -1001, end: Some(50), ..silent() }),
    ];
    for (reason, sight) in reasons {
        let mut stage = Stage::new();
        assert_eq!(stage.look(&sight, LOOKS * 20), [], "{reason}");
        assert_eq!(stage.watch.stalled_count(), 0, "{reason}");
    }
}

#[test]
fn a_partition_that_the_client_does_not_even_ask_for_stalls() {
    let waits = Sight { fetch_state: "validate-epoch-wait".to_owned(), end: Some(50), ..silent() };
    assert_eq!(Stage::new().look(&waits, LOOKS * 2), [Repair::Seek]);
    let never = Sight { fetch_state: "offset-wait".to_owned(), fetched_to: -1001, end: None, ..silent() };
    assert_eq!(Stage::new().look(&never, LOOKS * 2), [Repair::Seek]);
}

#[test]
fn what_moves_however_slowly_does_not_stall() {
    let mut stage = Stage::new();
    for step in 0..20 {
        let fetched = Sight { fetched_to: 50 + step, ..silent() };
        assert_eq!(stage.look(&fetched, LOOKS - 1), [], "it fetches");
    }
    for step in 1..20 {
        let handed = Sight { position: 50 + step, fetched_to: 69, ..silent() };
        assert_eq!(stage.look(&handed, LOOKS - 1), [], "it hands over");
    }
}

#[test]
fn a_repair_that_helps_ends_it_and_the_next_stall_begins_anew() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS * 3 - 1), [Repair::Seek, Repair::Reassign]);
    let moved = Sight { position: 51, fetched_to: 51, ..silent() };
    assert_eq!(stage.look(&moved, LOOKS), []);
    assert_eq!(stage.watch.stalled_count(), 0);
    assert_eq!(stage.look(&moved, LOOKS), [Repair::Seek]);
}

#[test]
fn what_a_repair_does_to_a_partition_is_no_progress() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS * 3 - 1), [Repair::Seek, Repair::Reassign]);
    let taken_back = Sight { fetched_to: -1001, fetch_state: "offset-query".to_owned(), ..silent() };
    assert_eq!(stage.look(&taken_back, 1), []);
    assert_eq!(stage.look(&silent(), LOOKS), [Repair::Renew]);
    // Another client: away for a while, connecting, and then from what was committed.
    stage.now += PATIENCE * 2;
    stage.watch.begin_again(stage.now);
    let begins = Sight { position: 40, fetched_to: 40, broker: Link::Away, end: None, ..silent() };
    assert_eq!(stage.look(&begins, 1), []);
    let goes_on = Sight { broker: Link::Up, ..begins };
    assert_eq!(stage.look(&goes_on, LOOKS + 1), [Repair::GiveUp]);
}

#[test]
fn another_client_has_its_time_for_every_partition() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS * 4 - 1).last(), Some(&Repair::Renew));
    stage.now += PATIENCE / 2;
    stage.watch.begin_again(stage.now);
    assert_eq!(stage.look(&silent(), LOOKS - 1), []);
    assert_eq!(stage.look(&silent(), 1), [Repair::GiveUp]);
}

#[test]
fn what_another_member_reads_now_is_not_told_as_stalled_here() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS + 1), [Repair::Seek]);
    assert_eq!(stage.watch.stalled_count(), 1);
    stage.now += LOOK;
    assert_eq!(stage.watch.observe(stage.now, &[]), []);
    assert_eq!(stage.watch.stalled_count(), 0);
}

#[test]
fn an_end_that_the_client_has_not_heard_of_is_asked_for() {
    let mut stage = Stage::new();
    let at_the_end = Sight { end: Some(50), ..silent() };
    assert_eq!(stage.look(&at_the_end, LOOKS / 2 - 1), []);
    assert_eq!(stage.watch.doubtful(stage.now), Vec::<i32>::new());
    assert_eq!(stage.look(&at_the_end, LOOKS), []);
    assert_eq!(stage.watch.doubtful(stage.now), [3]);
    stage.watch.note_end(3, 51);
    assert_eq!(stage.look(&at_the_end, LOOKS), [Repair::Seek]);
}

#[test]
fn an_end_that_has_come_nearer_is_believed() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS - 1), []);
    let truncated = Sight { end: Some(50), ..silent() };
    assert_eq!(stage.look(&truncated, LOOKS * 2), [], "its leader was replaced by one that knew less");
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS - 1), []);
    stage.watch.note_end(3, 50);
    assert_eq!(stage.look(&silent(), LOOKS * 2), [], "the client has not heard of it");
}

#[test]
fn a_process_that_was_stopped_gives_everyone_time_anew() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS - 1), []);
    stage.now += Duration::from_hours(1);
    assert_eq!(stage.look(&silent(), LOOKS), []);
}

#[test]
fn an_alarm_says_what_it_rests_on() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(&silent(), LOOKS), []);
    stage.now += LOOK;
    let alarm = stage.watch.observe(stage.now, &[silent()]).pop().expect("it stalls");
    assert_eq!(
        alarm.to_string(),
        "partition 3 was not read for 60 s: it is not paused, its broker is connected, it is fetched from offset 50 \
         (active) and ends at 100"
    );
}
