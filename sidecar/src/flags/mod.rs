//! The command line: daprd's own flags, and one of ours.

mod values;

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

use values::{app_address, app_port, boolean, count_or_none, listen_address, milliseconds, seconds};
pub(crate) use values::{is_true, size};

use crate::app::Protocol;

/// The heading of the flags that are taken and have no effect.
const OUTSIDE: &str = "Taken, but outside of what this sidecar does (a warning says so)";

/// A Dapr-compatible sidecar: state, health, metadata and shutdown over HTTP and gRPC.
///
/// Requests are traced if a Configuration with `spec.tracing`, or OTEL_EXPORTER_OTLP_ENDPOINT, says so.
///
/// It takes daprd's command line, so that whatever starts daprd can start it. When all listeners are there it
/// prints one line of JSON on standard output that tells their addresses; everything else goes to standard error.
#[derive(Clone, Debug, Parser)]
#[command(name = "pillion-sidecar", version, max_term_width = 110)]
// As Go's flags: the last one counts, and a value may start with a minus.
#[command(args_override_self = true, allow_negative_numbers = true)]
pub struct Flags {
    /// The app's id: the default prefix of its keys, and part of the names of the Unix sockets
    #[arg(long, env = "APP_ID", default_value = "")]
    pub app_id: String,
    /// The port that the app listens on; 0 is an app that is not called
    #[arg(long, value_name = "PORT", default_value = "0", value_parser = app_port)]
    pub app_port: u16,
    /// What the app speaks
    #[arg(long, value_name = "PROTOCOL", value_enum, default_value_t = Protocol::Http, ignore_case = true)]
    pub app_protocol: Protocol,
    /// The address that the app listens on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub app_channel_address: String,
    /// How many requests may be with the app at a time; 0 and -1 are as many as come
    #[arg(long, value_name = "N", default_value = "-1", value_parser = count_or_none)]
    pub app_max_concurrency: usize,
    /// Ask the app for its health; while it is not healthy it is not called
    #[arg(
        long, value_name = "BOOL", default_value_t = false, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean
    )]
    pub enable_app_health_check: bool,
    /// The path that tells the app's health
    #[arg(long, value_name = "PATH", default_value = "/healthz")]
    pub app_health_check_path: String,
    /// How long is waited between two questions for the app's health, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub app_health_probe_interval: Duration,
    /// How long the app may take to tell its health, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value = "500", value_parser = milliseconds)]
    pub app_health_probe_timeout: Duration,
    /// How many questions in a row must fail for the app to be not healthy
    #[arg(long, value_name = "N", default_value = "3")]
    pub app_health_threshold: NonZeroU32,
    /// The port for other sidecars; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub dapr_internal_grpc_port: u16,
    /// The address for other sidecars. The default keeps other machines out
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = listen_address)]
    pub dapr_internal_grpc_listen_address: IpAddr,
    /// The port for HTTP; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 3500)]
    pub dapr_http_port: u16,
    /// The port for gRPC; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 50001)]
    pub dapr_grpc_port: u16,
    /// The addresses to listen on, separated by commas. The default keeps other machines out
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', default_value = "127.0.0.1", value_parser = listen_address)]
    pub dapr_listen_addresses: Vec<IpAddr>,
    /// A port for health and metadata alone, without the token; 0 takes a free one. There is none by default
    #[arg(long, value_name = "PORT")]
    pub dapr_public_port: Option<u16>,
    /// The address for the public port. The default keeps other machines out; 0.0.0.0 is what daprd listens on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = listen_address)]
    pub dapr_public_listen_address: IpAddr,
    /// A folder for the Unix sockets `dapr-APPID-http.socket` and `dapr-APPID-grpc.socket`, which are served besides
    /// the ports
    #[arg(long, value_name = "FOLDER")]
    pub unix_domain_socket: Option<PathBuf>,
    /// A folder of component files, or several, separated by commas or each with the flag
    #[arg(long, value_name = "FOLDER", value_delimiter = ',', alias = "components-path")]
    pub resources_path: Vec<PathBuf>,
    /// A file with Dapr's Configuration, or several, each with the flag
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// The longest request body over either protocol, as 4Mi, 500Ki or a number of bytes
    #[arg(long, value_name = "SIZE", default_value = "4Mi", value_parser = size)]
    pub max_body_size: usize,
    /// The longest head of a request over either protocol, as 4Ki or a number of bytes. 4 KiB more are taken, as with
    /// daprd
    #[arg(long, value_name = "SIZE", default_value = "4Ki", value_parser = size)]
    pub read_buffer_size: usize,
    /// An elder name of --max-body-size, which counts more, in MiB
    #[arg(long, value_name = "MIB", hide_short_help = true, default_value = "-1", value_parser = count_or_none)]
    dapr_http_max_request_size: usize,
    /// An elder name of --read-buffer-size, which counts more, in KiB
    #[arg(long, value_name = "KIB", hide_short_help = true, default_value = "-1", value_parser = count_or_none)]
    dapr_http_read_buffer_size: usize,
    /// How long requests are served on after a signal to stop, unless the app gets unhealthy before, as 30s
    #[arg(long, value_name = "DURATION", value_parser = crate::resiliency::duration::parse)]
    pub dapr_block_shutdown_duration: Option<Duration>,
    /// How long requests under way may take after a signal to stop
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub dapr_graceful_shutdown_seconds: Duration,
    /// Whether to serve metrics
    #[arg(
        long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean
    )]
    pub enable_metrics: bool,
    /// The port for metrics; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    pub metrics_port: u16,
    /// The address for metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = listen_address)]
    pub metrics_listen_address: IpAddr,
    /// The origins whose pages may call the sidecar, separated by commas, as `https://example.com`, https://*.example.com
    /// or *; no page may by default
    #[arg(long, value_name = "ORIGINS", default_value = "")]
    pub allowed_origins: String,
    /// Log every request
    #[arg(
        long, value_name = "BOOL", default_value_t = false, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean
    )]
    pub enable_api_logging: bool,
    /// The least severe messages to log: debug, info, warn, error or fatal
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["debug", "info", "warn", "error", "fatal"], ignore_case = true)]
    pub log_level: String,
    /// Log in JSON
    #[arg(
        long, value_name = "BOOL", default_value_t = false, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", action = clap::ArgAction::Set, value_parser = boolean
    )]
    pub log_as_json: bool,
    /// Threads that serve requests (not one of daprd's). The default is one per processor; 1 runs everything on
    /// the main thread, without hand-over between threads: the least time per request, and the least throughput
    #[arg(long, value_name = "N", help_heading = "Ours")]
    pub worker_threads: Option<NonZeroUsize>,
    /// Poll for requests without pause instead of sleeping until one comes (not one of daprd's): no time to wake up,
    /// for a processor that is always busy
    #[arg(long, help_heading = "Ours")]
    pub busy_poll: bool,
    /// Where the sidecar of another app is, as APP=HOST:PORT with the port that its ready line calls "internal" (not one
    /// of daprd's). May come again, also for several sidecars of one app
    #[arg(long, value_name = "APP=ADDRESS", value_parser = app_address, help_heading = "Ours")]
    pub app_address: Vec<(String, String)>,
    /// Take calls through shared memory too, under this name (not one of daprd's, and no shipped sidecar does it). Whoever
    /// waits for the other spins for 50 microseconds before it sleeps; with --busy-poll it never sleeps
    #[arg(long, value_name = "NAME", help_heading = "Ours")]
    pub shared_memory: Option<String>,
    /// The token that requests must carry in `dapr-api-token`
    #[arg(skip)]
    pub api_token: Option<String>,
    /// The token by which the app knows the sidecar
    #[arg(skip)]
    pub app_token: Option<String>,
    /// The namespace, of key prefixes and of components' settings
    #[arg(skip)]
    pub namespace: Option<String>,
    /// What `{podName}` stands for in components' settings
    #[arg(skip)]
    pub pod_name: Option<String>,
    /// Whether HTTP/2 is left out on the port for HTTP
    #[arg(skip)]
    pub disable_h2c: bool,
    /// OpenTelemetry's `OTEL_EXPORTER_OTLP_ENDPOINT`: where spans are exported to
    #[arg(skip)]
    pub otlp_endpoint: Option<String>,
    /// OpenTelemetry's `OTEL_EXPORTER_OTLP_PROTOCOL`: `grpc`, which is the default, or `http/protobuf`
    #[arg(skip)]
    pub otlp_protocol: Option<String>,
    /// OpenTelemetry's `OTEL_EXPORTER_OTLP_INSECURE`: whether an endpoint without a scheme is spoken to without TLS
    #[arg(skip)]
    pub otlp_insecure: bool,
    /// The flags given that have no effect
    #[arg(skip)]
    pub without_effect: Vec<String>,
    #[command(flatten)]
    outside: Outside,
}

