//! The limit: a waPC host by hand, with no checks but those of memory, no pool, no limits, no deadline, no policy.
//!
//! It serves one guest with one function behind `__host_call`, and is to be compared with, not to be used.
#![expect(unsafe_code, reason = "the limit lends a request by its bare pointer")]

use bytes::Bytes;
use wasmtime::{Caller, Config, Engine, Error, Linker, Memory, Module, Result, Store, Trap, TypedFunc};

/// Answers a host call: operation and payload to bytes.
pub(crate) type Answer = Box<dyn Fn(&[u8], &[u8]) -> Bytes + Send + Sync>;

struct Raw {
    memory: Option<Memory>,
    operation: *const [u8],
    payload: *const [u8],
    answer: Answer,
    reply: Bytes,
    response: Vec<u8>,
}

// SAFETY: the pointers are looked at within `RawLimit::call` alone.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

/// One guest on bare wasmtime.
pub(crate) struct RawLimit {
    store: Store<Raw>,
    guest_call: TypedFunc<(u32, u32), u32>,
}

fn parts<'a>(caller: &'a mut Caller<'_, Raw>) -> Result<(&'a mut [u8], &'a mut Raw)> {
    let memory = caller.data().memory.ok_or(Trap::MemoryOutOfBounds)?;
    Ok(memory.data_and_store_mut(caller))
}

fn slice(memory: &[u8], at: u32, length: u32) -> Result<&[u8]> {
    memory.get(at as usize..at as usize + length as usize).ok_or_else(|| Error::from(Trap::MemoryOutOfBounds))
}

fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<()> {
    let target = memory.get_mut(at as usize..at as usize + bytes.len());
    target.ok_or(Trap::MemoryOutOfBounds)?.copy_from_slice(bytes);
    Ok(())
}

impl RawLimit {
    /// Instantiates a guest.
    pub(crate) fn new(wasm: &[u8], answer: Answer) -> Result<Self> {
        let engine = Engine::new(&Config::new())?;
        let module = Module::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(
            "wapc",
            "__guest_request",
            |mut caller: Caller<'_, Raw>, operation: u32, payload: u32| {
                let (memory, raw) = parts(&mut caller)?;
                // SAFETY: both were set by the call that is under way, whose arguments they are.
                let (asked, with) = unsafe { (&*raw.operation, &*raw.payload) };
                write(memory, operation, asked)?;
                write(memory, payload, with)
            },
        )?;
        linker.func_wrap(
            "wapc",
            "__guest_response",
            |mut caller: Caller<'_, Raw>, at: u32, length: u32| {
                let (memory, raw) = parts(&mut caller)?;
                raw.response.clear();
                raw.response.extend_from_slice(slice(memory, at, length)?);
                Ok(())
            },
        )?;
        linker.func_wrap("wapc", "__guest_error", |mut caller: Caller<'_, Raw>, at: u32, length: u32| {
            let (memory, _) = parts(&mut caller)?;
            Err::<(), _>(Error::msg(String::from_utf8_lossy(slice(memory, at, length)?).into_owned()))
        })?;
        linker.func_wrap(
            "wapc",
            "__host_call",
            |mut caller: Caller<'_, Raw>,
             _: u32,
             _: u32,
             _: u32,
             _: u32,
             operation: u32,
             operation_length: u32,
             payload: u32,
             length: u32| {
                let (memory, raw) = parts(&mut caller)?;
                let operation = slice(memory, operation, operation_length)?;
                raw.reply = (raw.answer)(operation, slice(memory, payload, length)?);
                Ok(1_u32)
            },
        )?;
        linker.func_wrap("wapc", "__host_response_len", |caller: Caller<'_, Raw>| {
            caller.data().reply.len() as u32
        })?;
        linker.func_wrap("wapc", "__host_response", |mut caller: Caller<'_, Raw>, at: u32| {
            let (memory, raw) = parts(&mut caller)?;
            write(memory, at, &raw.reply)
        })?;
        linker.func_wrap("wapc", "__host_error_len", || 0_u32)?;
        linker.func_wrap("wapc", "__host_error", |_: u32| {})?;
        linker.func_wrap("wapc", "__console_log", |_: u32, _: u32| {})?;

        let raw = Raw {
            memory: None,
            operation: &[],
            payload: &[],
            answer,
            reply: Bytes::new(),
            response: Vec::new(),
        };
        let mut store = Store::new(&engine, raw);
        let instance = linker.instantiate(&mut store, &module)?;
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        if let Some(start) = instance.get_func(&mut store, "wapc_init") {
            start.typed::<(), ()>(&store)?.call(&mut store, ())?;
        }
        let guest_call = instance.get_typed_func(&mut store, "__guest_call")?;
        Ok(Self { store, guest_call })
    }

    /// Calls the guest; the response stays in its buffer.
    pub(crate) fn call(&mut self, operation: &str, payload: &[u8]) -> Result<&[u8]> {
        let raw = self.store.data_mut();
        raw.operation = operation.as_bytes();
        raw.payload = payload;
        let lengths = (operation.len() as u32, payload.len() as u32);
        if self.guest_call.call(&mut self.store, lengths)? == 0 {
            return Err(Error::msg("the guest failed"));
        }
        Ok(&self.store.data().response)
    }
}
