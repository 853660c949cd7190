//! All metrics, as one text.

mod traffic;

use std::sync::Arc;

use pillion_capabilities::{Counters, Operations};

use super::histogram::Bounds;
use super::pubsub::Messages;
use super::text::{BYTE, MILLISECOND, Text, labels};
use super::{Meter, Metrics, held, requests};
use crate::Sidecar;
use crate::component::Components;

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";
const HISTOGRAM: &str = "histogram";

/// What is in most labels.
struct Page<'a> {
    text: Text,
    app_id: &'a str,
    namespace: &'a str,
}

pub(super) fn text(sidecar: &Sidecar) -> String {
    let components = sidecar.components();
    let namespace = sidecar.settings.namespace.as_str();
    let mut page = Page { text: Text::default(), app_id: &sidecar.app_id, namespace };
    page.provider_calls(&components);
    if let Some(metrics) = &sidecar.metrics {
        page.http(metrics);
        page.grpc(metrics);
        page.components(&components);
        page.messages(metrics);
        page.calls_of_apps(metrics);
        page.requests_to_app(&metrics.clients);
        if let Some(resiliency) = &sidecar.resiliency {
            page.policies(resiliency);
        }
        page.runtime(metrics, &components);
    }
    page.text.into_text()
}

// === impl Page ===

