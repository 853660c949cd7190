//! What the app speaks.

use clap::ValueEnum;

/// What the app speaks: daprd's `--app-protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1
    Http,
    /// HTTP/1.1 over TLS
    Https,
    /// HTTP/2 without TLS
    H2c,
    /// gRPC without TLS
    Grpc,
    /// gRPC over TLS
    Grpcs,
}

// === impl Protocol ===

impl Protocol {
    /// The name, as metadata tells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Whether the app is called back over gRPC.
    pub(crate) const fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }
}
