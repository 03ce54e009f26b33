//! The settings in force: those of the start, but for what a reload replaces.

use std::sync::Arc;

use super::{Origins, Settings};

/// Sections that are replaced by a reload.
const RELOADED: [&str; 3] = ["access", "tls", "decision"];

/// The settings in force, and where they were written.
#[derive(Debug)]
pub struct InForce {
    /// The settings.
    pub settings: Settings,
    /// Where they were written.
    pub origins: Origins,
}

impl Settings {
    /// These settings with those of `new` that count without a restart.
    pub fn reloaded(&self, new: &Self) -> Self {
        let Self { access, tls, decision, .. } = new.clone();
        Self { access, tls, decision, ..self.clone() }
    }
}

impl InForce {
    /// Those of the start.
    pub fn new(settings: &Settings, origins: &Origins) -> Arc<Self> {
        Arc::new(Self { settings: settings.clone(), origins: origins.clone() })
    }

    /// These with what of the new ones counts without a restart.
    pub fn reloaded(&self, new: &Settings, origins: &Origins) -> Arc<Self> {
        let is_new = |key: &str| key.split_once('.').is_some_and(|(section, _)| RELOADED.contains(&section));
        let kept = self.origins.iter().filter(|(key, _)| !is_new(key));
        let read = origins.iter().filter(|(key, _)| is_new(key));
        let origins = kept.chain(read).map(|(key, origin)| (key.clone(), origin.clone())).collect();
        Arc::new(Self { settings: self.settings.reloaded(new), origins })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Camera, Decision, Origin};
    use super::*;

    #[test]
    fn a_reload_replaces_what_counts_without_a_restart() {
        let origin = |line| Origin::File { name: "f".into(), line };
        let origins = |line| ["camera.fps", "decision.approved"].map(|key| (key.to_owned(), origin(line))).into();
        let before = Settings { camera: Camera { fps: 15, ..Camera::default() }, ..Settings::default() };
        let decision = Decision { approved: 0.9, ..Decision::default() };
        let new = Settings { decision: decision.clone(), ..Settings::default() };
        let reloaded = InForce::new(&before, &origins(1)).reloaded(&new, &origins(2));
        assert_eq!(reloaded.settings, Settings { decision, ..before });
        assert_eq!(reloaded.origins["camera.fps"], origin(1));
        assert_eq!(reloaded.origins["decision.approved"], origin(2));
    }
}
