//! Metrics of calls of apps, of the policies for calls, and of requests to the app.

use super::{COUNTER, GAUGE, HISTOGRAM, Page};
use crate::metrics::calls::{Count, Peers, Sort};
use crate::metrics::text::{MILLISECOND, labels};
use crate::metrics::{Clients, Metrics};
use crate::resiliency::Resiliency;

// === impl Page ===

impl Page<'_> {
    pub(super) fn calls_of_apps(&mut self, metrics: &Metrics) {
        let calls = &metrics.calls;
        let name = "dapr_runtime_service_invocation_req_sent_total";
        self.peers(name, "The number of requests sent via service invocation.", "dst_app_id", &calls.sent);
        let name = "dapr_runtime_service_invocation_req_recv_total";
        let help = "The number of requests received via service invocation.";
        self.peers(name, help, "src_app_id", &calls.received);
        let name = "dapr_runtime_service_invocation_res_sent_total";
        self.peers(
            name,
            "The number of responses sent via service invocation.",
            "dst_app_id",
            &calls.answers,
        );
        let answered = calls.answered.all();
        let name = "dapr_runtime_service_invocation_res_recv_total";
        self.text.family(name, COUNTER, "The number of responses received via service invocation.");
        for (app, sort, histogram) in &answered {
            let labels = self.peer("src_app_id", app, *sort, true);
            self.text.sample(name, &labels, histogram.distribution(&metrics.times).count);
        }
        let name = "dapr_runtime_service_invocation_res_recv_latency_ms";
        self.text.family(name, HISTOGRAM, "The latency of service invocation response.");
        // How long a stream goes on is no latency.
        for (app, sort, histogram) in answered.iter().filter(|(_, sort, _)| !sort.streaming) {
            let labels = self.peer("src_app_id", app, *sort, false);
            self.text.histogram(name, &labels, histogram, &metrics.times, MILLISECOND);
        }
    }

    fn peers(&mut self, name: &str, help: &str, end: &str, peers: &Peers<Count>) {
        self.text.family(name, COUNTER, help);
        for (app, sort, count) in peers.all() {
            let labels = self.peer(end, &app, sort, true);
            self.text.sample(name, &labels, count.get());
        }
    }

    fn peer(&self, end: &str, app: &str, sort: Sort, typed: bool) -> String {
        let status = sort.outcome.map(|outcome| outcome.text());
        let mut all = vec![("app_id", self.app_id), (end, app)];
        if let Some(status) = &status {
            all.push(("status", status));
        }
        if typed {
            all.push(("type", if sort.streaming { "streaming" } else { "unary" }));
        }
        labels(&all)
    }

    pub(super) fn policies(&mut self, resiliency: &Resiliency) {
        let name = "dapr_resiliency_loaded";
        self.text.family(name, GAUGE, "Number of resiliency policies loaded.");
        for resource in &resiliency.names {
            let labels =
                labels(&[("app_id", self.app_id), ("name", resource), ("namespace", self.namespace)]);
            self.text.sample(name, &labels, 1);
        }
        // As with Dapr, what several resources say together goes by the name of the last one.
        let resource = resiliency.names.last().map_or("", String::as_str);
        let mut all = Vec::new();
        for (way, target, tally) in resiliency.tallies.all() {
            for (kind, applied, activated) in tally.all() {
                let (policy, status) = kind.text();
                let labels = labels(&[
                    ("app_id", self.app_id),
                    ("flow_direction", way),
                    ("name", resource),
                    ("namespace", self.namespace),
                    ("policy", policy),
                    ("status", status),
                    ("target", &target),
                ]);
                all.push((labels, applied, activated));
            }
        }
        let name = "dapr_resiliency_count";
        let help = "Number of times a resiliency policyKey has been applied to a building block.";
        self.text.family(name, COUNTER, help);
        for (labels, applied, _) in all.iter().filter(|(_, applied, _)| *applied > 0) {
            self.text.sample(name, labels, applied);
        }
        let name = "dapr_resiliency_activations_total";
        let help = "Number of times a resiliency policyKey has been activated in a building block after a failure or \
                    after a state change.";
        self.text.family(name, COUNTER, help);
        for (labels, _, activated) in all.iter().filter(|(_, _, activated)| *activated > 0) {
            self.text.sample(name, labels, activated);
        }
    }

    pub(super) fn requests_to_app(&mut self, clients: &Clients) {
        for (count, latency, [method, status], all) in [
            (
                "dapr_http_client_completed_count",
                "dapr_http_client_roundtrip_latency",
                ["method", "status"],
                clients.http(),
            ),
            (
                "dapr_grpc_io_client_completed_rpcs",
                "dapr_grpc_io_client_roundtrip_latency",
                ["grpc_client_method", "grpc_client_status"],
                clients.grpc(),
            ),
        ] {
            let all: Vec<_> = all
                .into_iter()
                .map(|(name, outcome, histogram)| {
                    (labels(&[("app_id", self.app_id), (method, name), (status, &outcome)]), histogram)
                })
                .collect();
            self.text.family(count, COUNTER, "Count of completed requests to the app.");
            for (labels, histogram) in &all {
                self.text.sample(count, labels, histogram.distribution(clients.bounds()).count);
            }
            self.text.family(latency, HISTOGRAM, "How long the app took to answer, in milliseconds.");
            for (labels, histogram) in &all {
                self.text.histogram(latency, labels, histogram, clients.bounds(), MILLISECOND);
            }
        }
    }
}
