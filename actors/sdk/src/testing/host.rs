//! The host, and what a test tells it and asks of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::blobs::Blobs;
use super::keyvalue::Store;
use super::streams::Streams;
use super::{Called, Entered, HttpReply, HttpRequest, Outcome, Published, contracts};
use crate::logging::Level;
use crate::{DEFAULT, Reply, Result};

/// A host in memory. Clones are the same one.
///
/// It offers every contract under the binding `default`, and under others that [`Self::bind`] names. Stores of keys and
/// values, and subscriptions to the configuration, are one per binding; the rest is the same under all.
///
/// What it answers, and what it refuses in which words, is as a host with providers in memory has it. There are exceptions:
/// nothing goes away with time, no store is ever full, any secret may be read, and any server is asked.
#[derive(Clone, Default)]
pub struct Host {
    pub(super) state: Rc<State>,
}

type Http = Box<dyn Fn(&HttpRequest) -> Result<HttpReply, String>>;
type Bytes = Box<dyn Fn(&str, &[u8]) -> Outcome>;

#[derive(Default)]
pub(super) struct State {
    pub(super) calls: RefCell<Vec<Called>>,
    pub(super) bindings: RefCell<BTreeSet<String>>,
    pub(super) denied: RefCell<BTreeSet<String>>,
    pub(super) failing: RefCell<BTreeMap<(String, String), String>>,
    pub(super) stores: RefCell<BTreeMap<String, Store>>,
    pub(super) published: RefCell<Vec<Published>>,
    pub(super) respond: RefCell<Option<Bytes>>,
    pub(super) http: RefCell<Option<Http>>,
    pub(super) actors: RefCell<BTreeMap<String, Bytes>>,
    pub(super) secrets: RefCell<BTreeMap<String, BTreeMap<String, String>>>,
    pub(super) items: RefCell<BTreeMap<String, String>>,
    pub(super) subscriptions: RefCell<BTreeMap<String, Subscription>>,
    pub(super) streams: RefCell<Streams>,
    pub(super) blobs: RefCell<Blobs>,
    pub(super) lines: RefCell<Vec<(Level, String)>>,
    pub(super) console: RefCell<Vec<String>>,
    /// Of the identifiers and the random numbers, which are the same in each run.
    pub(super) numbers: Cell<u64>,
    /// The next number of the sequence.
    pub(super) sequence: Cell<i64>,
}

/// A subscription to items of the configuration.
#[derive(Clone)]
pub(super) struct Subscription {
    pub(super) binding: String,
    /// Those of interest; all for none.
    pub(super) keys: Vec<String>,
}

// === impl Host ===

impl Host {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls an operation of an actor, and answers the bytes of its reply.
    ///
    /// # Errors
    /// The actor's.
    pub fn call(
        &self,
        actor: impl FnOnce(&str, &[u8], &mut Reply) -> Result<()>,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>> {
        let mut reply = Reply::new();
        self.run(|| actor(operation, payload, &mut reply))?;
        Ok(reply.bytes().to_vec())
    }

    /// Runs what makes calls, with this host as its own.
    pub fn run<T>(&self, what: impl FnOnce() -> T) -> T {
        let _entered = Entered::new(&self.state);
        what()
    }

    /// Offers every contract under another binding, too.
    pub fn bind(&self, binding: &str) {
        self.state.bindings.borrow_mut().insert(binding.to_owned());
    }

    /// Refuses a contract, or calls of an actor, from now on, as if the actor's claims did not grant it.
    pub fn deny(&self, namespace: &str) {
        self.state.denied.borrow_mut().insert(namespace.to_owned());
    }

    /// Has an operation of a contract fail with this text from now on, as when a server behind it is away.
    pub fn fail(&self, namespace: &str, operation: &str, text: &str) {
        let key = (namespace.to_owned(), operation.to_owned());
        self.state.failing.borrow_mut().insert(key, text.to_owned());
    }

    /// Takes back what [`Self::deny`] and [`Self::fail`] did.
    pub fn mend(&self) {
        self.state.denied.borrow_mut().clear();
        self.state.failing.borrow_mut().clear();
    }

    /// Sets a plain value of the key-value store.
    pub fn set(&self, key: &str, value: &[u8]) {
        self.set_in(DEFAULT, key, value);
    }

    /// As [`Self::set`], in the store of another binding.
    pub fn set_in(&self, binding: &str, key: &str, value: &[u8]) {
        self.state.stores.borrow_mut().entry(binding.to_owned()).or_default().set(key, value, 0);
    }

    /// The plain value of a key of the key-value store, if there is one.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.value_in(DEFAULT, key)
    }

