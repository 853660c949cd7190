//! What begins once the app listens.

use std::sync::Arc;

use crate::{Sidecar, bindings};

/// Waits for the app, and begins what it asks for.
pub(crate) async fn attach(sidecar: &Arc<Sidecar>) {
    let Some(app) = &sidecar.app else { return };
    tracing::info!("waiting for the app to listen on {} ({})", app.authority, app.protocol.name());
    app.opened().await;
    tracing::info!("the app listens on {}", app.authority);
    // Its sender is here. Always true, unless the app is to be asked.
    let _ = app.healthy().wait_for(|healthy| *healthy).await;
    bindings::input::begin(sidecar);
    let mut changes = sidecar.component_changes();
    sidecar.subscriptions.begin(sidecar).await;
    while changes.changed().await.is_ok() {
        sidecar.subscriptions.refresh(sidecar).await;
    }
}
