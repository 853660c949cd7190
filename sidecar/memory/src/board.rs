//! Where a sidecar tells its clients that it sleeps: memory that it writes and they read.

use std::sync::atomic::{Ordering, fence};

use iceoryx2::port::reader::EntryHandle;
use iceoryx2::port::writer::EntryHandleMut;

use crate::OpenError;
use crate::service::{Service, Services, system};

/// The only entry.
const KEY: u32 = 0;

/// The sidecar's side.
pub(crate) struct Told(EntryHandleMut<Service, u32, u32>);

/// A client's side.
pub(crate) struct Seen(EntryHandle<Service, u32, u32>);

// === impl Told ===

impl Told {
    /// A board of a name that nobody else has.
    pub(crate) fn create(services: &Services, name: &str) -> Result<Self, OpenError> {
        let failed = |error: &dyn std::fmt::Debug| system(services.name(), error);
        let board = services.builder(name)?.blackboard_creator::<u32>().add::<u32>(KEY, 0).create();
        let writer = board.map_err(|error| failed(&error))?.writer_builder().create();
        let entry = writer.map_err(|error| failed(&error))?.entry::<u32>(&KEY);
        Ok(Self(entry.map_err(|error| failed(&error))?))
    }

    /// Says that the sidecar will sleep. It looks once more afterwards for calls: one that was sent before its client
    /// could see this is seen then.
    pub(crate) fn falls_asleep(&self) {
        self.0.update_with_copy(1);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn awakes(&self) {
        self.0.update_with_copy(0);
    }
}

// === impl Seen ===

impl Seen {
    /// The board of a sidecar.
    pub(crate) fn open(services: &Services, name: &str) -> Result<Self, OpenError> {
        let failed = |error: &dyn std::fmt::Debug| system(services.name(), error);
        let board = services.builder(name)?.blackboard_opener::<u32>().open();
        let reader = board.map_err(|error| failed(&error))?.reader_builder().create();
        let entry = reader.map_err(|error| failed(&error))?.entry::<u32>(&KEY);
        Ok(Self(entry.map_err(|error| failed(&error))?))
    }

    /// Whether the sidecar sleeps; a client asks after it has sent a call.
    pub(crate) fn is_asleep(&self) -> bool {
        fence(Ordering::SeqCst);
        *self.0.get() != 0
    }
}
