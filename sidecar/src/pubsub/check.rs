//! What can be asked of events from outside: for checks with any bytes.

use super::envelope::{Parts, envelope};
use super::event::Event;
use super::{Trace, trace};
use crate::state::Metadata;

/// What is published, over the component `pubsub` and to the topic `topic`, of data of a content type.
///
/// # Errors
/// What claims to be an event and is none.
pub fn published(content_type: &str, data: &[u8]) -> Result<Vec<u8>, String> {
    let (metadata, trace) = (Metadata::new(), Trace { parent: Some(trace::NONE.to_owned()), state: None });
    let (app_id, pubsub, topic) = ("app", "pubsub", "topic");
    envelope(&Parts {
        app_id,
        pubsub,
        topic,
        content_type,
        data,
        metadata: &metadata,
        trace: &trace,
        ttl: None,
    })
}

/// Whether what comes from a broker can be understood as an event. All that is looked at before a delivery is looked at.
#[must_use]
pub fn understood(bytes: &[u8]) -> bool {
    Event::read(bytes).is_ok_and(|event| {
        let (_, _) = (event.has_expired(), event.trace());
        event.value().is_ok()
    })
}