/// Flags of daprd for what this sidecar does not do.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = OUTSIDE)]
struct Outside {
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    app_ssl: Option<String>,
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_profiling: Option<String>,
    #[arg(long, hide_short_help = true)]
    profile_port: Option<String>,
    #[arg(long, hide_short_help = true)]
    profile_listen_address: Option<String>,
    #[arg(long, hide_short_help = true)]
    mode: Option<String>,
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_mtls: Option<String>,
    #[arg(long, hide_short_help = true)]
    placement_host_address: Option<String>,
    #[arg(long, hide_short_help = true)]
    scheduler_host_address: Option<String>,
    #[arg(long, hide_short_help = true)]
    scheduler_job_streams: Option<String>,
    #[arg(long, hide_short_help = true)]
    sentry_address: Option<String>,
    #[arg(long, hide_short_help = true)]
    control_plane_address: Option<String>,
    #[arg(long, hide_short_help = true)]
    control_plane_trust_domain: Option<String>,
    #[arg(long, hide_short_help = true)]
    control_plane_namespace: Option<String>,
    #[arg(long, hide_short_help = true)]
    trust_anchors_file: Option<String>,
    #[arg(long, hide_short_help = true)]
    actors_service: Option<String>,
    #[arg(long, hide_short_help = true)]
    reminders_service: Option<String>,
    #[arg(long, hide_short_help = true)]
    disable_init_endpoints: Option<String>,
    #[arg(long, hide_short_help = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_builtin_k8s_secret_store: Option<String>,
}

