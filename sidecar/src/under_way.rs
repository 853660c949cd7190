//! What a stop waits for beside requests and subscriptions.

use tokio::sync::watch;

/// Counts what is under way, so that a stop can wait for its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay(watch::Sender<usize>);

/// Something that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Started(UnderWay);

// === impl UnderWay ===

impl UnderWay {
    /// Something begins. Who may still begin while the sidecar stops looks afterwards whether it does: what begins after
    /// [`UnderWay::ended`] has looked is not waited for.
    pub(crate) fn begin(&self) -> Started {
        self.0.send_modify(|count| *count += 1);
        Started(self.clone())
    }

    /// Waits until nothing is under way.
    pub(crate) async fn ended(&self) {
        // Its sender is here.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_began_has_ended() {
        let under_way = UnderWay::default();
        under_way.ended().await;
        let (one, other) = (under_way.begin(), under_way.begin());
        let ended = tokio::spawn({
            let under_way = under_way.clone();
            async move { under_way.ended().await }
        });
        drop(one);
        tokio::task::yield_now().await;
        assert!(!ended.is_finished());
        drop(other);
        ended.await.unwrap();
    }
}
