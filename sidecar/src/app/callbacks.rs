//! The service `AppCallback` of an app that speaks gRPC.

use std::error::Error as _;

use dapr::dapr::proto::runtime::v1::app_callback_alpha_client::AppCallbackAlphaClient;
use dapr::dapr::proto::runtime::v1::app_callback_client::AppCallbackClient;
use http::HeaderValue;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;

use super::counted::Counted;

/// A client of the app's callbacks.
pub(crate) type Callbacks = AppCallbackClient<InterceptedService<Counted, Token>>;

/// A client of the app's callbacks of an older time.
pub(crate) type AlphaCallbacks = AppCallbackAlphaClient<InterceptedService<Counted, Token>>;

/// Shows the app its token.
#[derive(Clone)]
pub(crate) struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("dapr-api-token", token.clone());
        }
        Ok(request)
    }
}

pub(super) fn client(channel: Counted, token: Option<&HeaderValue>) -> Callbacks {
    AppCallbackClient::with_interceptor(channel, Token::new(token))
}

pub(super) fn alpha_client(channel: Counted, token: Option<&HeaderValue>) -> AlphaCallbacks {
    AppCallbackAlphaClient::with_interceptor(channel, Token::new(token))
}

/// Whether a status is no answer of the app's, but tells that its connection is not there or broke off. The codes do not:
/// an app may answer with any of them, and a broken connection becomes `Unknown`, `Cancelled` or `Internal`.
pub(crate) fn is_unanswered(status: &tonic::Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::transport::Error>()
            || error.is::<tonic::ConnectError>()
            || error.is::<hyper::Error>()
        {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Token {
    fn new(token: Option<&HeaderValue>) -> Self {
        Self(token.and_then(|token| MetadataValue::try_from(token.as_bytes()).ok()))
    }
}
