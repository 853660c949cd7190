//! The runner process from its start to its end.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use pillion_records::{Load, Outcome};
use pillion_transcripts::Transcript;

use super::{Setup, measure, play};
use crate::job::{GO, Job, Reply};

/// Reads a job from standard input, does it, and answers on standard output: the whole of a runner's `main`.
///
/// # Errors
/// The job cannot be read, or the harness has gone.
pub fn serve(setup: &impl Setup) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let job: Job = serde_json::from_str(&line)?;
    // Service time wants no second thread that a wake-up would have to cross to.
    let runtime = match job.cells.first().map_or(Load::Service, |cell| cell.load) {
        Load::Service => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        Load::Throughput { .. } => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(job.cpus.len().max(1))
            .enable_all()
            .build()?,
    };
    // Spawned tasks see workers only; the loop of one request runs on the main thread, without a task.
    runtime.block_on(work(setup, &job))
}

async fn work(setup: &impl Setup, job: &Job) -> io::Result<()> {
    if !job.transcripts.is_empty() {
        return play_all(setup, job).await;
    }
    let mut opened = None;
    if let Some(cell) = job.cells.first() {
        match setup.open(job, &cell.provider).await {
            Ok(app) => opened = Some((cell.provider.clone(), Arc::new(app))),
            Err(reason) => return say(&Reply::Fatal { reason }),
        }
    }
    say(&Reply::Ready { release: !cfg!(debug_assertions) })?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() != GO {
        return Ok(());
    }
    for cell in &job.cells {
        let app = match &opened {
            Some((provider, app)) if *provider == cell.provider => Arc::clone(app),
            _ => {
                // The one before is closed first: a file may be open only once.
                drop(opened.take());
                match setup.open(job, &cell.provider).await {
                    Ok(app) => {
                        let app = Arc::new(app);
                        opened = Some((cell.provider.clone(), Arc::clone(&app)));
                        app
                    }
                    Err(reason) => return say(&Reply::Fatal { reason }),
                }
            }
        };
        let reply = measure::measure(&app, job, cell).await;
        let wrong = matches!(reply.outcome, Outcome::Wrong { .. });
        say(&Reply::Cell(Box::new(reply)))?;
        if wrong {
            // What a lane that answers wrongly takes for it is of no interest.
            break;
        }
    }
    Ok(())
}

/// Plays transcripts, each on an app of its own. Who asked for them has told to go by that.
async fn play_all(setup: &impl Setup, job: &Job) -> io::Result<()> {
    say(&Reply::Ready { release: !cfg!(debug_assertions) })?;
    for &name in &job.transcripts {
        let played = async {
            let provider = job.stores.first().ok_or("the job has no store")?;
            let app = setup.open(job, &provider.provider).await?;
            let transcript = Transcript::stored(name).map_err(|error| error.to_string())?;
            play(&app, &transcript).await
        };
        match played.await {
            Ok(outcome) => say(&Reply::Transcript { app: name, outcome })?,
            Err(reason) => return say(&Reply::Fatal { reason }),
        }
    }
    Ok(())
}

fn say(reply: &Reply) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    out.flush()
}
