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

/// A guest that passes its operation and payload on to its host, under the binding and namespace at these places.
pub(crate) fn forwarding(binding: (u32, u32), namespace: (u32, u32)) -> Vec<u8> {
    guest(&format!(
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
    ))
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
    config.trusted_issuers.insert(account);
    let host = Host::new(config).expect("the host starts");
    let actor = host.load(&signed).expect("the guest loads");
    (host, actor)
}