// === impl Flags ===

impl Flags {
    /// For a sidecar within another process: free ports of this machine alone, no metrics, nothing from the
    /// command line or the environment.
    #[must_use]
    pub fn local(app_id: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            app_port: 0,
            app_protocol: Protocol::Http,
            app_channel_address: Ipv4Addr::LOCALHOST.to_string(),
            app_max_concurrency: 0,
            enable_app_health_check: false,
            app_health_check_path: "/healthz".to_owned(),
            app_health_probe_interval: Duration::from_secs(5),
            app_health_probe_timeout: Duration::from_millis(500),
            app_health_threshold: NonZeroU32::MIN.saturating_add(2),
            dapr_internal_grpc_port: 0,
            app_address: Vec::new(),
            dapr_internal_grpc_listen_address: Ipv4Addr::LOCALHOST.into(),
            dapr_http_port: 0,
            dapr_grpc_port: 0,
            dapr_listen_addresses: vec![Ipv4Addr::LOCALHOST.into()],
            dapr_public_port: None,
            dapr_public_listen_address: Ipv4Addr::LOCALHOST.into(),
            unix_domain_socket: None,
            resources_path: Vec::new(),
            config: Vec::new(),
            max_body_size: 4 << 20,
            read_buffer_size: 4 << 10,
            dapr_http_max_request_size: 0,
            dapr_http_read_buffer_size: 0,
            dapr_block_shutdown_duration: None,
            dapr_graceful_shutdown_seconds: Duration::from_secs(5),
            enable_metrics: false,
            metrics_port: 0,
            metrics_listen_address: Ipv4Addr::LOCALHOST.into(),
            allowed_origins: String::new(),
            enable_api_logging: false,
            log_level: "info".to_owned(),
            log_as_json: false,
            worker_threads: None,
            busy_poll: false,
            shared_memory: None,
            api_token: None,
            app_token: None,
            namespace: None,
            pod_name: None,
            disable_h2c: false,
            otlp_endpoint: None,
            otlp_protocol: None,
            otlp_insecure: false,
            without_effect: Vec::new(),
            outside: Outside::default(),
        }
    }

    /// Reads the command line and the environment; on a mistake, or when asked for help, prints and exits.
    #[must_use]
    pub fn from_environment() -> Self {
        let matches = Self::command().get_matches_from(std::env::args_os().map(with_two_dashes));
        let mut flags = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        flags.take_elder_names(&matches);
        flags.without_effect = outside(&matches);
        flags.api_token = variable("DAPR_API_TOKEN");
        flags.app_token = variable("APP_API_TOKEN");
        flags.namespace = variable("NAMESPACE");
        flags.pod_name = variable("POD_NAME");
        flags.otlp_endpoint = variable("OTEL_EXPORTER_OTLP_ENDPOINT");
        flags.otlp_protocol = variable("OTEL_EXPORTER_OTLP_PROTOCOL");
        flags.otlp_insecure = variable("OTEL_EXPORTER_OTLP_INSECURE").is_some_and(|value| is_true(&value));
        flags.disable_h2c = variable("DAPR_HTTP_DISABLE_H2C").is_some_and(|value| is_true(&value));
        flags
    }

    /// What is said by a flag's elder name, if it is not by its own.
    fn take_elder_names(&mut self, matches: &ArgMatches) {
        let given = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        for (name, elder, unit, place) in [
            ("max_body_size", self.dapr_http_max_request_size, 20, &mut self.max_body_size),
            ("read_buffer_size", self.dapr_http_read_buffer_size, 10, &mut self.read_buffer_size),
        ] {
            if elder > 0 && !given(name) {
                *place = elder.saturating_mul(1 << unit);
            }
        }
    }
}

