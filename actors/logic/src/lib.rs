//! The apps: their business logic once, generic over what an app may ask for.
//!
//! The same code is compiled for WebAssembly (waPC host calls), for a process beside a sidecar (HTTP or gRPC) and for
//! direct calls to a provider (the floor). It is `async` so that a sidecar's client may wait; where every answer is
//! ready, as in a guest, the future is ready at its first poll and the compiler sees through it.
#![forbid(unsafe_code)]

mod capabilities;
pub mod chain;
pub mod compute;
pub mod counter;
mod error;
mod handled;
pub mod kv;
pub mod oracle;
pub mod order;
mod request;

pub use capabilities::{CallError, Capabilities, one_by_one};
pub use counter::count;
pub use error::AppError;
pub use handled::Handled;

/// Every operation that [`handle`] knows.
pub const OPERATIONS: &[&str] = &["echo", "kv.get", "kv.set", "chain", "counter", "order", "compute"];

/// Handles one request. Its reply is appended to `reply`, which a caller may clear and use again, or is a value of the
/// store as it is: [`Handled`] says which.
///
/// | operation | request | reply |
/// |---|---|---|
/// | `echo` | any bytes | the same bytes |
/// | `kv.get` | a key | the value's bytes |
/// | `kv.set` | key length (`u16`, little-endian), key, value | nothing |
/// | `chain` | number of gets (`u32`, little-endian), key | the bytes of the last get |
/// | `counter` | an HTTP/1.1 request for `/counter/<name>` | `{"counter":"<name>","value":N}` |
/// | `order` | `{"order":…,"customer":…,"sku":…,"quantity":…}` | a JSON decision |
/// | `compute` | rounds (`u32`, little-endian), seed | 32 bytes: SHA-256 of the seed, hashed again in each round |
///
/// # Errors
/// [`AppError`]; what was appended to `reply` by then has no meaning.
pub async fn handle<C: Capabilities + Sync>(
    capabilities: &C,
    operation: &str,
    request: &[u8],
    reply: &mut Vec<u8>,
) -> Result<Handled<C::Value>, AppError> {
    match operation {
        "echo" => {
            reply.extend_from_slice(request);
            Ok(())
        }
        "kv.get" => return kv::get(capabilities, request).await.map(Handled::Value),
        "kv.set" => kv::set(capabilities, request).await,
        "chain" => match chain::handle(capabilities, request).await {
            Ok(Some(last)) => return Ok(Handled::Value(last)),
            result => result.map(drop),
        },
        "counter" => counter::handle(capabilities, request, reply).await,
        "order" => order::handle(capabilities, request, reply).await,
        "compute" => compute::handle(request, reply),
        _ => Err(AppError::BadDispatch(operation.to_owned())),
    }
    .map(|()| Handled::Written)
}
