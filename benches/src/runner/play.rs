//! Playing a transcript.

use pillion_transcripts::{Observed, Outcome, Step, Transcript};

use super::App;

/// Plays a transcript on an app that was opened over a fresh store.
///
/// # Errors
/// The store could not be reached past the app.
pub async fn play<A: App>(app: &A, transcript: &Transcript) -> Result<Outcome, String> {
    let mut observed = Observed::new();
    let mut got = Vec::new();
    for step in &transcript.steps {
        match step {
            Step::Store { store, value } => app.preload(store, value).await?,
            Step::Holds { holds, .. } => {
                observed.holds(step, app.stored(holds).await?.as_deref());
            }
            Step::Reply { call, request, .. } | Step::Error { call, request, .. } => {
                got.clear();
                let answer = app.call(call, request, &mut got).await;
                observed.answer(step, answer.as_ref().map(|()| got.as_slice()).map_err(String::as_str));
            }
        }
    }
    Ok(observed.outcome())
}
