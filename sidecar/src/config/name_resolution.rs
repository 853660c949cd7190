//! `spec.nameResolution`: where the sidecars of other apps are.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_norway::Value;

use super::{Config, ConfigError, access_control};
use crate::Flags;
use crate::invoke::{Dns, Invoker, Names};

/// `spec.nameResolution`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NameResolution {
    #[serde(default)]
    component: String,
    #[serde(default)]
    configuration: Option<Value>,
}

/// One address or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Addresses {
    One(String),
    Several(Vec<String>),
}

/// The configuration of `structuredformat`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured {
    #[serde(alias = "structureType")]
    structured_type: String,
    #[serde(default)]
    string_value: String,
    #[serde(default)]
    file_path: String,
}

/// What it leads to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instances {
    app_instances: BTreeMap<String, Vec<Instance>>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    domain: String,
    #[serde(default)]
    ipv4: String,
    #[serde(default)]
    ipv6: String,
    port: u16,
}

/// The configuration of `dns` and `kubernetes`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DnsSettings {
    #[serde(default)]
    cluster_domain: String,
    #[serde(default)]
    template: String,
    /// Ours: the port of all other sidecars.
    #[serde(default)]
    port: Option<u16>,
}

/// The port that Dapr's sidecars have in Kubernetes.
const PORT: u16 = 50_002;

/// What calls other apps, and says who may call this one.
///
/// # Errors
/// What is said about either and cannot be used.
pub(crate) fn invoker(flags: &Flags, config: &Config) -> Result<Invoker, ConfigError> {
    let mut names = Names::default();
    if let Some(said) = &config.name_resolution {
        let place = || format!("{}: spec.nameResolution", said.file.display());
        let wrong = |message| ConfigError::Wrong { place: place(), message };
        read(&said.value, &said.file, flags, &mut names).map_err(wrong)?;
    }
    for (id, address) in &flags.app_address {
        let wrong = |message| ConfigError::Wrong { place: format!("--app-address {id}={address}"), message };
        names.add(id, address).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(Invoker::new(flags.namespace.as_deref(), names, access_control::access(config)?))
}

fn read(said: &NameResolution, file: &Path, flags: &Flags, names: &mut Names) -> Result<(), String> {
    let configuration = said.configuration.clone().unwrap_or(Value::Null);
    let text = |error: serde_norway::Error| format!("configuration: {error}");
    match said.component.as_str() {
        "static" => {
            let table: BTreeMap<String, Addresses> = serde_norway::from_value(configuration).map_err(text)?;
            for (id, addresses) in table {
                let addresses = match addresses {
                    Addresses::One(address) => vec![address],
                    Addresses::Several(addresses) => addresses,
                };
                for address in addresses {
                    names.add(&id, &address).map_err(|error| format!("configuration.{id}: {error}"))?;
                }
            }
        }
        "structuredformat" => {
            let settings: Structured = serde_norway::from_value(configuration).map_err(text)?;
            for (id, instances) in instances(&settings, file)?.app_instances {
                for instance in instances {
                    names
                        .add(&id, &instance.address())
                        .map_err(|error| format!("appInstances.{id}: {error}"))?;
                }
            }
        }
        "dns" | "kubernetes" => {
            let settings: Option<DnsSettings> = serde_norway::from_value(configuration).map_err(text)?;
            let settings = settings.unwrap_or_default();
            let template = match (settings.template.as_str(), settings.cluster_domain.as_str()) {
                ("", "") => Dns::TEMPLATE.to_owned(),
                ("", domain) => Dns::TEMPLATE.replace("cluster.local", domain),
                (template, _) => template.to_owned(),
            };
            let own = Some(flags.dapr_internal_grpc_port).filter(|&port| port != 0);
            let dns = Dns::new(template, settings.port.or(own).unwrap_or(PORT));
            let example = dns.name("app", "default");
            if example.contains("{{")
                || example.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err())
            {
                return Err(format!(
                    "configuration.template comes to {example:?}; write it of {{{{.ID}}}}, {{{{.Namespace}}}} and \
                     {{{{.Port}}}}, with a port at its end"
                ));
            }
            names.set_dns(dns);
        }
        "" => return Err("component is missing: static, structuredformat or dns".to_owned()),
        "mdns" => {
            return Err(
                "this sidecar has no mDNS; name the other sidecars with the component static, or with \
                        --app-address APP=HOST:PORT"
                    .to_owned(),
            );
        }
        other => {
            return Err(format!(
                "component {other:?} is unknown; this sidecar has static, structuredformat and dns"
            ));
        }
    }
    Ok(())
}

fn instances(settings: &Structured, file: &Path) -> Result<Instances, String> {
    let from_file = || {
        // Beside the configuration that names it.
        let path = file.parent().unwrap_or(Path::new("")).join(&settings.file_path);
        crate::component::read_text(&path).map_err(|error| format!("filePath {}: {error}", path.display()))
    };
    let json = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    let yaml = |text: &str| serde_norway::from_str(text).map_err(|error| error.to_string());
    match settings.structured_type.as_str() {
        "jsonString" => json(&settings.string_value),
        "yamlString" => yaml(&settings.string_value),
        "jsonFile" => json(&from_file()?),
        "yamlFile" => yaml(&from_file()?),
        other => {
            Err(format!("structuredType {other:?} is none of jsonString, yamlString, jsonFile and yamlFile"))
        }
    }
}

// === impl Instance ===

impl Instance {
    fn address(&self) -> String {
        let Self { domain, ipv4, ipv6, port } = self;
        if !domain.is_empty() {
            format!("{domain}:{port}")
        } else if !ipv4.is_empty() {
            format!("{ipv4}:{port}")
        } else {
            format!("[{}]:{port}", ipv6.trim_matches(['[', ']']))
        }
    }
}
