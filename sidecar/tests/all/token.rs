//! The API token.

use dapr::dapr::proto::runtime::v1::GetMetadataRequest;
use tonic::{Code, Request};

use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

#[tokio::test]
async fn opens_http() {
    let sidecar = Sidecar::with_environment(MEMORY, &[], &[("DAPR_API_TOKEN", "secret")]);
    let call = |token: Option<&'static str>, path: &'static str| {
        let at = sidecar.http();
        async move {
            let headers: Vec<_> = token.map(|token| ("dapr-api-token", token)).into_iter().collect();
            wire::call(&at, "GET", path, &headers, "").await
        }
    };
    for token in [None, Some("wrong"), Some("secre"), Some("secret2")] {
        for path in ["/v1.0/state/store/k", "/v1.0/metadata", "/nowhere"] {
            let answer = call(token, path).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, &b"invalid api token"[..]));
        }
        call(token, "/v1.0/healthz").await.is_empty();
        call(token, "/v1.0/healthz/outbound").await.is_empty();
    }
    assert_eq!(sidecar.reached(None).await, 0);
    call(Some("secret"), "/v1.0/state/store/k").await.is_empty();
    assert_eq!(sidecar.reached(None).await, 1);
}

#[tokio::test]
async fn opens_grpc() {
    let sidecar = Sidecar::with_environment(MEMORY, &[], &[("DAPR_API_TOKEN", "secret")]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for (token, said) in [
        (None, "missing api token in request metadata"),
        (Some("wrong"), "authentication error: api token mismatch"),
    ] {
        let mut request = Request::new(GetMetadataRequest {});
        if let Some(token) = token {
            request.metadata_mut().insert("dapr-api-token", token.parse().unwrap());
        }
        let status = client.get_metadata(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, said));
    }
    let mut request = Request::new(GetMetadataRequest {});
    request.metadata_mut().insert("dapr-api-token", "secret".parse().unwrap());
    client.get_metadata(request).await.unwrap();
}
