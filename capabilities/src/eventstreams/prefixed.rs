//! One binding's streams in a provider that several share.

use std::sync::Arc;

use futures_util::StreamExt;

use super::check::check_stream;
use super::{
    Delivery, Event, EventId, EventStreams, Operation, Query, Received, SubscribeOptions, Subscription,
    Values,
};
use crate::binding::{Binding, Bound};
use crate::prefix::{Prefix, Prefixed};
use crate::{Answer, Counters, Result};

/// Makes a binding of a provider, which knows one value, `prefix`: with it the binding sees no streams but its own, and
/// they have nothing in common with those of another prefix.
///
/// # Errors
///
/// [`Error::InvalidArgument`](crate::Error) if it was given another value, or the prefix is none.
pub fn prefixed(streams: Arc<dyn EventStreams>, binding: &Binding<'_>) -> Result<Bound<dyn EventStreams>> {
    Ok(match Prefix::of(binding, streams.name())? {
        None => Bound::by(streams),
        Some(prefix) => Bound::by(Arc::new(Prefixed { inner: streams, prefix })),
    })
}

// === impl Prefixed ===

impl EventStreams for Prefixed<dyn EventStreams> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn counters(&self) -> &Counters<Operation> {
        self.inner.counters()
    }

    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn write(&self, stream: &str, values: Values) -> Answer<EventId> {
        self.at(check_stream(stream), stream, |streams, stream| streams.write(stream, values))
    }

    fn query(&self, stream: &str, query: Query) -> Answer<Vec<Event>> {
        self.at(check_stream(stream), stream, |streams, stream| streams.query(stream, query))
    }

    fn subscribe(&self, stream: &str, options: SubscribeOptions) -> Answer<Subscription> {
        let own: Arc<str> = stream.into();
        let subscribed =
            self.at(check_stream(stream), stream, |streams, stream| streams.subscribe(stream, options));
        subscribed.map(move |subscription| {
            Subscription::new(subscription.map(move |Delivery { received, ticket }| {
                let received = Received { stream: Arc::clone(&own), ..received };
                Delivery { received, ticket }
            }))
        })
    }
}
