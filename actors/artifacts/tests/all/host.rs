//! As much of a waPC host as one guest needs.

use std::collections::BTreeMap;

use pillion_codec::{AddRequest, AddResponse, GetRequest, GetResponse, SetRequest, SetResponse};
use pillion_logic::oracle::{Calls, Record};
use wasmtime::{Caller, Config, Engine, Extern, Linker, Memory, Module, Store, TypedFunc};

/// The store, the call under way, and what was said.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) calls: Calls,
    pub(crate) log: Vec<String>,
    /// What every call is refused with, if it is.
    pub(crate) refusal: Option<String>,
    operation: Vec<u8>,
    payload: Vec<u8>,
    reply: Option<Vec<u8>>,
    error: Option<String>,
    host_response: Vec<u8>,
    host_error: Vec<u8>,
}

/// One instance of a guest.
pub(crate) struct Guest {
    pub(crate) store: Store<State>,
    call: TypedFunc<(u32, u32), u32>,
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(wasm: &[u8]) -> Self {
        Self::on(&Engine::default(), wasm, None)
    }

    /// One that is stopped after so many instructions.
    pub(crate) fn limited(wasm: &[u8], fuel: u64) -> Self {
        let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
        Self::on(&engine, wasm, Some(fuel))
    }

    fn on(engine: &Engine, wasm: &[u8], fuel: Option<u64>) -> Self {
        let module = Module::new(engine, wasm).unwrap();
        let mut store = Store::new(engine, State::default());
        if let Some(fuel) = fuel {
            store.set_fuel(fuel).unwrap();
        }
        let instance = linker(engine).instantiate(&mut store, &module).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "wapc_init").unwrap().call(&mut store, ()).unwrap();
        let call = instance.get_typed_func(&mut store, "__guest_call").unwrap();
        Self { store, call }
    }

    pub(crate) fn preload(&mut self, records: &[Record]) {
        let records = records.iter().map(|record| (record.key.clone(), record.value.clone()));
        self.store.data_mut().values.extend(records);
    }

    pub(crate) fn ask(&mut self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let state = self.store.data_mut();
        (state.operation, state.payload) = (operation.into(), payload.to_vec());
        (state.reply, state.error) = (None, None);
        let lengths = (operation.len() as u32, payload.len() as u32);
        let status = self.call.call(&mut self.store, lengths).map_err(|trap| format!("{trap:?}"))?;
        let state = self.store.data_mut();
        match status {
            0 => Err(state.error.take().unwrap()),
            _ => Ok(state.reply.take().unwrap()),
        }
    }
}

type From<'a> = Caller<'a, State>;

fn linker(engine: &Engine) -> Linker<State> {
    let mut linker = Linker::new(engine);
    let wapc = "wapc";
    linker
        .func_wrap(wapc, "__guest_request", |mut from: From<'_>, operation: u32, payload: u32| {
            let (name, bytes) = (from.data().operation.clone(), from.data().payload.clone());
            write(&mut from, payload, &bytes);
            write(&mut from, operation, &name);
        })
        .unwrap()
        .func_wrap(wapc, "__guest_response", |mut from: From<'_>, at: u32, length: u32| {
            from.data_mut().reply = Some(read(&mut from, at, length));
        })
        .unwrap()
        .func_wrap(wapc, "__guest_error", |mut from: From<'_>, at: u32, length: u32| {
            from.data_mut().error = Some(text(&mut from, at, length));
        })
        .unwrap()
        .func_wrap(wapc, "__console_log", |mut from: From<'_>, at: u32, length: u32| {
            let line = text(&mut from, at, length);
            from.data_mut().log.push(line);
        })
        .unwrap()
        .func_wrap(wapc, "__host_response_len", |from: From<'_>| from.data().host_response.len() as u32)
        .unwrap()
        .func_wrap(wapc, "__host_error_len", |from: From<'_>| from.data().host_error.len() as u32)
        .unwrap()
        .func_wrap(wapc, "__host_response", |mut from: From<'_>, at: u32| {
            let bytes = from.data().host_response.clone();
            write(&mut from, at, &bytes);
        })
        .unwrap()
        .func_wrap(wapc, "__host_error", |mut from: From<'_>, at: u32| {
            let bytes = from.data().host_error.clone();
            write(&mut from, at, &bytes);
        })
        .unwrap()
        .func_wrap(wapc, "__host_call", host_call)
        .unwrap();
    linker
}

#[expect(clippy::too_many_arguments, reason = "as the ABI has it")]
fn host_call(
    mut from: From<'_>,
    binding: u32,
    binding_length: u32,
    namespace: u32,
    namespace_length: u32,
    operation: u32,
    operation_length: u32,
    payload: u32,
    length: u32,
) -> u32 {
    assert_eq!(text(&mut from, binding, binding_length), "default");
    assert_eq!(text(&mut from, namespace, namespace_length), "wascc:keyvalue");
    let operation = text(&mut from, operation, operation_length);
    let payload = read(&mut from, payload, length);
    let state = from.data_mut();
    (state.host_response, state.host_error) = (Vec::new(), Vec::new());
    match state.answer(&operation, &payload) {
        Ok(response) => {
            state.host_response = response;
            1
        }
        Err(error) => {
            state.host_error = error.into_bytes();
            0
        }
    }
}

// === impl State ===

impl State {
    fn answer(&mut self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let mut out = Vec::new();
        match operation {
            "Get" => {
                self.calls.get += 1;
                let value = self.values.get(GetRequest::decode(payload).unwrap().key);
                let (value, exists) = (value.map(Vec::as_slice).unwrap_or_default(), value.is_some());
                GetResponse { value, exists }.encode(&mut out);
            }
            "Set" => {
                self.calls.set += 1;
                let request = SetRequest::decode(payload).unwrap();
                self.values.insert(request.key.to_owned(), request.value.to_vec());
                SetResponse { value: request.value }.encode(&mut out);
            }
            "Add" => {
                self.calls.add += 1;
                let request = AddRequest::decode(payload).unwrap();
                let old = self.values.get(request.key).map_or(Ok(0), |text| parse(request.key, text))?;
                let value = old + request.value;
                self.values.insert(request.key.to_owned(), value.to_string().into_bytes());
                AddResponse { value }.encode(&mut out);
            }
            _ => panic!("the guest called {operation}"),
        }
        Ok(out)
    }
}

fn parse(key: &str, text: &[u8]) -> Result<i64, String> {
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("the value of key {key} is not an integer of 64 bits"))
}

fn memory(from: &mut From<'_>) -> Memory {
    match from.get_export("memory") {
        Some(Extern::Memory(memory)) => memory,
        _ => panic!("the guest exports no memory"),
    }
}

fn read(from: &mut From<'_>, at: u32, length: u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    memory(from).read(from, at as usize, &mut bytes).unwrap();
    bytes
}

fn text(from: &mut From<'_>, at: u32, length: u32) -> String {
    String::from_utf8(read(from, at, length)).unwrap()
}

fn write(from: &mut From<'_>, at: u32, bytes: &[u8]) {
    memory(from).write(from, at as usize, bytes).unwrap();
}
