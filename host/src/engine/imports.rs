//! The functions that a waPC guest imports, for guests that wait and guests that do not.

use wasmtime::{Caller, Error, Linker, Result, Trap};

use super::sleep::{self, Layout};
use super::state::State;
use super::{Dispatched, HostCall, PendingReply};

/// waPC's own name, and that of the generation after waSCC.
const MODULES: [&str; 2] = ["wapc", "wasmbus"];

/// The eight arguments of `__host_call`: where binding, namespace, operation and payload are, and how long.
type HostCallArguments = (u32, u32, u32, u32, u32, u32, u32, u32);

/// Links the functions for guests whose calls are all answered at once.
pub(super) fn link_ready(linker: &mut Linker<State>) -> Result<()> {
    for module in MODULES {
        link_common(linker, module)?;
        linker.func_wrap(
            module,
            "__host_call",
            |mut caller: Caller<'_, State>,
             a: u32,
             b: u32,
             c: u32,
             d: u32,
             e: u32,
             f: u32,
             g: u32,
             h: u32| {
                if host_call(&mut caller, (a, b, c, d, e, f, g, h))?.is_some() {
                    caller.data_mut().reply.fail(
                        "the provider promised to answer at once and did not: its `always_ready` is wrong",
                    );
                }
                Ok(succeeded(&caller))
            },
        )?;
    }
    Ok(())
}

/// Links the functions for guests whose calls may have to wait.
pub(super) fn link_waiting(linker: &mut Linker<State>) -> Result<()> {
    for module in MODULES {
        link_common(linker, module)?;
        linker.func_wrap_async(
            module,
            "__host_call",
            |mut caller: Caller<'_, State>, arguments: HostCallArguments| {
                Box::new(async move {
                    if let Some(pending) = host_call(&mut caller, arguments)? {
                        let reply = pending.await;
                        caller.data_mut().reply = reply;
                    }
                    Ok::<u32, Error>(succeeded(&caller))
                })
            },
        )?;
    }
    wasmtime_wasi::p1::add_to_linker_async(linker, State::wasi)?;
    wasmtime_wasi::p0::add_to_linker_async(linker, State::wasi)?;
    sleep::link(linker, "wasi_snapshot_preview1", Layout::PREVIEW1)?;
    sleep::link(linker, "wasi_unstable", Layout::UNSTABLE)
}

fn link_common(linker: &mut Linker<State>, module: &str) -> Result<()> {
    linker.func_wrap(
        module,
        "__guest_request",
        |mut caller: Caller<'_, State>, operation_at: u32, payload_at: u32| {
            let (memory, state) = State::parts(&mut caller)?;
            let (operation, payload) = state.request.parts();
            slice_mut(memory, payload_at, payload.len())?.copy_from_slice(payload);
            slice_mut(memory, operation_at, operation.len())?.copy_from_slice(operation);
            Ok(())
        },
    )?;
    linker.func_wrap(module, "__guest_response", |mut caller: Caller<'_, State>, at: u32, length: u32| {
        let (memory, state) = State::parts(&mut caller)?;
        let given = slice(memory, at, length)?;
        if let Some(response) = state.request.response() {
            response.clear();
            response.reserve_exact(given.len());
            response.extend_from_slice(given);
            state.responded = true;
        }
        Ok(())
    })?;
    linker.func_wrap(module, "__guest_error", |mut caller: Caller<'_, State>, at: u32, length: u32| {
        let (memory, state) = State::parts(&mut caller)?;
        state.trouble().error = Some(String::from_utf8_lossy(slice(memory, at, length)?).into_owned());
        Ok(())
    })?;
    linker.func_wrap(module, "__host_response_len", |caller: Caller<'_, State>| {
        let reply = &caller.data().reply;
        if reply.is_response() { reply.len() as u32 } else { 0 }
    })?;
    linker.func_wrap(module, "__host_response", |mut caller: Caller<'_, State>, at: u32| {
        let (memory, state) = State::parts(&mut caller)?;
        if state.reply.is_response() {
            state.reply.copy_to(slice_mut(memory, at, state.reply.len())?);
        }
        Ok(())
    })?;
    linker.func_wrap(module, "__host_error_len", |caller: Caller<'_, State>| {
        let reply = &caller.data().reply;
        if reply.is_error() { reply.len() as u32 } else { 0 }
    })?;
    linker.func_wrap(module, "__host_error", |mut caller: Caller<'_, State>, at: u32| {
        let (memory, state) = State::parts(&mut caller)?;
        if state.reply.is_error() {
            state.reply.copy_to(slice_mut(memory, at, state.reply.len())?);
        }
        Ok(())
    })?;
    // A log line never fails a guest, not even one that is out of bounds.
    linker.func_wrap(module, "__console_log", |mut caller: Caller<'_, State>, at: u32, length: u32| {
        if let Ok((memory, state)) = State::parts(&mut caller)
            && let Ok(line) = slice(memory, at, length)
        {
            state.dispatch.log(&String::from_utf8_lossy(line));
        }
    })?;
    Ok(())
}

/// Passes a guest's call on. The reply is in the state, unless it is to come.
#[inline(always)]
fn host_call(caller: &mut Caller<'_, State>, at: HostCallArguments) -> Result<Option<PendingReply>> {
    let (memory, state) = State::parts(caller)?;
    let call = HostCall {
        binding: slice(memory, at.0, at.1)?,
        namespace: slice(memory, at.2, at.3)?,
        operation: slice(memory, at.4, at.5)?,
        payload: slice(memory, at.6, at.7)?,
        depth: state.depth,
    };
    state.reply.reset();
    match state.dispatch.dispatch(&call, &mut state.reply) {
        Dispatched::Done if state.reply.is_error() => names_are_text(&call).map(|()| None),
        Dispatched::Done => Ok(None),
        Dispatched::Pending(reply) => Ok(Some(reply)),
    }
}

/// What `__host_call` returns: 1 on success, 0 on error.
fn succeeded(caller: &Caller<'_, State>) -> u32 {
    u32::from(!caller.data().reply.is_error())
}

/// A name that is not UTF-8 is a trap. Known names are, so that it suffices to look at those of a failed call.
#[cold]
fn names_are_text(call: &HostCall<'_>) -> Result<()> {
    for (name, of) in
        [(call.binding, "binding"), (call.namespace, "namespace"), (call.operation, "operation")]
    {
        if std::str::from_utf8(name).is_err() {
            return Err(Error::msg(format!("the guest made a host call whose {of} is not UTF-8")));
        }
    }
    Ok(())
}

#[inline(always)]
pub(super) fn slice(memory: &[u8], at: u32, length: u32) -> Result<&[u8]> {
    memory.get(at as usize..at as usize + length as usize).ok_or_else(out_of_bounds)
}

#[inline(always)]
pub(super) fn slice_mut(memory: &mut [u8], at: u32, length: usize) -> Result<&mut [u8]> {
    memory.get_mut(at as usize..at as usize + length).ok_or_else(out_of_bounds)
}

#[cold]
pub(super) fn out_of_bounds() -> Error {
    Error::from(Trap::MemoryOutOfBounds)
}
