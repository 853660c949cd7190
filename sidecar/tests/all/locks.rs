//! The lock API.

use dapr::dapr::proto::runtime::v1::unlock_response::Status;
use dapr::dapr::proto::runtime::v1::{TryLockRequest, UnlockRequest};
use pillion_capabilities::testing::RedisServer;
use serde_json::json;
use tonic::Code;

use crate::sidecar::{Sidecar, refused};
use crate::wire;
use crate::yaml::component;

fn try_lock(store: &str, resource: &str, owner: &str, seconds: i32) -> TryLockRequest {
    TryLockRequest {
        store_name: store.to_owned(),
        resource_id: resource.to_owned(),
        lock_owner: owner.to_owned(),
        expiry_in_seconds: seconds,
    }
}

fn unlock(store: &str, resource: &str, owner: &str) -> UnlockRequest {
    UnlockRequest {
        store_name: store.to_owned(),
        resource_id: resource.to_owned(),
        lock_owner: owner.to_owned(),
    }
}

async fn round(sidecar: &Sidecar) {
    let body = r#"{"resourceId":"stock","lockOwner":"ann","expiryInSeconds":600}"#;
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for success in [true, false] {
        let answer = sidecar.call("POST", "/v1.0-alpha1/lock/locks", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"success": success})));
    }
    let locked = client.try_lock_alpha1(try_lock("locks", "stock", "bob", 600)).await.unwrap();
    assert!(!locked.into_inner().success);
    let unlocked = client.unlock_alpha1(unlock("locks", "stock", "bob")).await.unwrap();
    assert_eq!(unlocked.into_inner().status(), Status::LockBelongsToOthers);
    let other = body.replace("ann", "bob");
    for (body, status) in [(other.as_str(), 2), (body, 0), (body, 1)] {
        let answer = sidecar.call("POST", "/v1.0-alpha1/unlock/locks", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": status})));
    }
    assert!(
        client.try_lock_alpha1(try_lock("locks", "stock", "bob", 600)).await.unwrap().into_inner().success
    );
    for status in [Status::Success, Status::LockDoesNotExist] {
        let unlocked = client.unlock_alpha1(unlock("locks", "stock", "bob")).await.unwrap();
        assert_eq!(unlocked.into_inner().status(), status);
    }
    // A lock whose time is over is free.
    assert!(client.try_lock_alpha1(try_lock("locks", "short", "ann", 1)).await.unwrap().into_inner().success);
    while !client.try_lock_alpha1(try_lock("locks", "short", "bob", 600)).await.unwrap().into_inner().success
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn in_memory() {
    round(&Sidecar::with(&component("locks", "lock.in-memory", &[]), &[])).await;
}

#[tokio::test]
async fn over_redis() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let host = server.address().to_string();
    let component = |name: &str, prefix: &str| {
        component(name, "lock.redis", &[("redisHost", &host), ("keyPrefix", prefix)])
    };
    let components = component("locks", "") + &component("named", "name") + &component("open", "none");
    let sidecar = Sidecar::with(&components, &[]);
    round(&sidecar).await;
    // Two apps of one prefix have the same locks.
    let other = Sidecar::with(&components, &["--app-id", "other"]);
    let body = r#"{"resourceId":"shared","lockOwner":"ann","expiryInSeconds":600}"#;
    for (store, shared, name) in [
        ("locks", false, "lock||app||shared"),
        ("named", true, "lock||named||shared"),
        ("open", true, "lock||shared"),
    ] {
        let path = format!("/v1.0-alpha1/lock/{store}");
        assert_eq!(sidecar.call("POST", &path, body).await.json()["success"], true);
        assert_eq!(other.call("POST", &path, body).await.json()["success"], !shared, "{store}");
        let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        let owner: Option<String> = redis::cmd("GET").arg(name).query(&mut redis).unwrap();
        assert_eq!(owner.as_deref(), Some("ann"), "{name}");
    }
}

#[tokio::test]
async fn failures_are_those_of_dapr() {
    let body = r#"{"resourceId":"stock","lockOwner":"ann","expiryInSeconds":600}"#;
    let sidecar = Sidecar::memory();
    for path in ["/v1.0-alpha1/lock/locks", "/v1.0-alpha1/unlock/locks"] {
        let said = sidecar.call("POST", path, body).await.failed(500, "ERR_LOCK_STORE_NOT_CONFIGURED");
        assert_eq!(said, "lock store is not configured");
    }
    let sidecar = Sidecar::with(&component("locks", "lock.in-memory", &[]), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for (path, body, error, message) in [
        ("lock/other", body, "ERR_LOCK_STORE_NOT_FOUND", "lock store other not found"),
        ("unlock/other", body, "ERR_LOCK_STORE_NOT_FOUND", "lock store other not found"),
        (
            "lock/locks",
            r#"{"lockOwner":"a","expiryInSeconds":1}"#,
            "ERR_MALFORMED_REQUEST",
            "ResourceId is empty in lock store locks",
        ),
        (
            "lock/locks",
            r#"{"resourceId":"a","expiryInSeconds":1}"#,
            "ERR_MALFORMED_REQUEST",
            "LockOwner is empty in lock store locks",
        ),
        (
            "lock/locks",
            r#"{"resourceId":"a","lockOwner":"a"}"#,
            "ERR_MALFORMED_REQUEST",
            "ExpiryInSeconds is not positive in lock store locks",
        ),
        (
            "lock/locks",
            r#"{"resourceId":"a","lockOwner":"a","expiryInSeconds":-1}"#,
            "ERR_MALFORMED_REQUEST",
            "ExpiryInSeconds is not positive in lock store locks",
        ),
        ("unlock/locks", "{}", "ERR_MALFORMED_REQUEST", "ResourceId is empty in lock store locks"),
    ] {
        let said = sidecar.call("POST", &format!("/v1.0-alpha1/{path}"), body).await.failed(400, error);
        assert_eq!(said, message);
    }
    for bad in ["", "[", "{\"expiryInSeconds\":9999999999}", "\"text\""] {
        sidecar.call("POST", "/v1.0-alpha1/lock/locks", bad).await.failed(400, "ERR_MALFORMED_REQUEST");
    }
    let illegal = r#"{"resourceId":"a||b","lockOwner":"a","expiryInSeconds":1}"#;
    let said = sidecar.call("POST", "/v1.0-alpha1/lock/locks", illegal).await.failed(500, "ERR_TRY_LOCK");
    assert!(said.ends_with("input key/keyPrefix 'a||b' can't contain '||'"), "{said}");
    sidecar.call("POST", "/v1.0-alpha1/unlock/locks", illegal).await.failed(500, "ERR_UNLOCK");
    for (request, code) in [
        (try_lock("other", "a", "a", 1), Code::InvalidArgument),
        (try_lock("locks", "", "a", 1), Code::InvalidArgument),
        (try_lock("locks", "a", "a", 0), Code::InvalidArgument),
        (try_lock("locks", "a||b", "a", 1), Code::Internal),
    ] {
        assert_eq!(client.try_lock_alpha1(request).await.unwrap_err().code(), code);
    }
    let said = refused(&component("locks", "lock.in-memory", &[("keyPrefix", "a||b")]), &[]);
    assert!(said.contains("keyPrefix 'a||b' can't contain '||'"), "{said}");
}
