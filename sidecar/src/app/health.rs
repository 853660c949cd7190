//! Whether the app is healthy, if it is to be asked.

use std::sync::Arc;
use std::time::Duration;

use dapr::dapr::proto::runtime::v1::app_callback_health_check_client::AppCallbackHealthCheckClient;
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::App;
use crate::body::whole;
use crate::{Flags, Sidecar};

/// How the app is asked, and what it was last.
#[derive(Debug)]
pub(crate) struct Health {
    /// How it is asked; not at all, and it is healthy.
    pub(crate) probe: Option<Probe>,
    healthy: watch::Sender<bool>,
}

/// daprd's flags for the health of apps.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) path: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) threshold: u32,
}

// === impl Health ===

impl Health {
    pub(super) fn new(flags: &Flags) -> Self {
        let probe = flags.enable_app_health_check.then(|| Probe {
            path: flags.app_health_check_path.clone(),
            interval: flags.app_health_probe_interval.max(Duration::from_millis(1)),
            timeout: flags.app_health_probe_timeout,
            threshold: flags.app_health_threshold.get(),
        });
        // As with Dapr, an app that is asked is not healthy until it has said so.
        Self { healthy: watch::Sender::new(probe.is_none()), probe }
    }

    pub(super) fn is_healthy(&self) -> bool {
        *self.healthy.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.healthy.subscribe()
    }
}

/// Asks the app for its health for ever, if it is to be asked.
pub(crate) async fn watch_health(sidecar: &Arc<Sidecar>) {
    let Some(app) = &sidecar.app else { return };
    let Some(probe) = &app.health.probe else { return };
    app.until_open().await;
    let mut ticks = tokio::time::interval_at(Instant::now(), probe.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0_u32;
    loop {
        ticks.tick().await;
        let asked = tokio::time::timeout(probe.timeout, ask(app, probe)).await;
        let outcome = asked.unwrap_or_else(|_| Err(format!("no answer within {:?}", probe.timeout)));
        match outcome {
            Ok(()) => {
                failures = 0;
                if !app.health.healthy.send_replace(true) {
                    tracing::info!("the app is healthy");
                }
            }
            Err(reason) => {
                failures = failures.saturating_add(1);
                if failures >= probe.threshold && app.health.healthy.send_replace(false) {
                    tracing::warn!("the app is not healthy after {failures} questions: {reason}");
                }
            }
        }
    }
}

async fn ask(app: &App, probe: &Probe) -> Result<(), String> {
    if app.protocol.is_grpc() {
        let token = app.token.clone();
        let mut client = AppCallbackHealthCheckClient::new(app.grpc.clone());
        let mut request = tonic::Request::new(());
        if let Some(token) = token.and_then(|token| token.to_str().ok()?.parse().ok()) {
            request.metadata_mut().insert("dapr-api-token", token);
        }
        return client.health_check(request).await.map(drop).map_err(|status| status.message().to_owned());
    }
    let path = if probe.path.starts_with('/') { probe.path.clone() } else { format!("/{}", probe.path) };
    let request = Request::builder().method(Method::GET).uri(path).body(whole(bytes::Bytes::new()));
    let request = request.map_err(|error| format!("--app-health-check-path: {error}"))?;
    // Not a turn: an app that is busy is not sick.
    let response = app.exchange(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    // Read to its end, so that its connection can be used again.
    let _ = http_body_util::Limited::new(response.into_body(), 1 << 16).collect().await;
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(format!("it answers {status}")) }
}

/// A length of time as Go writes it, to the millisecond.
pub(crate) fn go_duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if seconds == 0 {
        return if millis == 0 { "0s".to_owned() } else { format!("{millis}ms") };
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match millis {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_go_does() {
        for (millis, expected) in [
            (0, "0s"),
            (500, "500ms"),
            (5_000, "5s"),
            (1_050, "1.05s"),
            (60_000, "1m0s"),
            (90_500, "1m30.5s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), expected);
        }
    }
}
