//! `spec.tracing`: where spans go.

use std::path::Path;

use pillion_capabilities::Error;
use pillion_capabilities::trace::{Export, Options, Protocol, SamplingRate};
use serde::Deserialize;

use super::{Config, ConfigError, Rest, without_effect};
use crate::Flags;

/// `spec.tracing`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tracing {
    #[serde(default)]
    sampling_rate: Option<SamplingRate>,
    #[serde(default)]
    otel: Option<Otel>,
    #[serde(flatten)]
    rest: Rest,
}

/// `spec.tracing.otel`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Otel {
    #[serde(default)]
    endpoint_address: String,
    #[serde(default)]
    is_secure: Option<bool>,
    #[serde(default)]
    protocol: String,
    #[serde(flatten)]
    rest: Rest,
}

// === impl Tracing ===

impl Tracing {
    pub(super) fn warn(&self, file: &Path) {
        without_effect(file, "spec.tracing", &self.rest);
        if let Some(otel) = &self.otel {
            without_effect(file, "spec.tracing.otel", &otel.rest);
        }
    }
}

/// What the flags, their files and the environment say about traces; nothing if these are not asked for. As with Dapr,
/// the last file that says something counts, and an endpoint in a file counts more than one in the environment.
///
/// # Errors
/// A file that cannot be used, or an endpoint that is none.
pub(crate) fn options(flags: &Flags, config: &Config) -> Result<Option<Options>, ConfigError> {
    let said = config.tracing.as_ref();
    let (file, tracing) = said.map_or((None, None), |said| (Some(said.file.as_path()), Some(&said.value)));
    let none = Tracing::default();
    let tracing = tracing.unwrap_or(&none);
    let otel = tracing.otel.as_ref().filter(|otel| !otel.endpoint_address.is_empty());
    let (place, export) = match (otel, &flags.otlp_endpoint) {
        (Some(otel), _) => {
            let place = format!("{}: spec.tracing.otel", file.unwrap_or(Path::new("")).display());
            let export = export(&otel.endpoint_address, otel.is_secure.unwrap_or(true), &otel.protocol);
            (place, Some(export))
        }
        (None, Some(endpoint)) => {
            let protocol = flags.otlp_protocol.as_deref().unwrap_or("grpc");
            ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), Some(export(endpoint, !flags.otlp_insecure, protocol)))
        }
        (None, None) => (String::new(), None),
    };
    let wrong = |source| ConfigError::Tracing { place: place.clone(), source };
    let export = export.transpose().map_err(wrong)?;
    // Whoever names a collector in the environment, and nothing else, wants to see what there is.
    let default = if export.is_some() { SamplingRate::ALL } else { SamplingRate::NONE };
    let sampling_rate = tracing.sampling_rate.unwrap_or(default);
    if sampling_rate == SamplingRate::NONE {
        return Ok(None);
    }
    let service = if flags.app_id.is_empty() { "pillion-sidecar" } else { &flags.app_id };
    let options = Options { service: service.to_owned(), sampling_rate, export };
    options.check().map_err(wrong)?;
    Ok(Some(options))
}

