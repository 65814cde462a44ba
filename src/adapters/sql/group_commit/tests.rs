//! Tests of group commit: what shares a batch, who is refused, who is told when it breaks off.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::Semaphore;

use super::*;

/// A database that notes its batches, and executes one for each permit that it is given.
struct Notes {
    batches: Arc<Mutex<Vec<Vec<String>>>>,
    permits: Arc<Semaphore>,
}

const GUILTY: &str = "guilty";
const PANICS: &str = "panics";
const OFFLINE: &str = "offline";
/// Loses as many races as its name says.
const RACES_TWICE: &str = "races 2";
const RACES_FOR_EVER: &str = "races 99";

#[async_trait]
impl Step for Notes {
    type Request = String;
    type Answer = String;

    const CONCURRENT: usize = 1;

    fn key(request: &String) -> &str {
        request
    }

    async fn execute(&self, batch: &[Arc<String>]) -> Result<Vec<Result<String, RepositoryError>>, DatabaseFault> {
        self.batches.lock().expect("never poisoned").push(batch.iter().map(|key| key.as_str().to_owned()).collect());
        self.permits.acquire().await.expect("never closed").forget();
        assert!(!batch.iter().any(|key| key.as_str() == PANICS), "as this test wants it");
        if batch.iter().any(|key| key.as_str() == OFFLINE) {
            return Err(DatabaseFault::of_the_world("no route to host".to_owned()));
        }
        let races = batch.iter().filter_map(|key| key.strip_prefix("races ")?.parse::<usize>().ok()).max();
        let tries = self.batches.lock().expect("never poisoned").iter().filter(|one| one.len() == batch.len()).count();
        if races.is_some_and(|races| tries <= races) {
            return Err(DatabaseFault::of_a_race("could not serialize access".to_owned()));
        }
        if batch.iter().any(|key| key.as_str() == GUILTY) {
            return Err(DatabaseFault::of_the_data("no such text".to_owned()));
        }
        Ok(batch.iter().map(|key| Ok(format!("answer to {key}"))).collect())
    }
}

struct Bench {
    group: Arc<GroupCommit<Notes>>,
    batches: Arc<Mutex<Vec<Vec<String>>>>,
    permits: Arc<Semaphore>,
}

fn bench() -> Bench {
    let (batches, permits) = (Arc::new(Mutex::default()), Arc::new(Semaphore::new(0)));
    let group = Arc::new(GroupCommit::start(Notes { batches: Arc::clone(&batches), permits: Arc::clone(&permits) }));
    Bench { group, batches, permits }
}

impl Bench {
    /// Makes the first call, all others while that one is under way, and then lets everything happen.
    async fn call_together(&self, keys: &[&str]) -> Vec<Result<String, RepositoryError>> {
        let call = |key: &&str| {
            let (group, key) = (Arc::clone(&self.group), (*key).to_owned());
            async move { group.call(key).await }
        };
        let mut callers = JoinSet::new();
        let mut handles = vec![callers.spawn(call(&keys[0])).id()];
        self.until(|| !self.batches().is_empty()).await;
        handles.extend(keys[1..].iter().map(|key| callers.spawn(call(key)).id()));
        // One waits in the task's hand, the others in the queue.
        self.until(|| self.group.queue.capacity() == QUEUE_LENGTH - (keys.len() - 2)).await;
        self.permits.add_permits(1_000);
        let mut answers = HashMap::new();
        while let Some(ended) = callers.join_next_with_id().await {
            let (id, answer) = ended.expect("no caller panics");
            answers.insert(id, answer);
        }
        handles.iter().map(|id| answers.remove(id).expect("every caller is told")).collect()
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
        }
    }

    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().expect("never poisoned").clone()
    }
}

#[tokio::test]
async fn all_that_waits_shares_the_next_batch_in_key_order() {
    let bench = bench();
    let answers = bench.call_together(&["first", "c", "a", "b"]).await;
    assert_eq!(bench.batches(), [vec!["first"], vec!["a", "b", "c"]]);
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
    assert_eq!(answers, ["answer to first", "answer to c", "answer to a", "answer to b"]);
}

#[tokio::test]
async fn a_second_call_of_a_key_waits_for_the_next_batch() {
    let bench = bench();
    bench.call_together(&["first", "a", "b", "a", "a"]).await;
    assert_eq!(bench.batches(), [vec!["first"], vec!["a", "b"], vec!["a"], vec!["a"]]);
}

