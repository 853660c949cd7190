//! When a value goes away, as responses tell it.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};

/// The name of the response metadata that tells it.
pub(crate) const EXPIRE_TIME: &str = "ttlExpireTime";

/// A time after RFC 3339, in whole seconds of UTC.
#[must_use]
pub fn expire_time(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}