/// Dapr's addresses have no scheme.
fn export(address: &str, secure: bool, protocol: &str) -> Result<Export, Error> {
    let protocol = match protocol {
        "" => Protocol::Grpc,
        "http/json" => {
            return Err(Error::InvalidArgument(
                "protocol \"http/json\" is not spoken; write grpc or http/protobuf".to_owned(),
            ));
        }
        other => other.parse()?,
    };
    let endpoint = match (address.contains("://"), secure) {
        (true, _) => address.to_owned(),
        (false, true) => format!("https://{address}"),
        (false, false) => format!("http://{address}"),
    };
    Ok(Export::new(endpoint, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracing(flags: &Flags) -> Result<Option<Options>, ConfigError> {
        options(flags, &Config::read(&flags.config)?)
    }

    fn flags(file: Option<&str>) -> (Flags, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut flags = Flags::local("app");
        if let Some(text) = file {
            let path = folder.path().join("config.yaml");
            std::fs::write(&path, text).unwrap();
            flags.config = vec![path];
        }
        (flags, folder)
    }

    fn configuration(tracing: &str) -> String {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\nspec:\n  \
             mtls: {{enabled: false}}\n  tracing: {tracing}\n"
        )
    }

    #[test]
    fn a_configuration_says_where_spans_go() {
        for (text, endpoint, protocol, rate) in [
            (
                "{samplingRate: \"1\", otel: {endpointAddress: \"h:1\", isSecure: false, protocol: grpc}}",
                "http://h:1",
                Protocol::Grpc,
                1.0,
            ),
            (
                "{samplingRate: 0.5, stdout: true, otel: {endpointAddress: \"h:1/p\", protocol: http}}",
                "https://h:1/p",
                Protocol::Http,
                0.5,
            ),
            (
                "{samplingRate: \"0.25\", otel: {endpointAddress: \"http://h:1\", isSecure: true}}",
                "http://h:1",
                Protocol::Grpc,
                0.25,
            ),
        ] {
            let (mut flags, _folder) = flags(Some(&configuration(text)));
            flags.otlp_endpoint = Some("http://another".to_owned());
            let options = tracing(&flags).unwrap().expect("they are asked for");
            let export = options.export.expect("there is a collector");
            assert_eq!((export.endpoint.as_str(), export.protocol), (endpoint, protocol));
            assert_eq!((options.sampling_rate.get(), options.service.as_str()), (rate, "app"));
        }
    }

    #[test]
    fn traces_are_off_unless_asked_for() {
        for text in ["{}", "{samplingRate: \"0\", otel: {endpointAddress: \"h:1\", isSecure: false}}"] {
            assert_eq!(tracing(&flags(Some(&configuration(text))).0).unwrap(), None, "{text}");
        }
        assert_eq!(tracing(&flags(None).0).unwrap(), None);
        assert_eq!(tracing(&flags(Some("")).0).unwrap(), None);
        // Sampled, and exported nowhere: contexts are passed on.
        let (flags, _folder) = flags(Some(&configuration("{samplingRate: \"1\"}")));
        assert_eq!(tracing(&flags).unwrap().unwrap().export, None);
    }

    #[test]
    fn the_environment_names_a_collector_too() {
        let (mut flags, _folder) = flags(None);
        for (endpoint, protocol, insecure, expected, spoken) in [
            ("http://h:4317", None, false, "http://h:4317", Protocol::Grpc),
            ("h:4318", Some("http/protobuf"), true, "http://h:4318", Protocol::Http),
            ("h:4317", Some("grpc"), false, "https://h:4317", Protocol::Grpc),
        ] {
            flags.otlp_endpoint = Some(endpoint.to_owned());
            flags.otlp_protocol = protocol.map(str::to_owned);
            flags.otlp_insecure = insecure;
            let options = tracing(&flags).unwrap().expect("it is asked for");
            assert_eq!(options.sampling_rate, SamplingRate::ALL);
            let export = options.export.unwrap();
            assert_eq!((export.endpoint.as_str(), export.protocol), (expected, spoken));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            (configuration("{samplingRate: \"2\"}"), "samplingRate 2 is not from 0 to 1"),
            (configuration("{samplingRate: much}"), "samplingRate \"much\" is no number"),
            (
                configuration("{samplingRate: 1, otel: {endpointAddress: \"h:1\", protocol: thrift}}"),
                "spec.tracing.otel: protocol \"thrift\" is neither grpc nor http/protobuf",
            ),
            (
                configuration("{samplingRate: 1, otel: {endpointAddress: \"ftp://h:1\"}}"),
                "begins with neither http:// nor https://; write the collector's URL for grpc",
            ),
            ("kind: Component".to_owned(), "kind \"Component\"; --config takes a Configuration"),
            ("[".to_owned(), "config.yaml: "),
        ] {
            let said = tracing(&flags(Some(&text)).0).unwrap_err().to_string();
            assert!(said.contains(expected) && said.contains("config.yaml"), "{said}");
        }
        let mut missing = Flags::local("app");
        missing.config = vec!["missing.yaml".into()];
        assert!(tracing(&missing).unwrap_err().to_string().contains("cannot read missing.yaml"));
        let (mut flags, _folder) = flags(None);
        flags.otlp_endpoint = Some("http://".to_owned());
        let said = tracing(&flags).unwrap_err().to_string();
        assert!(said.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: endpoint \"http://\""), "{said}");
    }
}
