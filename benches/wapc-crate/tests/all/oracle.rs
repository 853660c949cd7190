//! Same bytes in, same bytes out: whatever the way, the answer is the oracle's.

use pillion_logic::oracle::{Suite, every_suite};

use crate::lanes::{Lane, Lanes};

/// Asks everything of a suite, checks it, and hands out the answers.
async fn answers(lane: &Lane, suite: &Suite) -> Vec<Result<Vec<u8>, String>> {
    for record in &suite.records {
        lane.preload(&record.key, &record.value).await;
    }
    let before = lane.provider_calls().await;
    let mut answers = Vec::new();
    for case in &suite.cases {
        let answer = lane.ask(case.operation, &case.request).await;
        let checked = case.check(answer.as_deref());
        checked.unwrap_or_else(|mismatch| panic!("{}: {mismatch}", lane.name));
        answers.push(answer);
    }
    let (calls, reached) = (suite.calls(), lane.provider_calls().await - before);
    assert_eq!(reached, calls.reaching(lane.calls_per_add, lane.bulk), "{}", lane.name);
    for record in &suite.after {
        let value = lane.ask("kv.get", record.key.as_bytes()).await;
        assert_eq!(value.as_deref(), Ok(&record.value[..]), "{}: {}", lane.name, record.key);
    }
    answers
}

#[test]
fn every_lane_answers_what_the_oracle_says_and_so_what_the_others_do() {
    let lanes = Lanes::open();
    for suite in every_suite() {
        let mut first: Option<Vec<Result<Vec<u8>, String>>> = None;
        for lane in &lanes.all {
            let answers = lanes.runtime.block_on(answers(lane, &suite));
            let first = first.get_or_insert_with(|| answers.clone());
            assert_eq!(&answers, first, "{} and {}", lane.name, lanes.all[0].name);
        }
    }
}