/// A flag of one dash, as Go's flags may have, as one of two: daprd takes both.
fn with_two_dashes(argument: OsString) -> OsString {
    match argument.as_encoded_bytes() {
        [b'-', first, _, ..] if first.is_ascii_alphabetic() => {
            let mut longer = OsString::from("-");
            longer.push(argument);
            longer
        }
        _ => argument,
    }
}

/// The flags that were given and have no effect. `--mode=standalone` and `--enable-mtls=false` ask for what is.
fn outside(matches: &ArgMatches) -> Vec<String> {
    Flags::command()
        .get_arguments()
        .filter(|arg| arg.get_help_heading() == Some(OUTSIDE))
        .filter(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
        .filter(|arg| {
            let value = matches.get_raw(arg.get_id().as_str()).and_then(|mut values| values.next());
            let asks_for_what_is = |value: &OsStr| {
                value == "standalone" || value.to_str().is_some_and(|value| boolean(value) == Ok(false))
            };
            !value.is_some_and(asks_for_what_is)
        })
        .filter_map(|arg| arg.get_long().map(|name| format!("--{name}")))
        .collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> (Flags, Vec<String>) {
        let arguments = std::iter::once("pillion-sidecar").chain(arguments.iter().copied());
        let arguments = arguments.map(|argument| with_two_dashes(argument.into()));
        let matches = Flags::command().try_get_matches_from(arguments).unwrap();
        (Flags::from_arg_matches(&matches).unwrap(), outside(&matches))
    }

    /// Flags of daprd with a value that its starters give them, and whether they take effect here.
    const DAPRD: [(&str, &str, bool); 47] = [
        ("--app-id", "orders", true),
        ("--dapr-http-port", "3501", true),
        ("--dapr-grpc-port", "50002", true),
        ("--dapr-listen-addresses", "[::1],127.0.0.1,localhost", true),
        ("--unix-domain-socket", "/tmp", true),
        ("--resources-path", "a,b", true),
        ("--max-body-size", "10Mi", true),
        ("--dapr-graceful-shutdown-seconds", "7", true),
        ("--enable-metrics", "F", true),
        ("--metrics-port", "9091", true),
        ("--metrics-listen-address", "::1", true),
        ("--enable-api-logging", "1", true),
        ("--log-level", "debug", true),
        ("--log-as-json", "TRUE", true),
        // What they ask for is the case.
        ("--mode", "standalone", true),
        ("--enable-mtls", "0", true),
        ("--enable-profiling", "false", true),
        ("--app-port", "8080", true),
        ("--app-protocol", "grpc", true),
        ("--app-channel-address", "127.0.0.1", true),
        ("--app-max-concurrency", "-1", true),
        ("--app-health-check-path", "/health", true),
        ("--app-health-probe-interval", "5", true),
        ("--app-health-probe-timeout", "500", true),
        ("--app-health-threshold", "3", true),
        ("--enable-app-health-check", "true", true),
        ("--app-ssl", "true", false),
        ("--dapr-internal-grpc-port", "50003", true),
        ("--dapr-internal-grpc-listen-address", "127.0.0.1", true),
        ("--dapr-public-port", "3502", true),
        ("--dapr-public-listen-address", "::1", true),
        ("--dapr-block-shutdown-duration", "5s", true),
        ("--profile-port", "7777", false),
        ("--profile-listen-address", "127.0.0.1", false),
        ("--config", "a.yaml", true),
        ("--read-buffer-size", "16Ki", true),
        ("--dapr-http-max-request-size", "-1", true),
        ("--dapr-http-read-buffer-size", "-1", true),
        ("--allowed-origins", "*", true),
        ("--placement-host-address", "localhost:50005", false),
        ("--scheduler-host-address", "localhost:50006", false),
        ("--sentry-address", "localhost:50007", false),
        ("--control-plane-address", "localhost:50008", false),
        ("--control-plane-trust-domain", "localhost", false),
        ("--control-plane-namespace", "dapr-system", false),
        ("--trust-anchors-file", "ca.pem", false),
        ("--disable-builtin-k8s-secret-store", "true", false),
    ];

    #[test]
    fn takes_the_flags_of_daprd_and_names_those_without_effect() {
        // A boolean takes its value after an equals sign alone; the others after that or a blank.
        let joined: Vec<String> = DAPRD.iter().map(|(flag, value, _)| format!("{flag}={value}")).collect();
        let (flags, found) = parse(&joined.iter().map(String::as_str).collect::<Vec<_>>());
        let without: Vec<&str> =
            DAPRD.iter().filter(|(.., effect)| !effect).map(|(flag, ..)| *flag).collect();
        let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
        found.sort_by_key(|flag| without.iter().position(|known| known == flag));
        assert_eq!(found, without);
        // Go's flags may have one dash.
        let single: Vec<&str> = joined.iter().map(|text| text.strip_prefix('-').unwrap()).collect();
        assert_eq!(format!("{:?}", parse(&single).0), format!("{flags:?}"));

        assert_eq!((flags.app_id.as_str(), flags.log_level.as_str()), ("orders", "debug"));
        assert_eq!((flags.dapr_http_port, flags.dapr_grpc_port, flags.metrics_port), (3501, 50002, 9091));
        assert_eq!(
            (flags.dapr_public_port, flags.dapr_public_listen_address.to_string()),
            (Some(3502), "::1".to_owned())
        );
        assert!(!flags.enable_metrics && flags.enable_api_logging && flags.log_as_json);
        assert_eq!((flags.max_body_size, flags.read_buffer_size), (10 << 20, 16 << 10));
        assert_eq!(flags.dapr_graceful_shutdown_seconds, Duration::from_secs(7));
        let [first, second, third] = flags.dapr_listen_addresses[..] else { panic!("three addresses") };
        assert_eq!((first.to_string(), second.to_string()), ("::1".to_owned(), "127.0.0.1".to_owned()));
        assert!(third.is_loopback());
        assert_eq!(flags.resources_path, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(flags.config, [PathBuf::from("a.yaml")]);
    }

    #[test]
    fn a_flag_may_come_again_and_apart_from_its_value() {
        let (flags, outside) = parse(&[
            "--app-id",
            "first",
            "--app-id",
            "last",
            "--app-max-concurrency",
            "-1",
            "--profile-port",
            "1",
            "--enable-api-logging",
            "--resources-path",
            "a",
            "--resources-path",
            "b,c",
        ]);
        assert_eq!(flags.app_id, "last");
        assert_eq!((outside.as_slice(), flags.app_max_concurrency), (&["--profile-port".to_owned()][..], 0));
        assert!(flags.enable_api_logging);
        assert_eq!(flags.resources_path.len(), 3);
        for wrong in ["--enable-metrics=maybe", "--dapr-listen-addresses=no such name", "--log-level=loud"] {
            assert!(Flags::command().try_get_matches_from(["pillion-sidecar", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn elder_names_of_limits_count_less() {
        let parse = |arguments: &[&str]| {
            let arguments = std::iter::once("pillion-sidecar").chain(arguments.iter().copied());
            let matches = Flags::command().try_get_matches_from(arguments).unwrap();
            let mut flags = Flags::from_arg_matches(&matches).unwrap();
            flags.take_elder_names(&matches);
            (flags.max_body_size, flags.read_buffer_size)
        };
        let elder = ["--dapr-http-max-request-size", "8", "--dapr-http-read-buffer-size", "16"];
        assert_eq!(parse(&elder), (8 << 20, 16 << 10));
        assert_eq!(parse(&[&elder[..], &["--max-body-size", "1Mi"]].concat()), (1 << 20, 16 << 10));
        assert_eq!(parse(&["--dapr-http-max-request-size", "-1"]), (4 << 20, 4 << 10));
    }

    #[test]
    fn defaults_are_those_of_daprd_but_for_the_address() {
        let (flags, outside) = parse(&[]);
        assert_eq!((flags.dapr_http_port, flags.dapr_grpc_port, flags.metrics_port), (3500, 50001, 9090));
        assert_eq!((flags.max_body_size, flags.read_buffer_size), (4 << 20, 4 << 10));
        assert!(flags.enable_metrics && flags.dapr_public_port.is_none());
        assert!(flags.dapr_public_listen_address.is_loopback());
        assert!(flags.dapr_listen_addresses.iter().all(IpAddr::is_loopback));
        assert!(outside.is_empty());
    }

    #[test]
    fn sizes() {
        assert_eq!(size("1Ki"), Ok(1024));
        assert_eq!(size("3M"), Ok(3_000_000));
        assert_eq!(size("77"), Ok(77));
        for wrong in ["", "Mi", "4Mb", "-1", "99999999999999999999", "18446744073709551615Gi"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