impl Page<'_> {
    /// Our own: with these, tests know what reached a provider.
    fn provider_calls(&mut self, components: &Components) {
        let help = "Calls that reached a component's provider.";
        self.text.family(CALLS, COUNTER, help);
        for store in components.state.iter() {
            self.calls(&store.name, store.provider.name(), store.provider.counters());
        }
        for (name, pubsub) in components.pubsub.iter() {
            self.calls(name, pubsub.provider.name(), pubsub.provider.counters());
        }
        for (name, store) in components.secrets.iter() {
            self.calls(name, store.provider.name(), store.provider.counters());
        }
        for (name, store) in components.configuration.iter() {
            self.calls(name, store.provider.name(), store.provider.counters());
        }
        for (name, store) in components.locks.iter() {
            self.calls(name, store.provider.name(), store.provider.counters());
        }
        for (name, binding) in components.outputs.iter() {
            match &binding.output {
                crate::bindings::Output::Http(http) => {
                    self.calls(name, http.client.name(), http.client.counters());
                }
                crate::bindings::Output::LocalStorage(storage) => {
                    self.calls(name, "localstorage", storage.counters());
                }
            }
        }
    }

    fn calls<O: Operations>(&mut self, component: &str, provider: &str, counters: &Counters<O>) {
        for operation in O::ALL {
            let labels =
                labels(&[("component", component), ("provider", provider), ("operation", operation.name())]);
            self.text.sample(CALLS, &labels, counters.of(*operation));
        }
    }

    fn http(&mut self, metrics: &Metrics) {
        let all: Vec<_> = metrics
            .http
            .iter()
            .map(|(name, outcome, series)| {
                let status = requests::status(outcome);
                let labels = labels(&[("app_id", self.app_id), ("method", name.text()), ("status", &status)]);
                (labels, series)
            })
            .collect();
        let text = &mut self.text;
        for (name, help) in [
            ("dapr_http_server_request_count", "Number of HTTP requests started in server."),
            ("dapr_http_server_response_count", "The number of HTTP responses"),
        ] {
            text.family(name, COUNTER, help);
            for (labels, series) in &all {
                text.sample(name, labels, series.latency.distribution(&metrics.times).count);
            }
        }
        let name = "dapr_http_server_latency";
        text.family(name, HISTOGRAM, "HTTP request end-to-end latency in server, in milliseconds.");
        for (labels, series) in &all {
            text.histogram(name, labels, &series.latency, &metrics.times, MILLISECOND);
        }
        let name = "dapr_http_server_request_bytes";
        text.family(name, HISTOGRAM, "HTTP request body size in server, in bytes.");
        for (labels, series) in &all {
            text.histogram(name, labels, &series.received, &metrics.sizes, BYTE);
        }
        let name = "dapr_http_server_response_bytes";
        text.family(name, HISTOGRAM, "HTTP response body size in server, in bytes.");
        for (labels, series) in &all {
            text.histogram(name, labels, &series.sent, &metrics.sizes, BYTE);
        }
    }

    fn grpc(&mut self, metrics: &Metrics) {
        let all: Vec<_> = metrics
            .grpc
            .iter()
            .map(|(name, outcome, series)| {
                let method = format!("{}{}", crate::grpc::SERVICE, name.text());
                let labels = labels(&[
                    ("app_id", self.app_id),
                    ("grpc_server_method", &method),
                    ("grpc_server_status", requests::code(outcome)),
                ]);
                (labels, series)
            })
            .collect();
        let name = "dapr_grpc_io_server_completed_rpcs";
        self.text.family(name, COUNTER, "Count of RPCs by method and status.");
        for (labels, series) in &all {
            self.text.sample(name, labels, series.latency.distribution(&metrics.times).count);
        }
        let name = "dapr_grpc_io_server_server_latency";
        let help = "Distribution of server latency in milliseconds, by method and status.";
        self.text.family(name, HISTOGRAM, help);
        for (labels, series) in &all {
            self.text.histogram(name, labels, &series.latency, &metrics.times, MILLISECOND);
        }
    }

    fn components(&mut self, components: &Components) {
        let state = components.state.iter().map(|store| (store.name.as_str(), store.meter.as_deref()));
        self.kind("state", state.collect());
        let secrets = components.secrets.iter().map(|(name, store)| (name, store.meter.get()));
        self.kind("secret", secrets.collect());
        let configuration = components.configuration.iter().map(|(name, store)| (name, store.meter.get()));
        self.kind("configuration", configuration.collect());
        let outputs = components.outputs.iter().map(|(name, binding)| (name, binding.meter.get()));
        self.kind("output_binding", outputs.collect());
        let inputs = components.inputs.iter().map(|(name, binding)| (name, binding.meter.get()));
        self.kind("input_binding", inputs.collect());
    }

    /// What the components of one kind count.
    fn kind(&mut self, kind: &str, all: Vec<(&str, Option<&Meter>)>) {
        let all: Vec<_> = all
            .into_iter()
            .filter_map(|(name, meter)| Some((name, meter?)))
            .flat_map(|(component, meter)| {
                let (app_id, namespace) = (self.app_id, self.namespace);
                meter.iter().map(move |(operation, success, histogram)| {
                    let mut all =
                        vec![("app_id", app_id), ("component", component), ("namespace", namespace)];
                    if !operation.is_empty() {
                        all.push(("operation", operation));
                    }
                    all.push(("success", if success { "true" } else { "false" }));
                    (labels(&all), meter.bounds(), histogram)
                })
            })
            .collect();
        if all.is_empty() {
            return;
        }
        let count = format!("dapr_component_{kind}_count");
        self.text.family(&count, COUNTER, "The number of operations performed on the component.");
        for (labels, bounds, histogram) in &all {
            self.text.sample(&count, labels, histogram.distribution(bounds).count);
        }
        let latencies = format!("dapr_component_{kind}_latencies");
        let help = "The latency of the response from the component, in milliseconds.";
        self.text.family(&latencies, HISTOGRAM, help);
        for (labels, bounds, histogram) in &all {
            self.text.histogram(&latencies, labels, histogram, bounds, MILLISECOND);
        }
    }

    fn messages(&mut self, metrics: &Metrics) {
        let pubsub = &metrics.pubsub;
        for (way, messages, outcome) in [
            ("pubsub_egress", &pubsub.egress, "success"),
            ("bulk_pubsub_egress", &pubsub.bulk_egress, "success"),
            ("bulk_pubsub_ingress", &pubsub.bulk_ingress, "process_status"),
            ("pubsub_ingress", &pubsub.ingress, "process_status"),
        ] {
            self.way(way, messages, outcome, pubsub.bounds());
        }
    }

    fn way(&mut self, way: &str, messages: &Messages, outcome: &str, bounds: &Bounds) {
        let all: Vec<_> = messages
            .all()
            .into_iter()
            .map(|(topic, sort, histogram)| {
                let labels = labels(&[
                    ("app_id", self.app_id),
                    ("component", &sort.component),
                    ("namespace", self.namespace),
                    (outcome, sort.outcome),
                    ("topic", &topic),
                ]);
                (labels, histogram)
            })
            .collect();
        if all.is_empty() {
            return;
        }
        let (count, latencies) =
            (format!("dapr_component_{way}_count"), format!("dapr_component_{way}_latencies"));
        self.text.family(&count, COUNTER, "The number of messages.");
        for (labels, histogram) in &all {
            self.text.sample(&count, labels, histogram.distribution(bounds).count);
        }
        self.text.family(&latencies, HISTOGRAM, "How long they took, in milliseconds.");
        for (labels, histogram) in &all {
            self.text.histogram(&latencies, labels, histogram, bounds, MILLISECOND);
        }
    }

    fn runtime(&mut self, metrics: &Metrics, components: &Arc<Components>) {
        let own = labels(&[("app_id", self.app_id), ("namespace", self.namespace)]);
        let name = "dapr_runtime_component_loaded";
        self.text.family(name, GAUGE, "The number of components that are loaded.");
        self.text.sample(name, &own, components.listed.len());
        let opened = held(&metrics.opened).clone();
        for (name, help, which) in [
            ("dapr_runtime_component_init_total", "The number of initialized components.", 0),
            ("dapr_runtime_component_init_fail_total", "The number of component initialization failures.", 1),
        ] {
            self.text.family(name, COUNTER, help);
            for (kind, (done, failed)) in &opened {
                let number = if which == 0 { done } else { failed };
                let labels =
                    labels(&[("app_id", self.app_id), ("component", kind), ("namespace", self.namespace)]);
                self.text.sample(name, &labels, number);
            }
        }
        if let Some(errors) = &metrics.errors {
            let name = "dapr_error_code_total";
            self.text.family(name, COUNTER, "Failures of the API, by their codes.");
            for (error_code, number) in held(errors).iter() {
                let category = category(error_code);
                let labels =
                    labels(&[("app_id", self.app_id), ("category", category), ("error_code", error_code)]);
                self.text.sample(name, &labels, number);
            }
        }
    }
}

const CALLS: &str = "pillion_provider_calls_total";

/// What a failure is of, by its code.
fn category(error_code: &str) -> &'static str {
    const CATEGORIES: [(&str, &str); 13] = [
        ("STATE", "state"),
        ("PUBSUB", "pubsub"),
        ("TOPIC", "pubsub"),
        ("DIRECT_INVOKE", "service-invocation"),
        ("BINDING", "binding"),
        ("SECRET", "secret"),
        ("PERMISSION", "secret"),
        ("CONFIGURATION", "configuration"),
        ("LOCK", "lock"),
        ("ACTOR", "actor"),
        ("WORKFLOW", "workflow"),
        ("CRYPTO", "crypto"),
        ("HEALTH", "health"),
    ];
    let found = CATEGORIES.iter().find(|(part, _)| error_code.contains(part));
    found.map_or("common", |(_, category)| category)
}
