//! A client's ports, and what they share.

use std::sync::Arc;

use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client as Port;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{AllocationStrategy, PortFactory as _};
use pillion_calls::Call;
use prost::Message as _;
use tokio::sync::Notify;

use crate::board::Seen;
use crate::greeting::{Greeting, Welcome};
use crate::in_turn::InTurn;
use crate::inbox::Inbox;
use crate::message::Messenger;
use crate::service::{Service, Services, system};
use crate::{ClientError, Header, MOST_BYTES, OpenError};

type Greeter = Port<Service, [u8], Header, [u8], ()>;
type Pending = PendingResponse<Service, [u8], Header, [u8], ()>;

pub(crate) struct Ends {
    /// Open for as long as both ends are there; in its header the client tells that it sleeps.
    greeting: Pending,
    calls: Messenger,
    pub(crate) inbox: Inbox,
    notifier: Notifier<Service>,
    /// Where the sidecar tells that it sleeps; once it said where that is.
    seen: Option<Seen>,
    _greeter: Greeter,
    services: Services,
}

/// What became of a call that was to be sent.
pub(crate) enum Sent {
    /// It was, by this number.
    Number(u64),
    /// As many are under way as may be.
    Full,
    /// Nobody is there.
    Gone,
}

// === impl Ends ===

impl Ends {
    /// Greets the sidecar that serves under a name; beside the ports, what wakes the client.
    pub(crate) fn open(
        name: &str,
        token: Option<String>,
        freed: &Arc<Notify>,
    ) -> Result<(InTurn<Self>, Listener<Service>), ClientError> {
        let failed = |error: &dyn std::fmt::Debug| ClientError::Open(system(name, error));
        let services = Services::of(name)?;
        services.tidy_up();
        let greetings = services.open_greetings()?;
        if greetings.dynamic_config().number_of_servers() == 0 {
            return Err(OpenError::Nobody(name.to_owned()).into());
        }
        let part = format!("client/{}", services.id());
        let listener = services.events(&part)?.listener_builder().create().map_err(|error| failed(&error))?;
        let notifier = services.events("server")?.notifier_builder().create();
        let notifier = notifier.map_err(|error| failed(&error))?;
        let replies = services.messages(&part)?.subscriber_builder().create();
        let inbox = Inbox::new(replies.map_err(|error| failed(&error))?, Arc::clone(freed));
        let calls = Messenger::new(&services.messages("calls")?).map_err(|error| failed(&error))?;
        let greeter = greetings
            .client_builder()
            .initial_max_slice_len(MOST_BYTES)
            .allocation_strategy(AllocationStrategy::Static)
            .create()
            .map_err(|error| failed(&error))?;
        let caller = calls.id().to_le_bytes().to_vec();
        let greeting = greet(&greeter, &Greeting { token, part, caller })?;
        let ends = Self { greeting, calls, inbox, notifier, seen: None, _greeter: greeter, services };
        // A sidecar that has never heard of the client may be asleep.
        ends.rouse();
        #[expect(unsafe_code, reason = "the ports are for one thread")]
        // SAFETY: a port shares with its samples and requests what is not for several threads, and with no other port;
        // what of those outlives a call here is in here too. Nothing of it is bound to a thread.
        let ends = unsafe { InTurn::new(ends) };
        Ok((ends, listener))
    }

    /// What the sidecar answers to the greeting, once it has.
    pub(crate) fn welcome(&mut self) -> Result<Option<Welcome>, ClientError> {
        // Asked first: what was sent before the sidecar went is there by now.
        let is_connected = self.is_connected();
        let said = self.greeting.receive().map_err(|error| ClientError::Failed(format!("{error:?}")))?;
        let Some(response) = said else {
            return if is_connected { Ok(None) } else { Err(ClientError::Ended) };
        };
        let welcome = Welcome::decode(response.payload());
        let welcome = welcome.map_err(|error| ClientError::Failed(error.to_string()))?;
        if !welcome.refusal.is_empty() {
            return Err(ClientError::Refused(welcome.refusal));
        }
        self.seen = Some(Seen::open(&self.services, &welcome.board)?);
        Ok(Some(welcome))
    }

    /// Whether the sidecar keeps the client. A sidecar that was killed seems to.
    pub(crate) fn is_connected(&self) -> bool {
        self.greeting.is_connected()
    }

    /// Where the client tells that it sleeps.
    pub(crate) fn header(&self) -> &Header {
        self.greeting.user_header()
    }

    pub(crate) fn send(&mut self, call: &Call) -> Result<Sent, ClientError> {
        let length = call.encoded_len();
        if length > MOST_BYTES {
            return Err(ClientError::TooLong(length));
        }
        if !self.is_connected() {
            return Ok(Sent::Gone);
        }
        let Some(number) = self.inbox.begin() else { return Ok(Sent::Full) };
        let sent = self.calls.publish(number, call, length);
        if sent != Ok(true) {
            self.inbox.unsent(number);
        }
        // There is room for as many calls as there are places: without room, nobody takes them.
        if !sent.map_err(ClientError::Failed)? {
            return Ok(Sent::Gone);
        }
        if self.seen.as_ref().is_none_or(Seen::is_asleep) {
            self.rouse();
        }
        Ok(Sent::Number(number))
    }

    /// Wakes the sidecar.
    fn rouse(&self) {
        // It fails where nobody listens any more: the wait finds that out.
        let _ = self.notifier.notify();
    }
}

fn greet(port: &Greeter, greeting: &Greeting) -> Result<Pending, ClientError> {
    let failed = |error: &dyn std::fmt::Debug| ClientError::Failed(format!("{error:?}"));
    let length = greeting.encoded_len();
    if length > MOST_BYTES {
        return Err(ClientError::TooLong(length));
    }
    let mut request = port.loan_slice(length).map_err(|error| failed(&error))?;
    greeting.encode(&mut request.payload_mut()).map_err(|error| failed(&error))?;
    request.send().map_err(|error| failed(&error))
}
