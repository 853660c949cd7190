//! Sleeping until another process says that there is something to look for.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use iceoryx2::port::listener::Listener;
use iceoryx2::prelude::FileDescriptorBased;
use iceoryx2::service::Service;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// What is woken through an event. Several may wait for it.
pub(crate) struct Wake<S: Service>
where
    Listener<S>: FileDescriptorBased,
{
    descriptor: AsyncFd<Descriptor<S>>,
    others: Notify,
}

struct Descriptor<S: Service>(Listener<S>);

// === impl Wake ===

impl<S: Service> Wake<S>
where
    Listener<S>: FileDescriptorBased,
{
    pub(crate) fn new(listener: Listener<S>) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "registering a descriptor is unsafe")]
        // SAFETY: the listener keeps its descriptor, always the same one, open for as long as it is there.
        let descriptor =
            unsafe { AsyncFd::register_with_interest(Descriptor(listener), Interest::READABLE) }?;
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
                let listener = &ready.get_inner().0;
                listener.try_wait(|_| {}).map_err(|error| io::Error::other(error.to_string()))?;
                ready.clear_ready();
                self.others.notify_waiters();
                Ok(())
            }
        }
    }
}

impl<S: Service> AsRawFd for Descriptor<S>
where
    Listener<S>: FileDescriptorBased,
{
    fn as_raw_fd(&self) -> RawFd {
        let descriptor = self.0.file_descriptor();
        #[expect(unsafe_code, reason = "the number itself is behind an unsafe function")]
        // SAFETY: the listener keeps its descriptor open for as long as it is there, and so does whoever holds this.
        unsafe {
            descriptor.native_handle()
        }
    }
}
