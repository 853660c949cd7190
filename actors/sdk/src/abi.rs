//! The waPC ABI, as far as a guest sees it.
#![expect(unsafe_code, reason = "the ABI passes pointers and lengths")]

use std::cell::Cell;
use std::panic;

use crate::buffer::keep;
use crate::{Error, Reply, Result};

#[link(wasm_import_module = "wapc")]
unsafe extern "C" {
    fn __guest_request(operation: *mut u8, payload: *mut u8);
    fn __guest_response(payload: *const u8, length: usize);
    fn __guest_error(text: *const u8, length: usize);
    #[expect(clippy::too_many_arguments, reason = "as the ABI has it")]
    fn __host_call(
        binding: *const u8,
        binding_length: usize,
        namespace: *const u8,
        namespace_length: usize,
        operation: *const u8,
        operation_length: usize,
        payload: *const u8,
        length: usize,
    ) -> i32;
    fn __host_response_len() -> usize;
    fn __host_response(into: *mut u8);
    fn __host_error_len() -> usize;
    fn __host_error(into: *mut u8);
    fn __console_log(text: *const u8, length: usize);
}

thread_local! {
    static OPERATION: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static PAYLOAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static REPLY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Makes panics readable: the default hook writes to a standard error that is not there.
#[inline]
pub fn init() {
    panic::set_hook(Box::new(|info| {
        let mut line = Vec::from(b"panicked");
        if let Some(location) = info.location() {
            line.extend_from_slice(b" at ");
            line.extend_from_slice(location.file().as_bytes());
            line.push(b':');
            decimal(location.line(), &mut line);
        }
        if let Some(message) = info.payload_as_str() {
            line.extend_from_slice(b": ");
            line.extend_from_slice(message.as_bytes());
        }
        write_console(&line);
    }));
}

/// Appends a number's digits: a formatter would be as large as everything else here.
fn decimal(number: u32, line: &mut Vec<u8>) {
    if number > 9 {
        decimal(number / 10, line);
    }
    line.push(b'0' + (number % 10) as u8);
}

/// Answers one call by `answer`: 1 with a response, 0 with an error.
#[inline]
pub fn guest_call(
    operation_length: usize,
    length: usize,
    answer: impl FnOnce(&str, &[u8], &mut Reply) -> Result<()>,
) -> i32 {
    let (mut operation, mut payload) = (OPERATION.take(), PAYLOAD.take());
    let mut reply = Reply::within(REPLY.take());
    operation.clear();
    operation.reserve(operation_length);
    payload.clear();
    payload.reserve(length);
    // SAFETY: both buffers have room for what the host writes, which is exactly as long as it announced.
    unsafe {
        __guest_request(operation.as_mut_ptr(), payload.as_mut_ptr());
        operation.set_len(operation_length);
        payload.set_len(length);
    }
    let result = match str::from_utf8(&operation) {
        Ok(operation) => answer(operation, &payload, &mut reply),
        Err(_) => Err(Error::bad_dispatch()),
    };
    let status = match result {
        Ok(()) => {
            let bytes = reply.bytes();
            // SAFETY: the pointer and the length are those of a live buffer.
            unsafe { __guest_response(bytes.as_ptr(), bytes.len()) };
            1
        }
        Err(error) => {
            let text = error.text();
            // SAFETY: the pointer and the length are those of a live text.
            unsafe { __guest_error(text.as_ptr(), text.len()) };
            0
        }
    };
    keep(&OPERATION, operation);
    keep(&PAYLOAD, payload);
    keep(&REPLY, reply.into_written());
    status
}

/// Calls the host; `response` is replaced by its answer.
#[inline]
pub(crate) fn call(
    binding: &str,
    namespace: &str,
    operation: &str,
    payload: &[u8],
    response: &mut Vec<u8>,
) -> Result<(), String> {
    // SAFETY: pointers and lengths are those of live texts and buffers.
    let ok = unsafe {
        __host_call(
            binding.as_ptr(),
            binding.len(),
            namespace.as_ptr(),
            namespace.len(),
            operation.as_ptr(),
            operation.len(),
            payload.as_ptr(),
            payload.len(),
        )
    };
    if ok == 0 {
        return Err(error());
    }
    // SAFETY: `__host_response` writes as many bytes as `__host_response_len` says.
    unsafe { fetch(response, __host_response_len(), __host_response) };
    Ok(())
}

/// The text of the call that failed.
#[cold]
fn error() -> String {
    let mut text = Vec::new();
    // SAFETY: `__host_error` writes as many bytes as `__host_error_len` says.
    unsafe { fetch(&mut text, __host_error_len(), __host_error) };
    // waPC knows texts alone.
    String::from_utf8(text).unwrap_or_else(|_| "the host's error is not UTF-8".to_owned())
}

/// Writes a line to the host's console.
pub(crate) fn console(line: &str) {
    write_console(line.as_bytes());
}

fn write_console(line: &[u8]) {
    // SAFETY: the pointer and the length are those of a live text.
    unsafe { __console_log(line.as_ptr(), line.len()) }
}

/// Replaces what `buffer` holds by what `write` writes.
///
/// # Safety
/// `write` writes exactly `length` bytes.
unsafe fn fetch(buffer: &mut Vec<u8>, length: usize, write: unsafe extern "C" fn(*mut u8)) {
    buffer.clear();
    buffer.reserve(length);
    // SAFETY: there is room for `length` bytes, and they are written.
    unsafe {
        write(buffer.as_mut_ptr());
        buffer.set_len(length);
    }
}
