//! `spec.httpPipeline` and `spec.appHttpPipeline`: what looks at requests over HTTP.

use serde::Deserialize;

use super::{ConfigError, Said};
use crate::component::Components;
use crate::middleware::{Handler, Pipeline};

/// One of them.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct PipelineSpec {
    #[serde(default)]
    handlers: Vec<HandlerSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct HandlerSpec {
    name: String,
    r#type: String,
}

/// The pipeline that a file describes, all of whose components are there.
///
/// # Errors
/// A component that is not.
pub(crate) fn pipeline(
    field: &str,
    said: Option<&Said<PipelineSpec>>,
    components: &Components,
) -> Result<Option<Pipeline>, ConfigError> {
    let Some(Said { file, value }) = said else { return Ok(None) };
    let handler = |spec: &HandlerSpec| Handler { name: spec.name.clone(), kind: spec.r#type.clone() };
    let Some(pipeline) = Pipeline::new(value.handlers.iter().map(handler).collect()) else { return Ok(None) };
    let checked = pipeline.check(components);
    checked.map_err(|message| ConfigError::Wrong {
        place: format!("{}: spec.{field}", file.display()),
        message,
    })?;
    Ok(Some(pipeline))
}
