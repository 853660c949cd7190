//! What a subscriber writes, and a test reads.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::subscriber::DefaultGuard;

#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// Hears what is logged on this thread, as long as the guard is there.
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        let written = Self::default();
        let made = written.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || made.clone()).finish();
        (written, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
