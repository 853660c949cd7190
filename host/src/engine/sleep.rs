//! WASI's `poll_oneoff`, by which guests sleep, on the engine's own clock.
//!
//! `wasmtime-wasi`'s own sleeps by tokio's clock, and panics where the caller's runtime has none. What can be polled
//! otherwise is little: a guest has no files, standard input is at its end, and standard output takes anything.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, Linker, Result};
use wasmtime_wasi::HostMonotonicClock;

use super::imports::{out_of_bounds, slice, slice_mut};
use super::state::State;

/// Where things are in a subscription. Its first eight bytes are the guest's own, then comes the kind; a file descriptor
/// is at 16.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    size: usize,
    clock: usize,
    timeout: usize,
    flags: usize,
}

/// WASI's monotonic clock, from nought at that time.
pub(super) struct Clock(pub(super) Instant);

/// What a guest subscribes to.
#[derive(Clone, Copy)]
enum Event {
    /// A time; none that ever comes is none.
    Clock(Option<Instant>),
    Read,
    Write,
}

/// What the call came to, in WASI's numbers.
#[derive(Clone, Copy)]
enum Errno {
    Success = 0,
    BadDescriptor = 8,
    Invalid = 28,
}

/// The bytes of an event as the guest gets it.
const EVENT: usize = 32;

// === impl Layout ===

impl Layout {
    pub(super) const PREVIEW1: Self = Self { size: 48, clock: 16, timeout: 24, flags: 40 };
    pub(super) const UNSTABLE: Self = Self { size: 56, clock: 24, timeout: 32, flags: 48 };

    fn event(self, subscription: &[u8], now: Instant, origin: Instant) -> Result<Event, Errno> {
        match subscription[8] {
            0 => {}
            1 if number::<4>(subscription, 16) == 0 => return Ok(Event::Read),
            2 if [1, 2].contains(&number::<4>(subscription, 16)) => return Ok(Event::Write),
            1 | 2 => return Err(Errno::BadDescriptor),
            _ => return Err(Errno::Invalid),
        }
        let timeout = Duration::from_nanos(number::<8>(subscription, self.timeout));
        let absolute = number::<2>(subscription, self.flags) & 1 != 0;
        let at = match number::<4>(subscription, self.clock) {
            0 | 1 if !absolute => now.checked_add(timeout),
            0 => {
                let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                now.checked_add(timeout.saturating_sub(since_1970))
            }
            1 => origin.checked_add(timeout),
            _ => return Err(Errno::Invalid),
        };
        Ok(Event::Clock(at))
    }
}

// === impl Event ===

impl Event {
    /// When it occurs, if ever.
    fn at(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Clock(at) => at,
            Self::Read | Self::Write => Some(now),
        }
    }

    /// As the guest gets it.
    fn encode(self, subscription: &[u8]) -> [u8; EVENT] {
        let mut event = [0; EVENT];
        event[..8].copy_from_slice(&subscription[..8]);
        event[10] = subscription[8];
        // One byte at least can be read or written without waiting, if only to learn that there is none.
        event[16] = u8::from(!matches!(self, Self::Clock(_)));
        event
    }
}

// === impl Clock ===

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

// === free functions ===

/// Puts this in the place of what is linked already.
pub(super) fn link(linker: &mut Linker<State>, module: &str, layout: Layout) -> Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        module,
        "poll_oneoff",
        move |mut caller: Caller<'_, State>,
              (subscriptions, events, count, occurred): (u32, u32, u32, u32)| {
            Box::new(async move {
                let errno = poll(&mut caller, layout, [subscriptions, events, count, occurred]).await?;
                Ok::<i32, wasmtime::Error>(errno as i32)
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn poll(
    caller: &mut Caller<'_, State>,
    layout: Layout,
    [subscriptions, events, count, occurred]: [u32; 4],
) -> Result<Errno> {
    if count == 0 {
        return Ok(Errno::Invalid);
    }
    let bytes = |size: usize| u32::try_from(count as usize * size).map_err(|_| out_of_bounds());
    let origin = caller.data_mut().origin();
    let (began, mut first) = (Instant::now(), None::<Instant>);
    let (memory, state) = State::parts(caller)?;
    for subscription in slice(memory, subscriptions, bytes(layout.size)?)?.chunks_exact(layout.size) {
        match layout.event(subscription, began, origin) {
            Ok(event) => first = [first, event.at(began)].into_iter().flatten().min(),
            Err(errno) => return Ok(errno),
        }
    }
    if first.is_none_or(|first| first > began) {
        let ticker = std::sync::Arc::clone(&state.ticker);
        ticker.sleep(first).await;
    }
    let now = Instant::now();
    // The guest slept: all is where it was.
    let (memory, _) = State::parts(caller)?;
    let mut number = 0;
    for at in 0..count as usize {
        let place = subscriptions as usize + at * layout.size;
        let subscription = &memory[place..place + layout.size];
        let Ok(event) = layout.event(subscription, began, origin) else { continue };
        if event.at(began).is_some_and(|at| at <= now) {
            let event = event.encode(subscription);
            let place =
                u32::try_from(events as usize + number as usize * EVENT).map_err(|_| out_of_bounds())?;
            slice_mut(memory, place, EVENT)?.copy_from_slice(&event);
            number += 1_u32;
        }
    }
    slice_mut(memory, occurred, 4)?.copy_from_slice(&number.to_le_bytes());
    Ok(Errno::Success)
}

/// A number of so many bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(number)
}
