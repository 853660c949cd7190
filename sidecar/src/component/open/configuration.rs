//! From a component file to a configuration store.

use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::Configuration;
use pillion_capabilities::configuration::{File, Redis};

use super::{Opening, redis};
use crate::component::ComponentError;

/// How often is looked for changes. Dapr's component is told by Redis of them, if Redis was told to tell.
const LOOK: Duration = Duration::from_millis(250);

/// Opens the provider of a component.
pub(super) async fn store(opening: &Opening<'_>) -> Result<Arc<dyn Configuration>, ComponentError> {
    Ok(match opening.manifest.kind.as_str() {
        "configuration.redis" => {
            opening.knows(redis::SETTINGS);
            let url = redis::url(opening.manifest).map_err(|message| opening.wrong(message))?;
            Arc::new(Redis::connect(&url, LOOK).await.map_err(|error| opening.failed(error))?)
        }
        "configuration.local.file" => {
            opening.knows(&["path"]);
            let path = opening.required("path", "the YAML or JSON file with the configuration")?;
            Arc::new(File::open(path, LOOK).map_err(|error| opening.failed(error))?)
        }
        _ => return Err(opening.unknown()),
    })
}
