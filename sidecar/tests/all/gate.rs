//! What holds an app of a test up.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// No test needs to have one closed for so long.
const LONGEST: Duration = Duration::from_secs(60);

/// Something that is closed until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open; the thread's other tasks go on on another. A test that failed before it opened one does not
    /// wait for ever.
    pub(crate) fn pass(&self) {
        tokio::task::block_in_place(|| {
            let closed = |open: &mut bool| !*open;
            let passed = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), LONGEST, closed).unwrap();
            assert!(!passed.1.timed_out(), "a gate stayed closed");
        });
    }
}
