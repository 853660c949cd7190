//! The waPC ABI, as far as a guest sees it.
#![expect(unsafe_code, reason = "the ABI passes pointers and lengths")]

use std::cell::Cell;
use std::panic;

use pillion_logic::Handled;

use crate::{Host, HostError, Store, answer};

const BINDING: &str = "default";
const NAMESPACE: &str = "wascc:keyvalue";

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
    // A guest has one thread: plain statics. Taken during a call, so that a nested call finds new ones.
    static OPERATION: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static PAYLOAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static REPLY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The host on the other side of the imports.
struct Wapc;

/// Makes panics readable: the default hook writes to a standard error that is not there.
#[unsafe(no_mangle)]
extern "C" fn wapc_init() {
    panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        // SAFETY: the pointer and the length are those of a live string.
        unsafe { __console_log(text.as_ptr(), text.len()) }
    }));
}

/// Answers one call: 1 with a response, 0 with an error.
#[unsafe(no_mangle)]
extern "C" fn __guest_call(operation_length: usize, length: usize) -> i32 {
    let (mut operation, mut payload, mut reply) = (OPERATION.take(), PAYLOAD.take(), REPLY.take());
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
        Ok(operation) => answer(&Store(Wapc), operation, &payload, &mut reply),
        Err(_) => Err("bad dispatch".to_owned()),
    };
    let status = match result {
        Ok(Handled::Written) => respond(&reply),
        // Straight from where the host's answer is.
        Ok(Handled::Value(value)) => respond(value.as_ref()),
        // SAFETY: the pointer and the length are those of a live text.
        Err(text) => unsafe {
            __guest_error(text.as_ptr(), text.len());
            0
        },
    };
    OPERATION.set(operation);
    PAYLOAD.set(payload);
    REPLY.set(reply);
    status
}

fn respond(reply: &[u8]) -> i32 {
    // SAFETY: the pointer and the length are those of a live buffer.
    unsafe { __guest_response(reply.as_ptr(), reply.len()) };
    1
}

// === impl Wapc ===

impl Host for Wapc {
    fn call(&self, operation: &str, request: &[u8], response: &mut Vec<u8>) -> Result<(), HostError> {
        // SAFETY: pointers and lengths are those of live texts and buffers.
        let ok = unsafe {
            __host_call(
                BINDING.as_ptr(),
                BINDING.len(),
                NAMESPACE.as_ptr(),
                NAMESPACE.len(),
                operation.as_ptr(),
                operation.len(),
                request.as_ptr(),
                request.len(),
            )
        };
        if ok != 0 {
            // SAFETY: `__host_response` writes as many bytes as `__host_response_len` says.
            unsafe { fetch(response, __host_response_len(), __host_response) };
            return Ok(());
        }
        let mut text = Vec::new();
        // SAFETY: `__host_error` writes as many bytes as `__host_error_len` says.
        unsafe { fetch(&mut text, __host_error_len(), __host_error) };
        Err(HostError(String::from_utf8_lossy(&text).into_owned()))
    }
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
