//! Which input bindings are read, and how often an app is called at a time.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::answer::Answer;
use super::{Event, Read, Source, app, schedule};
use crate::Sidecar;
use crate::resiliency::{Judged, Policy};

/// A binding that is read, or that the app did not ask for, until the component is another one.
struct Begun {
    binding: Read,
    /// Ends the reading, if there is any.
    reading: Option<AbortHandle>,
}

/// So many events of a binding may be with the app at a time; what happens meanwhile is left out, and the log says so.
const MOST_EVENTS: usize = 64;

/// Reads the input bindings that the app asks for, and follows the changes of components, until the sidecar ends. To be
/// called once the app listens.
pub(crate) fn begin(sidecar: &Arc<Sidecar>) {
    let (closing, mut changes) = (sidecar.closing(), sidecar.component_changes());
    let sidecar = Arc::clone(sidecar);
    tokio::spawn(async move {
        let reading = async {
            // All of them end when this does.
            let mut tasks = JoinSet::new();
            let mut begun: Vec<Begun> = Vec::new();
            loop {
                changes.mark_unchanged();
                follow(&sidecar, &mut begun, &mut tasks).await;
                // Its sender is here.
                if changes.changed().await.is_err() {
                    break;
                }
                // Those that have ended.
                while tasks.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            biased;
            () = closing => {}
            () = reading => {}
        }
    });
}

/// Begins with bindings that are new, and ends with those that are gone.
async fn follow(sidecar: &Arc<Sidecar>, begun: &mut Vec<Begun>, tasks: &mut JoinSet<()>) {
    let components = sidecar.components();
    let there = |read: &Read| components.inputs.iter().any(|(_, binding)| Arc::ptr_eq(binding, read));
    begun.retain(|one| {
        let stays = there(&one.binding);
        if let (false, Some(reading)) = (stays, &one.reading) {
            tracing::info!("binding {} is read no longer", one.binding.name);
            reading.abort();
        }
        stays
    });
    let new: Vec<Read> = components
        .inputs
        .iter()
        .map(|(_, binding)| Arc::clone(binding))
        .filter(|binding| !begun.iter().any(|one| Arc::ptr_eq(&one.binding, binding)))
        .collect();
    drop(components);
    let mut wishes = app::Wishes::default();
    for binding in new {
        let name = &binding.name;
        let wanted = wishes.ask(sidecar, &binding).await;
        let reading = wanted.then(|| {
            tracing::info!("reading binding {name}");
            tasks.spawn(read(Arc::clone(sidecar), Arc::clone(&binding)))
        });
        if reading.is_none() {
            tracing::info!("app has not subscribed to binding {name}.");
        }
        begun.push(Begun { binding, reading });
    }
}

async fn read(sidecar: Arc<Sidecar>, binding: Read) {
    let Source::Cron(schedule) = &binding.source;
    let room = Arc::new(Semaphore::new(MOST_EVENTS));
    let mut last = SystemTime::now();
    while let Some(due) = schedule.due(last).await {
        last = due;
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(
                "an event of binding {} is left out: {MOST_EVENTS} are with the app",
                binding.name
            );
            continue;
        };
        let metadata =
            vec![("timeZone", "UTC".to_owned()), ("readTimeUTC", schedule::shown(SystemTime::now()))];
        let started = sidecar.under_way.begin();
        if sidecar.is_closing() {
            break;
        }
        let event = Event { data: Vec::new(), metadata };
        let (sidecar, binding) = (Arc::clone(&sidecar), Arc::clone(&binding));
        // What is with the app is finished, though the binding be gone, or the sidecar about to stop.
        tokio::spawn(async move {
            deliver(&sidecar, &binding, event).await;
            drop((place, started));
        });
    }
    if sidecar.is_closing() {
        return;
    }
    tracing::info!("binding {} is never due again", binding.name);
}

async fn deliver(sidecar: &Arc<Sidecar>, binding: &Read, event: Event) {
    let begun = Instant::now();
    let outcome = match &binding.inbound {
        None => app::deliver(sidecar, binding, event).await,
        Some(policy) => Box::pin(under(policy, sidecar, binding, &event)).await,
    };
    if let Some(meter) = binding.meter.get() {
        meter.count("", outcome.is_ok(), Some(begun));
    }
    match outcome {
        Ok(answer) => answer.perform(sidecar).await,
        Err(reason) => {
            tracing::error!("the app did not take an event of binding {}: {reason}", binding.name);
        }
    }
}

/// Calls the app as often as a policy has it.
async fn under(
    policy: &Policy,
    sidecar: &Arc<Sidecar>,
    binding: &Read,
    event: &Event,
) -> Result<Answer, String> {
    let judge = |outcome: &Result<_, String>| match outcome {
        Ok(_) => Judged::Success,
        Err(_) => Judged::Again,
    };
    let outcome = policy.run(|| app::deliver(sidecar, binding, event.clone()), judge).await;
    outcome.unwrap_or_else(|stopped| Err(stopped.to_string()))
}
