//! Messages that are published: calls and replies.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::prelude::{AllocationStrategy, BackpressureStrategy};

use crate::service::{Messages, Service};
use crate::{MOST_BYTES, MOST_UNDER_WAY};

/// Publishes bytes, with the number of the call in front.
pub(crate) type Messenger = Publisher<Service, [u8], u64>;

/// Makes a publisher.
pub(crate) fn messenger(messages: &Messages) -> Result<Messenger, String> {
    let builder = messages
        .publisher_builder()
        // All of its room at once, of which the system gives what is used: memory that grows costs each call more.
        .initial_max_slice_len(MOST_BYTES)
        .allocation_strategy(AllocationStrategy::Static)
        .max_loaned_samples(MOST_UNDER_WAY)
        // It never blocks: whoever sends looks after who is gone.
        .backpressure_strategy(BackpressureStrategy::DiscardData);
    builder.create().map_err(|error| format!("{error:?}"))
}

/// Publishes a message of at most [`MOST_BYTES`]; whether somebody has room for it.
pub(crate) fn publish(
    messenger: &Messenger,
    number: u64,
    message: &impl prost::Message,
    length: usize,
) -> Result<bool, String> {
    let mut sample = messenger.loan_slice_uninit(length).map_err(|error| format!("{error:?}"))?;
    *sample.user_header_mut() = number;
    let mut rest = sample.payload_mut();
    message.encode(&mut rest).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err("the message changed while it was written".to_owned());
    }
    #[expect(unsafe_code, reason = "what need not be cleared first is written in place")]
    // SAFETY: nothing is left of the payload that was not written.
    let sample = unsafe { sample.assume_init() };
    sample.send().map(|receivers| receivers > 0).map_err(|error| format!("{error:?}"))
}