    /// As [`Self::value`], of the store of another binding.
    #[must_use]
    pub fn value_in(&self, binding: &str, key: &str) -> Option<Vec<u8>> {
        self.state.stores.borrow().get(binding)?.plain(key)
    }

    /// For how many seconds the value of a key was set; 0 for ever. Nothing goes away in this store.
    #[must_use]
    pub fn seconds(&self, key: &str) -> Option<i64> {
        self.state.stores.borrow().get(DEFAULT)?.seconds(key)
    }

    /// Sets a secret that is a single value.
    pub fn secret(&self, name: &str, value: &str) {
        self.secret_key(name, name, value);
    }

    /// Sets one of the values of a secret.
    pub fn secret_key(&self, name: &str, key: &str, value: &str) {
        let mut secrets = self.state.secrets.borrow_mut();
        secrets.entry(name.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// Sets an item of the configuration. Nobody is told: [`Self::change`] does that.
    pub fn configure(&self, key: &str, value: &str) {
        self.state.items.borrow_mut().insert(key.to_owned(), value.to_owned());
    }

    /// Answers requests to servers.
    pub fn serve_http(&self, server: impl Fn(&HttpRequest) -> Result<HttpReply, String> + 'static) {
        *self.state.http.borrow_mut() = Some(Box::new(server));
    }

    /// Answers what is asked by [`crate::Messaging::request`]: gets the topic and the bytes.
    pub fn serve_requests(&self, responder: impl Fn(&str, &[u8]) -> Outcome + 'static) {
        *self.state.respond.borrow_mut() = Some(Box::new(responder));
    }

    /// Is another actor of this name: gets the operation and the payload.
    pub fn serve_actor(&self, name: &str, actor: impl Fn(&str, &[u8]) -> Outcome + 'static) {
        self.state.actors.borrow_mut().insert(name.to_owned(), Box::new(actor));
    }

    /// The calls that were made, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.state.calls.borrow().clone()
    }

    /// The messages that were published, in their order.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        self.state.published.borrow().clone()
    }

    /// The lines that were logged by `wascc:logging`, in their order.
    #[must_use]
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.state.lines.borrow().clone()
    }

    /// The lines that were written to the console, in their order.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        self.state.console.borrow().clone()
    }

    /// Puts an object into a container, which is created where it is not there.
    pub fn put_blob(&self, container: &str, id: &str, bytes: &[u8]) {
        self.state.blobs.borrow_mut().put(container, id, bytes);
    }

    /// The bytes of an object, if it is there.
    #[must_use]
    pub fn blob(&self, container: &str, id: &str) -> Option<Vec<u8>> {
        self.state.blobs.borrow().get(container, id)
    }
}

// === impl State ===

impl State {
    /// Answers a call, as a host would.
    pub(super) fn answer(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Outcome {
        let called = Called {
            binding: binding.to_owned(),
            namespace: namespace.to_owned(),
            operation: operation.to_owned(),
            payload: payload.to_vec(),
        };
        self.calls.borrow_mut().push(called);
        let known = contracts::CONTRACTS.contains(&namespace);
        if self.denied.borrow().contains(namespace)
            || !(known || self.actors.borrow().contains_key(namespace))
        {
            return Err(format!(
                "the actor's claims do not grant {namespace} (called under the binding {binding:?})"
            ));
        }
        if known && binding != DEFAULT && !self.bindings.borrow().contains(binding) {
            return Err(format!(
                "no provider is bound for {namespace} under the binding {binding:?}; bind one before the call"
            ));
        }
        if let Some(text) = self.failing.borrow().get(&(namespace.to_owned(), operation.to_owned())) {
            return Err(text.clone());
        }
        if let Some(actor) = self.actors.borrow().get(namespace) {
            return actor(operation, payload);
        }
        contracts::answer(self, binding, namespace, operation, payload)
    }

    /// The next of the numbers that are the same in each run.
    pub(super) fn next(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }
}
