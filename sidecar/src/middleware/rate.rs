//! `middleware.http.ratelimit`: so many requests in a second.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Takes so many requests in a second, and as many at once. One count for all: who calls a sidecar is its app.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

// === impl Rate ===

impl Rate {
    /// As Dapr has it where nothing is said.
    pub(crate) const DEFAULT: f64 = 10.0;

    pub(crate) fn new(per_second: f64) -> Self {
        let bucket = Bucket { left: per_second.max(1.0), at: Instant::now() };
        Self { per_second, bucket: Mutex::new(bucket) }
    }

    pub(super) fn admits(&self) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let more = now.duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.at = now;
        bucket.left = (bucket.left + more).min(self.per_second.max(1.0));
        let admits = bucket.left >= 1.0;
        if admits {
            bucket.left -= 1.0;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_are_taken_in_a_second() {
        for (per_second, at_once) in [(3.0, 3), (0.5, 1)] {
            let rate = Rate::new(per_second);
            let taken = || (0..100).filter(|_| rate.admits()).count();
            assert_eq!(taken(), at_once);
            tokio::time::advance(Duration::from_millis(999)).await;
            assert_eq!(taken(), at_once - 1);
            tokio::time::advance(Duration::from_secs(3_600)).await;
            assert_eq!(taken(), at_once);
        }
    }
}
