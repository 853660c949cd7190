//! Guests for the tests, in WebAssembly text.

use pillion_host::identity::{self, ActorClaims, Claims, KeyPair};
use pillion_host::{ActorRef, Host, HostConfig};

/// Imports and helpers of every guest. The request is at 4096 (operation at 1024), replies go to 65536.
const COMMON: &str = r#"
 (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
 (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
 (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
 (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
 (import "wasmbus" "__host_response_len" (func $host_response_len (result i32)))
 (import "wasmbus" "__host_response" (func $host_response (param i32)))
 (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
 (import "wapc" "__host_error" (func $host_error (param i32)))
 (import "wapc" "__console_log" (func $console_log (param i32 i32)))
 (memory (export "memory") 8)
 (data (i32.const 16) "default")
 (data (i32.const 32) "wascc:keyvalue")
 (data (i32.const 64) "wascc:messaging")
 (data (i32.const 96) "elsewhere")
 (data (i32.const 112) "\ff\fe")
 (data (i32.const 128) "\81\a3key\a1k")
"#;

/// A module of these functions beside the common part.
pub(crate) fn module(functions: &str) -> Vec<u8> {
    parse(&format!("(module {COMMON} {functions})"))
}

/// WebAssembly text as a binary module.
pub(crate) fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is WebAssembly")
}

/// A guest whose `__guest_call` has this body.
pub(crate) fn guest(body: &str) -> Vec<u8> {
    module(&format!(
        "(func (export \"__guest_call\") (param $operation i32) (param $length i32) (result i32)
           (local $n i32) {body})"
    ))
}

/// A guest whose `__guest_call` has this body, with all imports from `wasmbus`.
pub(crate) fn of_the_next_generation(body: &str) -> Vec<u8> {
    let common = COMMON.replace("\"wapc\"", "\"wasmbus\"");
    parse(&format!(
        "(module {common}
           (func (export \"__guest_call\") (param $operation i32) (param $length i32) (result i32)
             (local $n i32) {body}))"
    ))
}

/// A guest that passes its operation and payload on to its host, under the binding and namespace at these places.
pub(crate) fn forwarding(binding: (u32, u32), namespace: (u32, u32)) -> Vec<u8> {
    guest(&forward(binding, namespace))
}

/// A guest that passes its operation and payload on to the actor of that key or alias.
pub(crate) fn calling(actor: &str) -> Vec<u8> {
    let body = forward(EMPTY, (3_000, actor.len() as u32));
    module(&format!(
        "(data (i32.const 3000) \"{actor}\")
         (func (export \"__guest_call\") (param $operation i32) (param $length i32) (result i32)
           (local $n i32) {body})"
    ))
}

pub(crate) fn forward(binding: (u32, u32), namespace: (u32, u32)) -> String {
    format!(
        r#"(call $guest_request (i32.const 1024) (i32.const 4096))
         (if (i32.eqz (call $host_call
                (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {})
                (i32.const 1024) (local.get $operation) (i32.const 4096) (local.get $length)))
           (then
             (local.set $n (call $host_error_len))
             (call $host_error (i32.const 65536))
             (call $guest_error (i32.const 65536) (local.get $n))
             (return (i32.const 0))))
         (local.set $n (call $host_response_len))
         (call $host_response (i32.const 65536))
         (call $guest_response (i32.const 65536) (local.get $n))
         (i32.const 1)"#,
        binding.0, binding.1, namespace.0, namespace.1
    )
}

/// A guest that answers with these bytes, which must not need escaping.
pub(crate) fn saying(text: &str) -> Vec<u8> {
    module(&format!(
        "(data (i32.const 3000) \"{text}\")
         (func (export \"__guest_call\") (param i32 i32) (result i32)
           (call $guest_response (i32.const 3000) (i32.const {})) (i32.const 1))",
        text.len()
    ))
}

/// An account that signs modules.
pub(crate) struct Author(KeyPair);

impl Author {
    pub(crate) fn new() -> Self {
        Self(KeyPair::new_account())
    }

    pub(crate) fn public_key(&self) -> String {
        self.0.public_key()
    }

    /// A host that trusts it.
    pub(crate) fn host(&self, mut config: HostConfig) -> Host {
        config.trust.issuers.insert(self.0.public_key());
        Host::new(config).expect("the host starts")
    }

    pub(crate) fn sign(&self, module: &KeyPair, wasm: &[u8], actor: ActorClaims) -> Vec<u8> {
        self.sign_until(module, wasm, actor, None)
    }

    /// `end` is the first second, since 1970, in which it is not valid any more.
    pub(crate) fn sign_until(
        &self,
        module: &KeyPair,
        wasm: &[u8],
        actor: ActorClaims,
        end: Option<u64>,
    ) -> Vec<u8> {
        let claims = Claims { exp: end, ..Claims::new(&self.0, module, actor) };
        identity::sign(wasm, claims, &self.0).expect("it can be signed")
    }
}

pub(crate) fn caps(caps: &[&str]) -> ActorClaims {
    ActorClaims { caps: caps.iter().map(|cap| (*cap).to_owned()).collect(), ..ActorClaims::default() }
}

pub(crate) const DEFAULT: (u32, u32) = (16, 7);
pub(crate) const EMPTY: (u32, u32) = (0, 0);
pub(crate) const ELSEWHERE: (u32, u32) = (96, 9);
pub(crate) const NOT_TEXT: (u32, u32) = (112, 2);
pub(crate) const KEYVALUE: (u32, u32) = (32, 14);
pub(crate) const MESSAGING: (u32, u32) = (64, 15);

/// The guest that passes everything on to the default key-value binding.
pub(crate) fn keyvalue() -> Vec<u8> {
    forwarding(DEFAULT, KEYVALUE)
}

/// How long the bodies are that [`mailbox`] is sent.
pub(crate) const PUSH: usize = 15;

/// A guest that passes the body of what is delivered to it on to the default key-value binding as `Push`, and everything
/// else to the default messaging binding; where it fails, it fails with the host's error.
pub(crate) fn mailbox() -> Vec<u8> {
    let forward = forward(DEFAULT, MESSAGING);
    module(&format!(
        r#"(data (i32.const 3000) "Push")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (local $n i32)
             (if (i32.eq (local.get $operation) (i32.const 14)) (then
               ;; `DeliverMessage`, whose last field is the body.
               (call $guest_request (i32.const 1024) (i32.const 4096))
               (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
                     (i32.const 3000) (i32.const 4) 
                     (i32.add (i32.const 4096) (i32.sub (local.get $length) (i32.const {PUSH}))) (i32.const {PUSH})))
                 (then
                   (local.set $n (call $host_error_len))
                   (call $host_error (i32.const 65536))
                   (call $guest_error (i32.const 65536) (local.get $n))
                   (return (i32.const 0))))
               (call $guest_response (i32.const 0) (i32.const 0))
               (return (i32.const 1))))
             {forward})"#
    ))
}

/// A guest that pushes each chunk that it receives, as the whole message, to the list `k` of the default key-value
/// binding, and passes everything else on to the default blob store; where it fails, it fails with the host's error.
pub(crate) fn downloader() -> Vec<u8> {
    collecting("ReceiveChunk", "wascc:blobstore")
}

/// A guest that pushes what it is given by an operation, as the whole message, to the list `k` of the default key-value
/// binding, and passes everything else on to the default binding of a namespace; where it fails, it fails with the host's
/// error. Operations are told apart by their length and their third letter.
pub(crate) fn collecting(operation: &str, namespace: &str) -> Vec<u8> {
    let forward = forward(DEFAULT, (2_000, namespace.len() as u32));
    let length = |at: u32, shift: u32| {
        format!("(i32.store8 (i32.const {at}) (i32.shr_u (local.get $length) (i32.const {shift})))")
    };
    module(&format!(
        r#"(data (i32.const 2000) "{namespace}")
           (data (i32.const 2100) "Push")
           (data (i32.const 3000) "\82\a3key\a1k\a5value\c6")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (local $n i32)
             (call $guest_request (i32.const 1024) (i32.const 3018))
             (if (i32.and (i32.eq (local.get $operation) (i32.const {letters}))
                   (i32.eq (i32.load8_u (i32.const 1026)) (i32.const {third}))) (then
               {} {} {} {}
               (if (i32.eqz (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
                     (i32.const 2100) (i32.const 4)
                     (i32.const 3000) (i32.add (local.get $length) (i32.const 18))))
                 (then
                   (local.set $n (call $host_error_len))
                   (call $host_error (i32.const 65536))
                   (call $guest_error (i32.const 65536) (local.get $n))
                   (return (i32.const 0))))
               (call $guest_response (i32.const 0) (i32.const 0))
               (return (i32.const 1))))
             {forward})"#,
        length(3_014, 24),
        length(3_015, 16),
        length(3_016, 8),
        length(3_017, 0),
        letters = operation.len(),
        third = operation.as_bytes()[2],
    ))
}

/// A guest that answers an HTTP request with this status code and a field `x: y`; the body is the request as it came.
pub(crate) fn http_echo(status: u16) -> Vec<u8> {
    let [high, low] = status.to_be_bytes();
    let head =
        format!(r"\84\aastatusCode\cd\{high:02x}\{low:02x}\a6status\a2OK\a6header\81\a1x\a1y\a4body\c6");
    let length = 1 + 11 + 3 + 7 + 3 + 7 + 1 + 2 + 2 + 5 + 1;
    let byte = |at: u32, shift: u32| {
        format!(
            "(i32.store8 (i32.const {}) (i32.shr_u (local.get $length) (i32.const {shift})))",
            3_000 + length + at
        )
    };
    module(&format!(
        r#"(data (i32.const 3000) "{head}")
           (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
             (call $guest_request (i32.const 1024) (i32.const {payload}))
             {} {} {} {}
             (call $guest_response (i32.const 3000) (i32.add (i32.const {before}) (local.get $length)))
             (i32.const 1))"#,
        byte(0, 24),
        byte(1, 16),
        byte(2, 8),
        byte(3, 0),
        payload = 3_000 + length + 4,
        before = length + 4,
    ))
}

/// A guest that asks the default key-value binding for a value, whatever it is asked, and answers with what it got.
pub(crate) fn asking() -> Vec<u8> {
    guest(
        r#"(i32.store8 (i32.const 3000) (i32.const 71)) (i32.store8 (i32.const 3001) (i32.const 101))
           (i32.store8 (i32.const 3002) (i32.const 116))
           (drop (call $host_call (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 14)
             (i32.const 3000) (i32.const 3) (i32.const 128) (i32.const 7)))
           (local.set $n (call $host_response_len))
           (call $host_response (i32.const 65536))
           (call $guest_response (i32.const 65536) (local.get $n))
           (i32.const 1)"#,
    )
}

/// A guest that answers with its payload.
pub(crate) fn echo() -> Vec<u8> {
    guest(
        "(call $guest_request (i32.const 1024) (i32.const 4096))
         (call $guest_response (i32.const 4096) (local.get $length)) (i32.const 1)",
    )
}

/// Signs with fresh keys; answers the module and the account's public key.
pub(crate) fn signed(wasm: &[u8], caps: &[&str]) -> (Vec<u8>, String) {
    let (account, module) = (KeyPair::new_account(), KeyPair::new_module());
    let actor =
        ActorClaims { caps: caps.iter().map(|cap| (*cap).to_owned()).collect(), ..ActorClaims::default() };
    let signed =
        identity::sign(wasm, Claims::new(&account, &module, actor), &account).expect("it can be signed");
    (signed, account.public_key())
}

/// A host that loaded this guest, granted the key-value contract.
pub(crate) fn loaded(wasm: &[u8]) -> (Host, ActorRef) {
    loaded_with(wasm, HostConfig::default(), &["wascc:keyvalue"])
}

pub(crate) fn loaded_with(wasm: &[u8], mut config: HostConfig, caps: &[&str]) -> (Host, ActorRef) {
    let (signed, account) = signed(wasm, caps);
    config.trust.issuers.insert(account);
    let host = Host::new(config).expect("the host starts");
    let actor = host.load(&signed).expect("the guest loads");
    (host, actor)
}
