//! Middleware: layers around every call into an actor, and around every call that an actor makes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{CallFailure, Dispatch, Dispatched, Gate, HostCall, Reply};

/// A layer around calls. The first of several is the outermost: its `before` comes first and its `after` last.
///
/// The operation itself is not in a layer's hands: between `before` and `after` it runs exactly once, or not at all if
/// this layer or an inner one halts. Whatever came by `before` gets its `after`; a call that is given up while it waits
/// has none.
pub trait Middleware: Send + Sync + 'static {
    /// Before an actor is called, from outside or by another actor.
    ///
    /// # Errors
    /// When the call is not to be made; the caller gets the text.
    fn before_actor(&self, call: &ActorCall<'_>) -> Result<(), Halt> {
        let _ = call;
        Ok(())
    }

    /// After an actor was called.
    fn after_actor(&self, call: &ActorCall<'_>, outcome: Result<&[u8], &CallFailure>, took: Duration) {
        let _ = (call, outcome, took);
    }

    /// Before a call that an actor makes, granted or not.
    ///
    /// # Errors
    /// When the call is not to be made; the actor gets the text.
    fn before_capability(&self, call: &CapabilityCall<'_>) -> Result<(), Halt> {
        let _ = call;
        Ok(())
    }

    /// After a call that an actor made. The reply may be changed: [`Reply::reset`] it first, then respond or fail.
    fn after_capability(&self, call: &CapabilityCall<'_>, reply: &mut Reply, took: Duration) {
        let _ = (call, reply, took);
    }
}

/// A call into an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorCall<'a> {
    /// The actor's public key.
    pub actor: &'a str,
    /// The operation, as `HandleRequest`.
    pub operation: &'a str,
}

/// A call that an actor makes. Its names are as the actor sent them: any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapabilityCall<'a> {
    /// The public key of the actor that makes it.
    pub actor: &'a str,
    /// The binding's name, as `default`; may be empty.
    pub binding: &'a [u8],
    /// The contract, as `wascc:keyvalue`, or the called actor's public key or alias.
    pub namespace: &'a [u8],
    /// The operation, as `Get`.
    pub operation: &'a [u8],
}

/// Why a layer does not let a call through, for whoever makes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Halt(pub String);

/// The layers of a host, from the outermost.
pub(crate) type Layers = Arc<[Arc<dyn Middleware>]>;

/// The layers at an actor's entry.
pub(crate) struct Entry {
    pub(crate) layers: Layers,
    pub(crate) actor: Arc<str>,
}

/// The layers around what an actor calls.
pub(crate) struct Exit {
    pub(crate) layers: Layers,
    pub(crate) actor: Arc<str>,
    pub(crate) inner: Arc<dyn Dispatch>,
}

/// A call's names, for as long as its reply is to come.
struct Names {
    layers: Layers,
    actor: Arc<str>,
    binding: Box<[u8]>,
    namespace: Box<[u8]>,
    operation: Box<[u8]>,
}

/// How many layers let a call through, and the reason of the one that did not.
fn enter(
    layers: &[Arc<dyn Middleware>],
    mut before: impl FnMut(&dyn Middleware) -> Result<(), Halt>,
) -> (usize, Option<Halt>) {
    for (number, layer) in layers.iter().enumerate() {
        if let Err(halt) = before(&**layer) {
            return (number, Some(halt));
        }
    }
    (layers.len(), None)
}

// === impl Entry ===

impl Entry {
    fn leave(&self, entered: usize, operation: &str, outcome: Result<&[u8], &CallFailure>, took: Duration) {
        let call = ActorCall { actor: &self.actor, operation };
        for layer in self.layers[..entered].iter().rev() {
            layer.after_actor(&call, outcome, took);
        }
    }
}

impl Gate for Entry {
    fn before(&self, operation: &str, _: &[u8]) -> Result<(), CallFailure> {
        let call = ActorCall { actor: &self.actor, operation };
        let begun = Instant::now();
        let (entered, halt) = enter(&self.layers, |layer| layer.before_actor(&call));
        let Some(halt) = halt else { return Ok(()) };
        let failure = CallFailure::Halted(halt.0);
        self.leave(entered, operation, Err(&failure), begun.elapsed());
        Err(failure)
    }

    fn after(&self, operation: &str, outcome: Result<&[u8], &CallFailure>, took: Duration) {
        self.leave(self.layers.len(), operation, outcome, took);
    }
}

// === impl Exit ===

impl Dispatch for Exit {
    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        let HostCall { binding, namespace, operation, .. } = *call;
        let seen = CapabilityCall { actor: &self.actor, binding, namespace, operation };
        let begun = Instant::now();
        let (entered, halt) = enter(&self.layers, |layer| layer.before_capability(&seen));
        if let Some(halt) = halt {
            reply.fail(halt);
            leave(&self.layers[..entered], &seen, reply, begun);
            return Dispatched::Done;
        }
        match self.inner.dispatch(call, reply) {
            Dispatched::Done => {
                leave(&self.layers, &seen, reply, begun);
                Dispatched::Done
            }
            Dispatched::Pending(pending) => {
                let names = Names {
                    layers: Arc::clone(&self.layers),
                    actor: Arc::clone(&self.actor),
                    binding: binding.into(),
                    namespace: namespace.into(),
                    operation: operation.into(),
                };
                Dispatched::Pending(Box::pin(async move {
                    let mut reply = pending.await;
                    leave(&names.layers, &names.call(), &mut reply, begun);
                    reply
                }))
            }
        }
    }

    fn log(&self, line: &str) {
        self.inner.log(line);
    }
}

fn leave(layers: &[Arc<dyn Middleware>], call: &CapabilityCall<'_>, reply: &mut Reply, begun: Instant) {
    let took = begun.elapsed();
    for layer in layers.iter().rev() {
        layer.after_capability(call, reply, took);
    }
}

// === impl Names ===

impl Names {
    fn call(&self) -> CapabilityCall<'_> {
        let Self { actor, binding, namespace, operation, .. } = self;
        CapabilityCall { actor, binding, namespace, operation }
    }
}
