//! Messages that are published: calls and replies.

use std::cell::Cell;
use std::mem::MaybeUninit;

use iceoryx2::port::publisher::Publisher;
use iceoryx2::prelude::{AllocationStrategy, BackpressureStrategy, ZeroCopySend};
use iceoryx2::sample::Sample;
use iceoryx2::sample_mut_uninit::SampleMutUninit;

use crate::service::{Messages, Service};
use crate::{MOST_BYTES, MOST_UNDER_WAY};

/// What stands in front of a message.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Front {
    /// The number of the call.
    number: u64,
    /// The length of the message, which has that much room or more.
    length: u64,
}

#[expect(unsafe_code, reason = "the trait of what may lie in shared memory is unsafe to implement")]
// SAFETY: of C's layout, without pointers or references, valid whatever its bits, and of the same type on both ends.
unsafe impl ZeroCopySend for Front {}

/// A message as it arrives.
pub(crate) type Message = Sample<Service, [u8], Front>;

type Room = SampleMutUninit<Service, [MaybeUninit<u8>], Front>;

/// The room of a short message, in bytes.
const SHORT: usize = 256;

/// Publishes messages.
pub(crate) struct Messenger {
    publisher: Publisher<Service, [u8], Front>,
    /// Room for the next short message, made while the other end is at the last one.
    spare: Cell<Option<Room>>,
}

// === impl Messenger ===

impl Messenger {
    pub(crate) fn new(messages: &Messages) -> Result<Self, String> {
        let builder = messages
            .publisher_builder()
            // All of its room at once, of which the system gives what is used: memory that grows costs each call more.
            .initial_max_slice_len(MOST_BYTES)
            .allocation_strategy(AllocationStrategy::Static)
            .max_loaned_samples(MOST_UNDER_WAY)
            // It never blocks: whoever sends looks after who is gone.
            .backpressure_strategy(BackpressureStrategy::DiscardData);
        let publisher = builder.create().map_err(|error| format!("{error:?}"))?;
        Ok(Self { publisher, spare: Cell::default() })
    }

    /// What its messages are told by.
    pub(crate) fn id(&self) -> u128 {
        self.publisher.id().value()
    }

    /// Publishes a message of at most [`MOST_BYTES`]; whether somebody has room for it.
    pub(crate) fn publish(
        &self,
        number: u64,
        message: &impl prost::Message,
        length: usize,
    ) -> Result<bool, String> {
        let mut room = if length <= SHORT { self.short()? } else { self.room(length)? };
        *room.user_header_mut() = Front { number, length: length as u64 };
        let (mut written, _) = room.payload_mut().split_at_mut(length);
        message.encode(&mut written).map_err(|error| error.to_string())?;
        if !written.is_empty() {
            return Err("the message changed while it was written".to_owned());
        }
        #[expect(unsafe_code, reason = "a long message is written without clearing its room first")]
        // SAFETY: nothing is left of the first part that was not written, and what is behind it was cleared.
        let sample = unsafe { room.assume_init() };
        let receivers = sample.send().map_err(|error| format!("{error:?}"))?;
        if length <= SHORT {
            self.spare.set(self.short().ok());
        }
        Ok(receivers > 0)
    }

    /// Room for a short message.
    fn short(&self) -> Result<Room, String> {
        if let Some(room) = self.spare.take() {
            return Ok(room);
        }
        let mut room = self.room(SHORT)?;
        // Written once, it is in this core's cache when it is needed.
        room.payload_mut().fill(MaybeUninit::new(0));
        Ok(room)
    }

    fn room(&self, length: usize) -> Result<Room, String> {
        self.publisher.loan_slice_uninit(length).map_err(|error| format!("{error:?}"))
    }
}

/// The number and the bytes of a message.
pub(crate) fn open(message: &Message) -> (u64, &[u8]) {
    let &Front { number, length } = message.user_header();
    let room = message.payload();
    // A length that is none makes it a message that cannot be read.
    (number, usize::try_from(length).ok().and_then(|length| room.get(..length)).unwrap_or(room))
}
