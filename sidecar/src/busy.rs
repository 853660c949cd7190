//! Polling without pause.

/// Keeps its executor awake, so that a request is read as soon as it is there and not once the kernel has woken a
/// thread: for that the thread takes a core for itself. It never completes.
pub(crate) async fn spin() {
    loop {
        // With nothing else to do, the executor asks the kernel what is ready, without waiting, and comes back.
        tokio::task::yield_now().await;
    }
}
