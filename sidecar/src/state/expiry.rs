//! When a value goes away, as responses tell it.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};

/// The name of the response metadata that tells it.
pub(crate) const EXPIRE_TIME: &str = "ttlExpireTime";

/// A time after RFC 3339, in whole seconds of UTC.
#[must_use]
pub fn expire_time(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    // Beyond what a calendar can tell is as good as its end.
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.unwrap_or(DateTime::<Utc>::MAX_UTC).to_rfc3339_opts(SecondsFormat::Secs, true)
}
