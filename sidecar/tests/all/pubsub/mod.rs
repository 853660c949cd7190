//! Publish and subscribe, with a real app behind the sidecar.

mod app;
mod bulk;
mod bulk_policies;
mod declared;
mod deliver;
mod errors;
mod grpc;
mod publish;
mod reliability;
mod servers;
mod spans;
mod streams;
mod welcome;

use http::StatusCode;
use serde_json::{Value, json};

use crate::app::{App, Asked};
use crate::sidecar::Sidecar;

/// The component `bus`, in memory.
pub(crate) const BUS: &str = "\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: bus
spec:
  type: pubsub.in-memory
  version: v1
";

/// What an app answers: a status, and a body.
type Answer = (u16, &'static str);

/// An app that subscribes to this, and answers events so.
async fn subscriber(subscriptions: Value, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> App {
    App::start(subscribing(subscriptions, answer)).await
}

fn subscribing(
    subscriptions: Value,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Asked) -> (StatusCode, String) + Send + Sync + 'static {
    move |asked| match asked.path.as_str() {
        "/dapr/subscribe" => (StatusCode::OK, subscriptions.to_string()),
        _ => {
            let (status, body) = answer(asked);
            (StatusCode::from_u16(status).unwrap(), body.to_owned())
        }
    }
}

/// A sidecar with these components, whose app has begun so many subscriptions.
async fn beside(app: &App, components: &str, subscriptions: usize) -> Sidecar {
    let sidecar = Sidecar::with(components, &["--app-port", &app.port.to_string()]);
    until_subscribed(&sidecar, subscriptions).await;
    sidecar
}

/// Waits until so many subscriptions have begun, and answers them.
pub(crate) async fn until_subscribed(sidecar: &Sidecar, count: usize) -> Vec<Value> {
    loop {
        let metadata = sidecar.call("GET", "/v1.0/metadata", "").await.json();
        let subscriptions = metadata["subscriptions"].as_array().unwrap();
        if subscriptions.len() == count {
            return subscriptions.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// One subscription of the component `bus`.
fn one(topic: &str) -> Value {
    json!([{ "pubsubname": "bus", "topic": topic, "route": format!("/on/{topic}") }])
}
