//! The binary `pillion-native-app`.

use std::io::Write;
use std::net::Ipv4Addr;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use pillion_native::{Address, ApiToken, GrpcSidecar, HttpSidecar, server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Serves the apps over HTTP, with a Dapr sidecar for their state.
///
/// POST /OPERATION with the operation's bytes (echo, kv.get, kv.set, chain, counter, order, compute);
/// POST or GET /counter/NAME; GET /healthz.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// The port to listen on; 0 takes a free one. The first line of output says which.
    #[arg(long, env = "APP_PORT", default_value_t = 6001)]
    app_port: u16,
    /// How to talk to the sidecar.
    #[arg(long, value_enum, default_value_t = Protocol::Http)]
    protocol: Protocol,
    /// Where the sidecar is, as 127.0.0.1:3500 or unix:/path; otherwise the port of the chosen protocol is used.
    #[arg(long)]
    sidecar: Option<Address>,
    /// The sidecar's HTTP port.
    #[arg(long, env = "DAPR_HTTP_PORT", default_value_t = 3500)]
    dapr_http_port: u16,
    /// The sidecar's gRPC port.
    #[arg(long, env = "DAPR_GRPC_PORT", default_value_t = 50_001)]
    dapr_grpc_port: u16,
    /// The sidecar's state store.
    #[arg(long, default_value = "statestore")]
    store: String,
    /// The token that the sidecar asks for.
    #[arg(long, env = "DAPR_API_TOKEN", hide_env_values = true)]
    dapr_api_token: Option<ApiToken>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Http,
    Grpc,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    // Before anything is announced, so that a signal right after the ready line is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, flags.app_port)).await.with_context(|| {
        format!("cannot listen on port {}; choose another --app-port, or 0 for a free one", flags.app_port)
    })?;
    let address = |port| flags.sidecar.clone().unwrap_or_else(|| Address::Tcp(format!("127.0.0.1:{port}")));
    match flags.protocol {
        Protocol::Http => {
            let sidecar = HttpSidecar::new(address(flags.dapr_http_port), &flags.store);
            let sidecar = match flags.dapr_api_token {
                Some(token) => sidecar.with_token(token),
                None => sidecar,
            };
            announce(&listener)?;
            server::serve(listener, sidecar, stop).await;
        }
        Protocol::Grpc => {
            let sidecar = GrpcSidecar::connect(address(flags.dapr_grpc_port), &flags.store).await?;
            let sidecar = match &flags.dapr_api_token {
                Some(token) => sidecar.with_token(token),
                None => sidecar,
            };
            announce(&listener)?;
            server::serve(listener, sidecar, stop).await;
        }
    }
    Ok(())
}

fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let line = serde_json::json!({"ready": true, "http": listener.local_addr()?.to_string()});
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
