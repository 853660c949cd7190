//! What all connections share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName};
use pillion_capabilities::trace::Tracing;
use tokio::sync::{Notify, watch};

use crate::ApiError;
use crate::app::App;
use crate::component::Components;
use crate::config::Settings;
use crate::invoke::Invoker;
use crate::metrics::Metrics;
use crate::middleware::Pipeline;
use crate::pubsub::Subscriptions;
use crate::resiliency::Resiliency;
use crate::state::Store;
use crate::under_way::UnderWay;

/// The version that clients are told: the release of Dapr whose API this is.
pub(crate) const RUNTIME_VERSION: &str = "1.18.0";

/// The header that carries the token.
pub(crate) const API_TOKEN: HeaderName = HeaderName::from_static("dapr-api-token");

/// One sidecar: its components, its app and what it knows of itself. All connections share it.
#[derive(Debug)]
pub struct Sidecar {
    pub(crate) app_id: String,
    /// What requests find by a component's name.
    components: ArcSwap<Components>,
    /// The app, if there is one to call.
    pub(crate) app: Option<App>,
    /// What calls other apps.
    pub(crate) invoker: Invoker,
    /// What looks at requests over HTTP before the API does.
    pub(crate) http_pipeline: Option<Pipeline>,
    /// What looks at calls over HTTP before the app does.
    pub(crate) app_pipeline: Option<Pipeline>,
    /// What is done where calls fail, if anything is said.
    pub(crate) resiliency: Option<Arc<Resiliency>>,
    /// What the app subscribes to.
    pub(crate) subscriptions: Subscriptions,
    /// What else the app is told of.
    pub(crate) under_way: UnderWay,
    /// The token every request must carry, if there is one.
    pub(crate) api_token: Option<String>,
    /// The longest request body, in bytes.
    pub(crate) max_body_size: usize,
    /// Whether every request is logged.
    pub(crate) log_requests: bool,
    /// What makes a span of each request.
    pub(crate) tracing: Option<Tracing>,
    /// What is counted, if anything is.
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// What its Configuration says of blocks.
    pub(crate) settings: Settings,
    /// Metadata that apps have set.
    extended: RwLock<BTreeMap<String, String>>,
    serving: AtomicBool,
    closing: watch::Sender<bool>,
    stop: Notify,
    /// Asked to look at the components' files.
    reload: Notify,
    /// Tells whoever follows the components that they are others.
    changed: watch::Sender<()>,
}

// === impl Sidecar ===

impl Sidecar {
    /// A sidecar of an app, with its stores.
    #[must_use]
    pub fn new(app_id: impl Into<String>, stores: Vec<Store>) -> Self {
        let app_id = app_id.into();
        Self {
            components: ArcSwap::from_pointee(Components::of_stores(&app_id, stores)),
            app_id,
            app: None,
            invoker: Invoker::default(),
            http_pipeline: None,
            app_pipeline: None,
            resiliency: None,
            subscriptions: Subscriptions::default(),
            under_way: UnderWay::default(),
            api_token: None,
            max_body_size: 4 << 20,
            log_requests: false,
            tracing: None,
            extended: RwLock::default(),
            serving: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            stop: Notify::new(),
            metrics: None,
            settings: Settings::default(),
            reload: Notify::new(),
            changed: watch::Sender::new(()),
        }
    }

    /// Has spans made of requests. Components have a span of each call made where they are opened for it.
    pub fn trace(&mut self, tracing: Tracing) {
        self.tracing = Some(tracing);
    }

    /// The components of now. A request asks once, so that all of it meets the same ones.
    pub fn components(&self) -> Arc<Components> {
        self.components.load_full()
    }

    /// Replaces the components; requests under way keep those that they met.
    pub(crate) fn set_components(&self, components: Components) {
        self.components.store(Arc::new(components));
        self.changed.send_replace(());
    }

    /// Tells of each change of the components, from now on. What is begun by them, as a subscription, is looked at again
    /// then.
    pub(crate) fn component_changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Has the components' files looked at anew.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Completes when somebody has asked for that.
    pub(crate) async fn reload_asked(&self) {
        self.reload.notified().await;
    }

    /// Asks the sidecar to stop, as a request for shutdown does.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Completes when somebody has asked for a stop.
    pub(crate) async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// Whether requests are welcome: not before all listeners are there, nor while it drains.
    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    pub(crate) fn set_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::Release);
        if !serving {
            self.closing.send_replace(true);
        }
    }

    /// Completes when the sidecar stops to serve: what would go on for ever ends then.
    pub(crate) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.closing.subscribe();
        async move {
            // It fails only when the sidecar is gone, which is as good.
            let _ = closing.wait_for(|closing| *closing).await;
        }
    }

    /// Whether [`Sidecar::closing`] has completed.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    pub(crate) fn set_extended(&self, key: String, value: String) {
        let mut extended = self.extended.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        extended.insert(key, value);
    }

    /// What apps have set, and the version that clients look for.
    pub(crate) fn extended(&self) -> BTreeMap<String, String> {
        let mut extended = self.extended.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        extended.insert("daprRuntimeVersion".to_owned(), RUNTIME_VERSION.to_owned());
        extended
    }

    /// Counts a failure, if failures are counted.
    pub(crate) fn count_error(&self, error: &ApiError) {
        if let Some(metrics) = &self.metrics {
            metrics.count_error(error.error_code);
        }
    }

    /// Whether a request with these headers may pass: it carries the token, if there is one.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.api_token else { return true };
        headers.get(API_TOKEN).is_some_and(|token| same(token.as_bytes(), expected.as_bytes()))
    }
}

/// Compares without telling by its time how much of a guess was right.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differing, (l, r)| differing | (l ^ r)) == 0
}
