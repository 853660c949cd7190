//! What the guest does, made of any bytes.

use super::model::{PAGE, PAGES};

/// The bytes of one step: its operation, padded, and the arguments of the widest function.
pub(super) const STEP: usize = 4 + 8 * 4;
/// How many steps there are at most, so that an input takes milliseconds.
const STEPS: usize = 64;
/// Where the guest puts its request.
pub(super) const AT: u32 = 4_096;

/// Any bytes as the guest's steps: each argument is a number near a border, as often as it is any.
pub(super) fn script(data: &[u8]) -> Vec<u8> {
    let mut script = Vec::new();
    for step in data.chunks(1 + 8 * 3).take(STEPS) {
        script.extend_from_slice(&[step[0], 0, 0, 0]);
        for argument in 0..8 {
            let byte = |at: usize| step.get(1 + argument * 3 + at).copied().unwrap_or(0);
            script.extend_from_slice(&number(byte(0), u16::from_le_bytes([byte(1), byte(2)])).to_le_bytes());
        }
    }
    script
}

fn number(kind: u8, value: u16) -> u32 {
    let value = u32::from(value);
    let pages = u32::from(kind >> 4) % (PAGES.limit + 1);
    match kind % 8 {
        0 => value % 64,
        1 => value,
        2 => value * 4,
        3 => (pages * PAGE).wrapping_sub(value % 64),
        4 => pages * PAGE + value % 64,
        5 => u32::MAX - value,
        6 => value << 16,
        _ => AT + value % 2_048,
    }
}
