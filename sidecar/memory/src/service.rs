//! The services by their names.

use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::prelude::{LogLevel, ServiceName, SignalHandlingMode, ipc, set_log_level};
use iceoryx2::service::builder::Builder;
use iceoryx2::service::port_factory::{event, publish_subscribe, request_response};

use crate::message::Front;
use crate::{Header, MOST_CLIENTS, MOST_UNDER_WAY, OpenError};

/// For one thread at a time: nothing is locked.
pub(crate) type Service = ipc::Service;

/// Greetings and welcomes.
pub(crate) type Greetings = request_response::PortFactory<Service, [u8], Header, [u8], ()>;

/// Calls, or one client's replies.
pub(crate) type Messages = publish_subscribe::PortFactory<Service, [u8], Front>;

/// The events of a service.
pub(crate) type Events = event::PortFactory<Service>;

/// One process's part in the services of a name.
pub(crate) struct Services {
    node: Node<Service>,
    name: String,
}

/// Makes or opens the service that carries greetings.
type GreetingsBuilder =
    iceoryx2::service::builder::request_response::Builder<[u8], Header, [u8], (), Service>;

/// Messages of one publisher that are kept after they were read, to be given back together: each time costs both ends
/// their caches.
pub(crate) const MOST_READ: usize = 8;

/// Places for ended publishers of which something is unread or not given back. Each look for a message passes over them:
/// by default they are 128.
const EXPIRED: usize = MOST_CLIENTS;

// === impl Services ===

impl Services {
    /// Takes part in the services of a name. What killed processes left is removed.
    pub(crate) fn of(name: &str) -> Result<Self, OpenError> {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_fine) {
            return Err(OpenError::Name(name.to_owned()));
        }
        // What it would say is in the errors that it answers.
        set_log_level(LogLevel::Fatal);
        let mut config = Config::global_config().clone();
        config.defaults.publish_subscribe.subscriber_expired_connection_buffer = EXPIRED;
        let builder = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled).config(&config);
        let node = builder.create::<Service>();
        let node = node.map_err(|error| system(name, &error))?;
        Ok(Self { node, name: name.to_owned() })
    }

    /// Greetings, made if they are not there.
    pub(crate) fn create_greetings(&self) -> Result<Greetings, OpenError> {
        self.greetings_builder()?.open_or_create().map_err(|error| system(&self.name, &error))
    }

    /// Greetings to a sidecar.
    pub(crate) fn open_greetings(&self) -> Result<Greetings, OpenError> {
        use iceoryx2::service::builder::request_response::RequestResponseOpenError;
        self.greetings_builder()?.open().map_err(|error| match error {
            RequestResponseOpenError::DoesNotExist => OpenError::Nobody(self.name.clone()),
            error => system(&self.name, &error),
        })
    }

    /// One at a time from each client: each response passes over as many channels as requests may be under way, three
    /// times and for each client. That is why calls do not go this way.
    fn greetings_builder(&self) -> Result<GreetingsBuilder, OpenError> {
        Ok(self
            .builder("greetings")?
            .request_response::<[u8], [u8]>()
            .request_user_header::<Header>()
            .max_servers(1)
            .max_clients(MOST_CLIENTS)
            .max_nodes(MOST_CLIENTS + 2)
            .max_active_requests_per_client(1)
            .max_loaned_requests(1)
            .max_response_buffer_size(1)
            .max_borrowed_responses_per_pending_response(1)
            .enable_safe_overflow_for_requests(false)
            .enable_safe_overflow_for_responses(false)
            .enable_fire_and_forget_requests(false))
    }

    /// Calls of all clients, or the replies to one of them; made if they are not there.
    pub(crate) fn messages(&self, part: &str) -> Result<Messages, OpenError> {
        let builder = self
            .builder(part)?
            .publish_subscribe::<[u8]>()
            .user_header::<Front>()
            .max_publishers(MOST_CLIENTS)
            .max_subscribers(1)
            .max_nodes(MOST_CLIENTS + 2)
            .history_size(0)
            .subscriber_max_buffer_size(MOST_UNDER_WAY)
            .subscriber_max_borrowed_samples(MOST_READ)
            .enable_safe_overflow(false);
        builder.open_or_create().map_err(|error| system(&self.name, &error))
    }

    /// The events by which somebody is woken, made if they are not there.
    pub(crate) fn events(&self, whose: &str) -> Result<Events, OpenError> {
        let builder = self
            .builder(whose)?
            .event()
            .max_listeners(1)
            .max_notifiers(MOST_CLIENTS)
            .max_nodes(MOST_CLIENTS + 2);
        builder.open_or_create().map_err(|error| system(&self.name, &error))
    }

    /// Removes what killed processes left.
    pub(crate) fn tidy_up(&self) {
        // What cannot be removed now may be later.
        let _ = self.node.try_cleanup_dead_nodes();
    }

    /// What tells this process's part from those of others.
    pub(crate) fn id(&self) -> String {
        self.node.id().to_string()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What makes or opens a service.
    pub(crate) fn builder(&self, part: &str) -> Result<Builder<Service>, OpenError> {
        let name = format!("pillion/{}/{part}", self.name);
        let name: ServiceName = name.as_str().try_into().map_err(|error| system(&self.name, &error))?;
        Ok(self.node.service_builder(&name))
    }
}

/// What the system says, as it names it itself.
pub(crate) fn system(name: &str, error: &dyn std::fmt::Debug) -> OpenError {
    OpenError::System { name: name.to_owned(), reason: format!("{error:?}") }
}
