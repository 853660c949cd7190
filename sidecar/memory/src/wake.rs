//! Sleeping until another process says that there is something to look for.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use iceoryx2::port::listener::Listener;
use iceoryx2::prelude::{FileDescriptorBased as _, ipc};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::in_turn::InTurn;

/// What is woken through an event. Several may wait for it.
pub(crate) struct Wake {
    descriptor: AsyncFd<Descriptor>,
    others: Notify,
}

struct Descriptor {
    listener: InTurn<Listener<ipc::Service>>,
    number: RawFd,
}

// === impl Wake ===

impl Wake {
    pub(crate) fn new(listener: Listener<ipc::Service>) -> io::Result<Self> {
        let descriptor = listener.file_descriptor();
        #[expect(unsafe_code, reason = "the number itself is behind an unsafe function")]
        // SAFETY: the listener keeps its descriptor, always the same one, open for as long as it is there.
        let number = unsafe { descriptor.native_handle() };
        #[expect(unsafe_code, reason = "a listener may be for one thread")]
        // SAFETY: a listener shares its state with nothing else, and is bound to no thread.
        let listener = unsafe { InTurn::new(listener) };
        #[expect(unsafe_code, reason = "registering a descriptor is unsafe")]
        // SAFETY: it is open for as long as the listener beside it is there.
        let descriptor =
            unsafe { AsyncFd::register_with_interest(Descriptor { listener, number }, Interest::READABLE) }?;
        Ok(Self { descriptor, others: Notify::new() })
    }

    /// Completes once it was woken after `look` found nothing; at once if it found something. `look` is called when
    /// nothing can be missed any more.
    pub(crate) async fn sleep(&self, look: impl FnOnce() -> bool) -> io::Result<()> {
        let other = self.others.notified();
        tokio::pin!(other);
        other.as_mut().enable();
        if look() {
            return Ok(());
        }
        tokio::select! {
            () = other => Ok(()),
            ready = self.descriptor.readable() => {
                let mut ready = ready?;
                // Woken by what came before the last look: the next look tells.
                let woken = ready.get_inner().listener.lock().try_wait(|_| {});
                woken.map_err(|error| io::Error::other(error.to_string()))?;
                ready.clear_ready();
                self.others.notify_waiters();
                Ok(())
            }
        }
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.number
    }
}
