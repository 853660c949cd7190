//! A token for each call, against forged ones: a switch, since waSCC minted one always, and it costs more than the call.

use std::sync::Arc;
use std::time::SystemTime;

use crate::engine::{Dispatch, Dispatched, HostCall, Reply};
use crate::identity::{Notary, SignedCall};

/// Whether calls that actors make are signed for.
///
/// Within one process nobody stands between the actor and its host, so that the default is not to. Tokens are made and
/// checked where they would be on a way between hosts, for what they cost and for what they refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AntiForgery {
    /// Calls have no tokens.
    #[default]
    Off,
    /// Each call gets a token, as in waSCC.
    Mint,
    /// Each call gets a token, and is made only if that is verified.
    MintAndVerify,
}

/// Signs for what an actor calls, before it is called.
pub(crate) struct Notarized {
    pub(crate) inner: Arc<dyn Dispatch>,
    pub(crate) notary: Arc<Notary>,
    pub(crate) verify: bool,
    /// The public key of the actor.
    pub(crate) actor: Arc<str>,
}

// === impl Notarized ===

impl Notarized {
    /// Says why a call is not to be made.
    fn check(&self, call: &HostCall<'_>) -> Result<(), String> {
        let text = std::str::from_utf8;
        let (Ok(binding), Ok(namespace), Ok(operation)) =
            (text(call.binding), text(call.namespace), text(call.operation))
        else {
            // The engine makes it a trap.
            return Err("a name in the call is not UTF-8".to_owned());
        };
        let signed = SignedCall { origin: &self.actor, binding, namespace, operation, payload: call.payload };
        let now = SystemTime::now();
        let token = self.notary.mint(&signed, now).map_err(|error| error.to_string())?;
        if self.verify {
            self.notary.verify(&token, &signed, now).map_err(|error| error.to_string())?;
        }
        // Nobody is handed it; it must not be left out for that.
        std::hint::black_box(token);
        Ok(())
    }
}

impl Dispatch for Notarized {
    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn dispatch(&self, call: &HostCall<'_>, reply: &mut Reply) -> Dispatched {
        match self.check(call) {
            Ok(()) => self.inner.dispatch(call, reply),
            Err(reason) => {
                reply.fail(reason);
                Dispatched::Done
            }
        }
    }

    fn log(&self, line: &str) {
        self.inner.log(line);
    }
}
