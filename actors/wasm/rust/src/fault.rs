//! What a guest may do to its host: tests and the comparison of couplings ask for it.

use pillion_sdk::{Reply, Result};

/// `fault.trap`: ends at once, as an access out of bounds does, and says nothing.
///
/// # Errors
/// It does not come back.
pub fn trap(_: &[u8], _: &mut Reply) -> Result<()> {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort()
}

/// `fault.loop`: never comes back.
///
/// # Errors
/// It does not come back.
pub fn endless(_: &[u8], _: &mut Reply) -> Result<()> {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
