//! From an actor's functions to its exports.

/// Names the operations of an actor, and makes one function of them, for [`export!`](crate::export) and for tests.
///
/// An operation of bytes is named by a text, and its function takes the payload and a [`Reply`](crate::Reply). What a
/// host delivers by itself is named without quotes, and its function takes the message:
///
/// | name | function |
/// |---|---|
/// | `HandleRequest` | `fn(message::Request<'_>, &mut Reply) -> Result<()>` |
/// | `DeliverMessage` | `fn(message::BrokerMessage<'_>) -> Result<()>` |
/// | `DeliverEvent` | `fn(message::Event<'_>) -> Result<()>` |
/// | `DeliverConfiguration` | `fn(message::ConfigurationChange<'_>) -> Result<()>` |
/// | `ReceiveChunk` | `fn(message::FileChunk<'_>) -> Result<()>` |
/// | `HealthRequest` | `fn() -> Result<()>` |
///
/// `HealthRequest` is answered where it is not named, too: an actor that answers at all is healthy. Any other operation
/// is a `bad dispatch`.
///
/// ```
/// use pillion_sdk::{Reply, Result, operations};
///
/// operations! {
///     /// Greets.
///     pub fn answer {
///         "greet" => greet,
///     }
/// }
///
/// fn greet(name: &[u8], reply: &mut Reply) -> Result<()> {
///     reply.write("Hello, ");
///     reply.write(name);
///     Ok(())
/// }
///
/// let mut reply = Reply::new();
/// answer("greet", b"Ada", &mut reply)?;
/// assert_eq!(reply.bytes(), b"Hello, Ada");
/// assert_eq!(answer("other", b"", &mut reply).unwrap_err().text(), "bad dispatch");
/// # Ok::<(), pillion_sdk::Error>(())
/// ```
#[macro_export]
macro_rules! operations {
    ($(#[$doc:meta])* $visibility:vis fn $answer:ident {
        $($operation:tt => $function:expr),* $(,)?
    }) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// That of the operation, or that there is none of this name.
        $visibility fn $answer(operation: &str, payload: &[u8], reply: &mut $crate::Reply) -> $crate::Result<()> {
            match operation {
                $($crate::operations!(@name $operation) => $crate::operations!(@call $operation, $function, payload, reply),)*
                #[allow(unreachable_patterns, reason = "an actor may name it itself")]
                "HealthRequest" => Ok(()),
                _ => Err($crate::Error::bad_dispatch()),
            }
        }
    };
    (@name $operation:literal) => { $operation };
    (@name $operation:ident) => { stringify!($operation) };
    (@call $operation:literal, $function:expr, $payload:ident, $reply:ident) => { $function($payload, $reply) };
    (@call HandleRequest, $function:expr, $payload:ident, $reply:ident) => {
        $function($crate::delivered("HandleRequest", $crate::message::Request::decode($payload))?, $reply)
    };
    (@call DeliverMessage, $function:expr, $payload:ident, $reply:ident) => {
        $function($crate::delivered("DeliverMessage", $crate::message::BrokerMessage::decode($payload))?)
    };
    (@call DeliverEvent, $function:expr, $payload:ident, $reply:ident) => {
        $function($crate::delivered("DeliverEvent", $crate::message::Event::decode($payload))?)
    };
    (@call DeliverConfiguration, $function:expr, $payload:ident, $reply:ident) => {
        $function($crate::delivered("DeliverConfiguration", $crate::message::ConfigurationChange::decode($payload))?)
    };
    (@call ReceiveChunk, $function:expr, $payload:ident, $reply:ident) => {
        $function($crate::delivered("ReceiveChunk", $crate::message::FileChunk::decode($payload))?)
    };
    (@call HealthRequest, $function:expr, $payload:ident, $reply:ident) => { $function() };
}

/// Makes a function, as [`operations!`](crate::operations) makes one, the actor of this module: defines what a waPC host
/// calls, `wapc_init` and `__guest_call`. On other targets it defines nothing, so that tests are ordinary ones.
#[macro_export]
macro_rules! export {
    ($answer:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn wapc_init() {
                $crate::abi::init();
            }

            #[unsafe(no_mangle)]
            extern "C" fn __guest_call(operation_length: usize, length: usize) -> i32 {
                $crate::abi::guest_call(operation_length, length, $answer)
            }
        };
    };
}