#[tokio::test]
async fn no_batch_is_larger_than_the_limit() {
    let bench = bench();
    let keys: Vec<_> = (0..=LIMIT + 1).map(|number| format!("key-{number:04}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    bench.call_together(&keys).await;
    let sizes: Vec<_> = bench.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, LIMIT, 1]);
}

#[tokio::test]
async fn a_refused_batch_is_halved_until_the_guilty_call_stands_alone() {
    let bench = bench();
    let answers = bench.call_together(&["first", "a", "b", GUILTY, "x", "y", "z"]).await;
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            Err(RepositoryError::Refused { order_id, .. }) => assert_eq!((index, order_id.as_str()), (3, GUILTY)),
            answer => assert!(index != 3 && answer.is_ok(), "{index}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn an_unreachable_database_is_told_to_every_caller() {
    let bench = bench();
    let answers = bench.call_together(&["first", "a", OFFLINE, "z"]).await;
    assert!(answers[0].is_ok());
    assert!(answers[1..].iter().all(|answer| matches!(answer, Err(RepositoryError::Unavailable(_)))));
    assert_eq!(bench.batches().len(), 2, "it is not asked once more for each");
}

#[tokio::test]
async fn a_batch_that_lost_a_race_is_tried_again_whole() {
    let bench = bench();
    let answers = bench.call_together(&["first", "a", RACES_TWICE, "z"]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(bench.batches()[1..], vec![vec!["a", RACES_TWICE, "z"]; 3]);
}

#[tokio::test]
async fn races_without_end_are_told_to_every_caller() {
    let bench = bench();
    let answers = bench.call_together(&["first", "a", RACES_FOR_EVER]).await;
    assert!(answers[1..].iter().all(|answer| matches!(answer, Err(RepositoryError::Unavailable(_)))));
    assert_eq!(bench.batches().len(), 1 + MAX_RACES);
}

#[tokio::test]
async fn a_panic_leaves_no_caller_waiting() {
    let bench = bench();
    let answers = bench.call_together(&["first", "a", PANICS]).await;
    assert!(answers[1..].iter().all(|answer| matches!(answer, Err(RepositoryError::Unavailable(_)))));
    assert!(bench.group.call("next".to_owned()).await.is_ok(), "and the next batch is served");
}

#[tokio::test]
async fn a_call_that_finds_its_task_ended_is_told_so() {
    let (queue, _) = mpsc::channel(1);
    let group: GroupCommit<Notes> = GroupCommit { queue, _worker: JoinSet::new() };
    let answer = group.call("late".to_owned()).await;
    assert!(matches!(answer, Err(RepositoryError::Unavailable(_))));
}

/// The same database, which small batches may share.
struct Shared(Notes);

#[async_trait]
impl Step for Shared {
    type Request = String;
    type Answer = String;

    const CONCURRENT: usize = 2;

    fn key(request: &String) -> &str {
        request
    }

    async fn execute(&self, batch: &[Arc<String>]) -> Result<Vec<Result<String, RepositoryError>>, DatabaseFault> {
        self.0.execute(batch).await
    }
}

#[tokio::test]
async fn small_batches_run_side_by_side_and_large_ones_alone() {
    let (batches, permits) = (Arc::new(Mutex::new(Vec::<Vec<String>>::new())), Arc::new(Semaphore::new(0)));
    let notes = Notes { batches: Arc::clone(&batches), permits: Arc::clone(&permits) };
    let group = Arc::new(GroupCommit::start(Shared(notes)));
    let sizes = || batches.lock().expect("never poisoned").iter().map(Vec::len).collect::<Vec<_>>();
    let mut callers = JoinSet::new();
    let mut call = |key: String| {
        let group = Arc::clone(&group);
        callers.spawn(async move { group.call(key).await });
    };
    let until = async |condition: &dyn Fn() -> bool| {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    call("one".to_owned());
    until(&|| sizes() == [1]).await;
    call("two".to_owned());
    until(&|| sizes() == [1, 1]).await;
    for number in 0..FEW {
        call(format!("of many {number:02}"));
    }
    until(&|| group.queue.capacity() == QUEUE_LENGTH - (FEW - 1)).await;
    permits.add_permits(1);
    until(&|| sizes() == [1, 1, FEW]).await;
    call("beside them".to_owned());
    permits.add_permits(1);
    until(&|| permits.available_permits() == 0 && group.queue.capacity() == QUEUE_LENGTH).await;
    assert_eq!(sizes(), [1, 1, FEW], "a large batch is under way");
    permits.add_permits(2);
    while let Some(ended) = callers.join_next().await {
        ended.expect("no caller panics").expect("an answer");
    }
    assert_eq!(sizes(), [1, 1, FEW, 1]);
}
