//! The service `AppCallback` of an app that speaks gRPC.

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

impl Token {
    fn new(token: Option<&HeaderValue>) -> Self {
        Self(token.and_then(|token| MetadataValue::try_from(token.as_bytes()).ok()))
    }
}
