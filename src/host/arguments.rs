//! What may be asked of the host.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum HostVerb {
    /// Run the actors that a manifest names, until the process is told to end
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion host run host.yaml           ends by SIGINT or SIGTERM, after the requests under way\n",
        "  pillion host run host.yaml --check   checks it all without serving it; prints the inventory\n",
        "  kill -HUP PID                        has it take the manifest as it is now\n\n",
        "A manifest:\n",
        "  trustedIssuers: [A…]\n",
        "  providers:\n",
        "    - {name: store, kind: redis, url: \"redis://${REDIS:127.0.0.1:6379}\"}\n",
        "  actors:\n",
        "    - module: counter.signed.wasm\n",
        "      bindings: [{provider: store}]\n",
        "      http: {listen: \"127.0.0.1:8080\"}\n\n",
        "Kinds of providers: memory, redis, redb (keys and values); memory-bus, nats, jetstream, redis-streams (messages);\n",
        "http-client; memory-blobs, files (objects); memory-events, redis-events; secrets-environment, secrets-file;\n",
        "configuration-file, configuration-redis; extras (identifiers and numbers); log.\n",
        "What a binding is given: `bindings: [{provider: store, values: {prefix: cart}}]`, of secrets `allow`, of logs\n",
        "`level`. Events are delivered by `events: [{stream: audit}]`, messages by `subscriptions: [{topic: inbox}]`.\n",
        "The manifest is taken anew when it or a module, token or policy that it names has changed, and on SIGHUP: first it\n",
        "is checked as a whole, and if anything is wrong with it, that is said and the host goes on as it was. Then requests\n",
        "under way end as they began, and later ones find what is new. A changed module needs a higher revision (`pillion\n",
        "module sign --rev`); with `health: {probation: {calls: 100}}` it has to prove itself, or the one before comes back.\n",
        "`cache` and `tracing` cannot be changed that way, nor `metrics` be begun. --no-watch leaves it to SIGHUP.\n\n",
        "`metrics: {listen: \"127.0.0.1:9090\"}` serves /metrics, /healthz and /readyz; `tracing: {endpoint:\n",
        "\"http://127.0.0.1:4318\"}` exports spans of requests, messages and calls. RUST_LOG sets what is logged, as \"info\"."))]
    Run(RunOptions),
    /// Print the JSON schema of manifests, for editors
    Schema,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunOptions {
    /// The manifest, in YAML or JSON
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Check everything that running it would do, without listening, subscribing or touching files, and print the
    /// inventory as JSON
    #[arg(long)]
    pub(crate) check: bool,
    /// Do not look whether the manifest's files have changed; take it anew on SIGHUP alone
    #[arg(long)]
    pub(crate) no_watch: bool,
}
