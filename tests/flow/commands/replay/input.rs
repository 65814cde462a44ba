//! What a person may get wrong: one clear message each, and nothing is done.

use crate::flow::Stage;
use crate::flow::commands::replay::{BY_ADA, call};
use crate::flow::commands::requested;

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_told_in_one_message_and_nothing_is_done() {
    let stage = Stage::new("two-step", 0.0).await;
    stage.setup.topics.send(&[requested("o-1")]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    };
    let (bad, empty) = (file("bad", "# fine\norder o-1\nordre o-2\n"), file("empty", "\n# nothing\n"));
    for (line, code, told) in [
        ("plan".to_owned(), 1, "--all"),
        ("plan --offsets 0:5000..6000".to_owned(), 1, "outside the log"),
        ("plan --offsets 99:0".to_owned(), 1, "no partition 99"),
        ("plan --partition 99".to_owned(), 1, "no partition 99"),
        ("plan --offsets 0:9..3".to_owned(), 2, "ends before it starts"),
        ("plan --offsets 3..9".to_owned(), 1, "of no partition"),
        ("plan --from 1h --to 2h".to_owned(), 1, "the end lies before the start"),
        ("plan --from 2999-01-01T00:00:00Z".to_owned(), 1, "--from lies in the future"),
        ("plan --from yesterday".to_owned(), 2, "2026-01-31T12:00:00Z"),
        ("plan --order-id ö".to_owned(), 2, "--order-id"),
        ("plan --all --topic no.such.topic".to_owned(), 1, "no.such.topic"),
        (format!("plan --file {bad}"), 1, "line 3"),
        (format!("plan --file {empty}"), 1, "selects nothing"),
        ("plan --file /no/such/file".to_owned(), 1, "could not be read"),
        ("run --all --policy observe".to_owned(), 2, "--actor"),
    ] {
        let said = call(&stage, &format!("replay {line}"), &[]).await;
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        assert!(said.err.contains(told) && said.out.is_empty(), "{line}: {said:?}");
    }
    let report = folder.path().join("report").display().to_string();
    for (line, code, told) in [
        ("run --all".to_owned(), 2, "--policy"),
        ("run --all --policy process".to_owned(), 1, "--yes"),
        ("run --all --policy reconcile".to_owned(), 1, "--yes"),
        ("run --all --policy observe --to-topic t".to_owned(), 1, "republish-outcomes"),
        (
            format!("run --all --policy republish-outcomes --yes --to-topic {}", stage.setup.topics.requests),
            1,
            "do not belong",
        ),
        ("run --all --policy republish-outcomes --yes --to-topic no.such.topic".to_owned(), 1, "no.such.topic"),
        (format!("run --all --policy observe --report {bad}"), 1, "--resume"),
        (format!("run --resume {bad}"), 1, "no report"),
        (format!("run --all --resume {bad}"), 1, "leave the selection out"),
        (format!("run --topic t --resume {bad}"), 1, "leave the selection out"),
    ] {
        let with_report = if line.contains("--re") && !line.contains("republish") {
            line
        } else {
            format!("{line} --report {report}")
        };
        let said = call(&stage, &format!("replay {with_report}"), &BY_ADA).await;
        assert_eq!(said.code, Some(code), "{with_report}: {said:?}");
        assert!(said.err.contains(told) && said.out.is_empty(), "{with_report}: {said:?}");
    }
    assert!(!std::path::Path::new(&report).exists(), "something was begun");
    assert_eq!(stage.setup.database.count("SELECT count(*) FROM journal").await, 0);
    assert_eq!(stage.simulator.provider().totals().intents, 0);
}
