//! From a component file to a middleware.

use super::opening::Opening;
use crate::component::ComponentError;
use crate::middleware::{Aliases, Checker, Middleware, Rate, TYPES, remedy};

/// Makes a component's middleware.
pub(super) fn middleware(opening: &Opening<'_>) -> Result<Middleware, ComponentError> {
    let manifest = opening.manifest;
    match manifest.kind.as_str() {
        "middleware.http.routeralias" => {
            let aliases = Aliases::new(&manifest.settings).map_err(|wrong| opening.wrong(wrong))?;
            Ok(Middleware::Aliases(aliases))
        }
        "middleware.http.ratelimit" => {
            opening.knows(&["maxRequestsPerSecond"]);
            let text = manifest.setting("maxRequestsPerSecond");
            let per_second = text.map_or(Ok(Rate::DEFAULT), str::parse);
            let per_second =
                per_second.ok().filter(|rate| rate.is_finite() && *rate > 0.0).ok_or_else(|| {
                    let text = text.unwrap_or_default();
                    opening.wrong(format!("setting maxRequestsPerSecond: {text:?} is no number above 0"))
                })?;
            Ok(Middleware::Rate(Rate::new(per_second)))
        }
        "middleware.http.routerchecker" => {
            opening.knows(&["rule"]);
            let rule = opening.required("rule", "a regular expression that paths match")?;
            Ok(Middleware::Checker(Checker::new(rule).map_err(|wrong| opening.wrong(wrong))?))
        }
        kind => {
            let known = TYPES.join(", ");
            let remedy = remedy(kind);
            Err(opening.wrong(format!("type {kind} is not there; this sidecar has {known}; {remedy}")))
        }
    }
}
