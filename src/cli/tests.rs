//! Which command lines are understood.

use clap::{CommandFactory, Parser};

use super::*;

fn is_understood(line: &str) -> bool {
    Cli::try_parse_from(line.split_whitespace()).is_ok()
}

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn a_refund_names_an_order_a_person_and_a_reason() {
    for line in [
        "order-payments refund o-1 --actor ada --reason returned",
        "order-payments refund o-1 --amount 5.00 --actor ada --reason returned --yes --wait --json",
        "order-payments refund --wait=30s o-1 --actor ada --reason returned",
        "order-payments refund --wait o-1 --actor ada --reason returned",
        "order-payments refund o-1 --refund-id 6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b --actor ada --reason returned",
        "order-payments refunds o-1 --json",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in [
        "order-payments refund o-1 --reason returned",
        "order-payments refund o-1 --actor ada",
        "order-payments refund --actor ada --reason returned",
        "order-payments refund o-1 --amount five --actor ada --reason returned",
        "order-payments refund o-1 --amount 5,00 --actor ada --reason returned",
        "order-payments refund o-1 --refund-id 17 --actor ada --reason returned",
        "order-payments refund o-1 --actor ada --reason returned --wait=soon",
        "order-payments refund o-ä --actor ada --reason returned",
    ] {
        assert!(!is_understood(line), "{line}");
    }
}

#[test]
fn a_replay_names_its_policy_or_what_it_goes_on_with() {
    for line in [
        "order-payments replay plan --all --records",
        "order-payments replay plan --partition 0 --offsets 1..2 --offsets 1:7 --from 2h --order-id o-1 --event-id e --file -",
        "order-payments replay run --policy process --all --actor ada --reason lost --rate 100 --yes --json",
        "order-payments replay run --resume report --actor ada --reason lost",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in [
        "order-payments replay",
        "order-payments replay plan --offsets 0:2..1",
        "order-payments replay plan --from tomorrow",
        "order-payments replay run --all --actor ada --reason lost",
        "order-payments replay run --policy charge --all --actor ada --reason lost",
        "order-payments replay run --policy process --all --reason lost",
        "order-payments replay run --policy process --resume report --actor ada --reason lost",
    ] {
        assert!(!is_understood(line), "{line}");
    }
}

#[test]
fn a_review_is_ended_by_exactly_one_decision() {
    for line in [
        "order-payments review resolve o-1 --paid pi_1 --actor ada --reason seen",
        "order-payments review resolve o-1 --failed --actor ada --reason seen --yes",
        "order-payments review resolve o-1 --retry --actor ada --reason seen",
        "order-payments review resolve --finding 6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b --actor ada --reason seen",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in [
        "order-payments review resolve o-1 --actor ada --reason seen",
        "order-payments review resolve o-1 --failed --retry --actor ada --reason seen",
        "order-payments review resolve o-1 --paid pi_1 --failed --actor ada --reason seen",
        "order-payments review resolve --failed --actor ada --reason seen",
        "order-payments review resolve o-1 --failed --reason seen",
        "order-payments review resolve o-1 --failed --actor ada",
        "order-payments review resolve o-1 --finding 6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b --actor ada --reason seen",
        "order-payments review resolve --finding 6f0c2ab1 --actor ada --reason seen",
    ] {
        assert!(!is_understood(line), "{line}");
    }
}

#[test]
fn a_gate_is_changed_by_someone_for_a_reason() {
    for line in [
        "order-payments gate status --last 3 --json",
        "order-payments gate close --actor ada --reason maintenance",
        "order-payments gate open --actor ada --reason over",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in
        ["order-payments gate", "order-payments gate close --actor ada", "order-payments gate open --reason over"]
    {
        assert!(!is_understood(line), "{line}");
    }
}

#[test]
fn reconciliation_begins_some_time_ago_or_at_a_moment() {
    for line in [
        "order-payments reconcile",
        "order-payments reconcile --since 2h --dry-run --json",
        "order-payments reconcile --since 2026-01-31T12:00:00Z",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in ["order-payments reconcile --since yesterday", "order-payments reconcile --since 2026-01-31"] {
        assert!(!is_understood(line), "{line}");
    }
}

#[test]
fn offsets_are_set_to_one_place_by_someone_for_a_reason() {
    for line in [
        "order-payments offsets show --json",
        "order-payments offsets reset --to-earliest --dry-run",
        "order-payments offsets reset --to-latest --skip-unread --actor ada --reason test --yes --json",
        "order-payments offsets reset --to-time 2h --partition 1 --partition 2 --actor ada --reason again",
        "order-payments offsets reset --to-offset 0:5 1:7 --actor ada --reason again",
        "order-payments offsets reset --to-offset 0:5 --to-offset 1:7 --actor ada --reason again",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in [
        "order-payments offsets",
        "order-payments offsets reset --actor ada --reason again",
        "order-payments offsets reset --to-earliest --actor ada",
        "order-payments offsets reset --to-earliest --reason again",
        "order-payments offsets reset --to-earliest --to-latest --dry-run",
        "order-payments offsets reset --to-offset 0:5 --to-time 2h --dry-run",
        "order-payments offsets reset --to-offset --dry-run",
        "order-payments offsets reset --to-time 2026-01-31 --dry-run",
        "order-payments offsets reset --to-earliest --partition one --dry-run",
    ] {
        assert!(!is_understood(line), "{line}");
    }
}

#[test]
fn only_a_decision_about_an_order_needs_the_gateway() {
    let needs = |line: &str| match Cli::try_parse_from(line.split_whitespace()).expect(line).command {
        Command::Review(args) => args.needs(),
        other => panic!("{other:?} is no review"),
    };
    assert_eq!(needs("order-payments review list"), Needs::Database);
    assert_eq!(needs("order-payments review show o-1"), Needs::Database);
    let finding = "order-payments review resolve --finding 6f0c2ab1-4d5e-4f60-8a7b-9c0d1e2f3a4b --actor a --reason b";
    assert_eq!(needs(finding), Needs::Database);
    let retry = "order-payments review resolve o-1 --retry --actor a --reason b";
    assert_eq!(needs(retry), Needs::Everything);
}

#[test]
fn dead_letters_are_redriven_and_discarded_by_a_person() {
    for line in [
        "order-payments dead-letters list",
        "order-payments dead-letters list --refused-for contract --from 2h --to 1h --order-id o-1 --all --json",
        "order-payments dead-letters show 3/17 --reveal --topic orders.DLT --source-config other.toml",
        "order-payments dead-letters redrive 3/17 3/18 --actor ada --reason mended --yes",
        "order-payments dead-letters redrive --all --dry-run",
        "order-payments dead-letters discard --dialect spring --actor ada --reason garbage",
    ] {
        assert!(is_understood(line), "{line}");
    }
    for line in [
        "order-payments dead-letters show",
        "order-payments dead-letters show 3/17 3/18",
        "order-payments dead-letters redrive 3/17 --reason mended",
        "order-payments dead-letters redrive 3/17 --actor ada",
        "order-payments dead-letters redrive --all --max-redrives 0 --dry-run",
        "order-payments dead-letters discard 3/17 --actor ada",
        "order-payments dead-letters discard 17 --actor ada --reason garbage",
    ] {
        assert!(!is_understood(line), "{line}");
    }
}
