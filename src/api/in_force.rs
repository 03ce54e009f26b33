//! Tells the settings in force and where each was written (`/v1/settings`).

use std::sync::{Arc, PoisonError};

use serde_json::json;

use super::context::Service;
use super::reply::Reply;
use crate::ops::settings::InForce;

impl Service {
    pub(super) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn list_settings(&self) -> Reply {
        let InForce { settings, origins } = &*self.in_force();
        Reply::json(&json!({ "settings": settings.entries(origins) }))
    }
}
