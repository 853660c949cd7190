//! A Dapr-compatible sidecar: HTTP and gRPC over TCP and Unix sockets
