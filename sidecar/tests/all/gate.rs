//! What holds an app of a test up.

use std::sync::{Arc, Condvar, Mutex};

/// Something that is closed until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open; the thread's other tasks go on on another.
    pub(crate) fn pass(&self) {
        tokio::task::block_in_place(|| {
            drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |open| !*open).unwrap());
        });
    }
}
