//! Every answer is checked before anything is timed.

use pillion_logic::oracle::{Calls, Case};

use super::App;
use super::drive::Stop;
use super::questions::Questions;
use crate::job::Job;

/// Preloads the records, sends every request once, compares every reply, the provider's own count of calls, and what
/// the store holds afterwards. Answers how many calls reached the provider.
pub(super) async fn verify<A: App>(app: &A, questions: &Questions, job: &Job) -> Result<u64, Stop> {
    let suite = &questions.suite;
    for record in &suite.records {
        app.preload(&record.key, &record.value)
            .await
            .map_err(|reason| Stop::Failed(format!("preloading {}: {reason}", record.key)))?;
    }
    let before = app.provider_calls().await.map_err(Stop::Failed)?;
    let mut reply = Vec::new();
    for case in &suite.cases {
        ask(app, case, &mut reply).await?;
    }
    let reached = app.provider_calls().await.map_err(Stop::Failed)? - before;
    let calls = suite.calls();
    let expected = calls.reaching(job.calls_per_add, job.bulk);
    if reached != expected {
        return Err(Stop::Wrong(format!(
            "{} requests reached the provider {reached} times, expected {expected}",
            suite.cases.len()
        )));
    }
    for record in &suite.after {
        look(app, &record.key, &record.value, &mut reply).await?;
    }
    Ok(reached)
}

/// Whether the store holds a value, as the app sees it.
pub(super) async fn look<A: App>(app: &A, key: &str, value: &[u8], reply: &mut Vec<u8>) -> Result<(), Stop> {
    let case = Case {
        operation: "kv.get",
        request: key.as_bytes().to_vec(),
        expected: Ok(value.to_vec()),
        calls: Calls::default(),
    };
    ask(app, &case, reply).await
}

pub(super) async fn ask<A: App>(app: &A, case: &Case, reply: &mut Vec<u8>) -> Result<(), Stop> {
    reply.clear();
    let got = app.call(case.operation, &case.request, reply).await;
    // A call that fails is a failure of the lane; a reply that differs is a wrong answer.
    if let (Err(reason), Ok(_)) = (&got, &case.expected) {
        return Err(Stop::Failed(format!("operation {}: {reason}", case.operation)));
    }
    case.check(got.as_ref().map(|()| reply.as_slice())).map_err(|mismatch| Stop::Wrong(mismatch.to_string()))
}
