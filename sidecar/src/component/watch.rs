//! Whether the folders of component files are as they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pillion_capabilities::stamp::Stamp;

use super::Loader;
use crate::Sidecar;

/// Looks at folders, as often as it is asked to.
///
/// A change is one once two looks in a row have found the same, so that what is still being written is not read; whoever
/// writes slowly renames a new file to its place. A file that changed so shortly before it was read that a later change
/// might look the same is said to have changed once more, to be on the safe side.
#[derive(Debug)]
pub(super) struct Watch {
    folders: Vec<PathBuf>,
    /// How they looked when they were last said to have changed.
    taken: Look,
    /// How they looked the last time.
    found: Option<Look>,
    /// Whether a look may have been too early to tell all later states from it.
    unsettled: bool,
}

/// The files, and how each is.
type Look = BTreeMap<PathBuf, Option<Stamp>>;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(500);

/// Takes the changes of the components' files, as they are found or as somebody asks for them, for ever.
pub(crate) async fn watch(sidecar: &Sidecar, mut loader: Loader, hot: bool) {
    loop {
        tokio::select! {
            biased;
            () = sidecar.reload_asked() => tracing::info!("looking for changes of components, as was asked for"),
            () = tokio::time::sleep(LOOK), if hot => {
                if !loader.watch.changed() {
                    continue;
                }
            }
        }
        let (changes, components) = loader.reload().await;
        for reason in &changes.refused {
            tracing::error!("a change of components is not taken, what was there stays: {reason}");
        }
        if let Some(components) = components {
            sidecar.set_components(components);
            let (opened, gone) = (changes.opened.join(", "), changes.gone.join(", "));
            tracing::info!("components were reloaded: new or changed [{opened}], gone [{gone}]");
        }
    }
}

// === impl Watch ===

impl Watch {
    /// Watches folders. To be called before they are read.
    pub(super) fn new(folders: &[PathBuf]) -> Self {
        let taken = look(folders);
        let unsettled = !is_settled(&taken);
        Self { folders: folders.to_vec(), taken, found: None, unsettled }
    }

    /// Looks again; answers whether they have changed.
    fn changed(&mut self) -> bool {
        let now = look(&self.folders);
        if self.found.as_ref() != Some(&now) {
            self.found = Some(now);
            return false;
        }
        if self.taken == now && !(self.unsettled && is_settled(&now)) {
            return false;
        }
        self.unsettled = !is_settled(&now);
        self.taken = now;
        true
    }
}

fn is_settled(look: &Look) -> bool {
    look.values().flatten().all(Stamp::is_settled)
}

fn look(folders: &[PathBuf]) -> Look {
    let mut look = Look::new();
    for folder in folders {
        // One that is not there has no files; the reload says so.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_yaml(&path) {
                let stamp = Stamp::at(&path).ok();
                look.insert(path, stamp);
            }
        }
    }
    look
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}
