//! Routes an admitted request to the method that answers it.

use std::sync::Arc;

use serde::Serialize;

use super::context::{Call, Service};
use super::error::{Error, Kind};
use super::reply::Reply;
use super::route::Route;
use super::tokens::still_admitted;
use crate::ops::settings::Scope;

/// What `tfss` reports in `/version`: the inference library. A test checks it against Cargo.lock.
const ENGINE: &str = "tract 0.23.9";

const OPENAPI: &str = include_str!("../../docs/ref/openapi.yaml");

impl Service {
    /// Answers an admitted request.
    pub fn answer(self: &Arc<Self>, call: &Call) -> Reply {
        let body = &call.body;
        // Its token may have been revoked while it waited: the gate lets those of this scope be answered.
        if call.route.scopes() == [Scope::Admin]
            && let Err(error) = still_admitted(call, &self.access())
        {
            return error.into();
        }
        let reply = match call.route {
            Route::Version => Ok(self.version()),
            Route::Alive => Ok(Self::alive()),
            Route::Ready => Ok(self.readiness()),
            Route::Metrics => Ok(self.metrics()),
            Route::OpenApi => Ok(Reply::ok("application/yaml", OPENAPI.as_bytes().to_vec())),
            Route::Camera => Ok(self.camera_state()),
            // Also while the models don't run: the lock can be opened, and what happened can be read.
            Route::Door => self.door_state(),
            Route::DoorOpen => self.open_door(call, body),
            Route::DoorMode => self.switch_door(body),
            Route::DoorClaim => self.claim(body),
            Route::Events => self.list_events(call),
            Route::EventStream => self.stream_events(call),
            Route::EventPicture => self.event_picture(call),
            Route::Session => Ok(self.session(call)),
            Route::SessionBegin => Ok(self.begin_session(call)),
            Route::SessionEnd => Ok(self.end_session(call)),
            Route::Tokens => Ok(self.list_tokens()),
            Route::TokenCreate => self.create_token(call, body),
            Route::TokenRevoke => self.revoke_token(call),
            Route::Console => Self::console(call),
            Route::Doctor => Ok(self.doctor()),
            Route::Settings => Ok(self.list_settings()),
            Route::CameraChallenge => self.challenge(call),
            Route::CameraFrame => self.camera_frame(call),
            Route::CameraStream => self.camera_stream(call),
            Route::PatternHealth | Route::LivenessHealth => Ok(self.health()),
            route if !self.ready() => {
                Err(Error::new(route.family(), Kind::NotReady, "the models failed their self-test"))
            }
            Route::LivenessDetect => self.detect(call, body),
            Route::Extract => self.extract(call, body),
            Route::Faces => self.faces(call, body),
            Route::CameraFaces => self.camera_faces(call),
            Route::Compare => self.parts(call, body).and_then(|found| self.compare(call, &found)),
            Route::Verify => self.parts(call, body).and_then(|found| self.verify(call, &found)),
            Route::ExtractAndCompare => self.parts(call, body).and_then(|found| self.extract_and_compare(call, &found)),
            Route::CompareN => self.parts(call, body).and_then(|found| self.compare_n(call, &found)),
            Route::VerifyN => self.parts(call, body).and_then(|found| self.verify_n(call, &found)),
            Route::ExtractAndCompareN => {
                self.parts(call, body).and_then(|found| self.extract_and_compare_n(call, &found))
            }
            Route::Join => self.parts(call, body).and_then(|found| self.join(call, &found)),
            Route::CameraDetect => self.camera_detect(call, body),
            Route::CameraLight => self.calibrate_light(call, body),
            Route::CameraExtract => self.camera_extract(call, body),
            Route::CameraVerify => self.parts(call, body).and_then(|found| self.camera_verify(call, &found)),
            Route::CameraIdentify => self.camera_identify(call, body),
            Route::People => self.list_people(call),
            Route::PersonCreate => self.create_person(call, body),
            Route::Person => self.show_person(call),
            Route::PersonUpdate => self.update_person(call, body),
            Route::PersonDelete => self.delete_person(call),
            Route::Deletion => self.deletion(call),
            Route::TemplateAdd => self.add_template(call, body),
            Route::TemplateDelete => self.delete_template(call),
            Route::Credentials => self.set_credentials(call, body),
            Route::Identify => self.identify(call, body),
            Route::PeopleExport => self.export_people(call),
            Route::PeopleImport => self.import_people(call, body),
            Route::CameraVerifyN => self.parts(call, body).and_then(|found| self.camera_verify_n(call, &found)),
        };
        let large = |reply: &Reply| reply.body.len() > self.limits.reply_bytes;
        let reply =
            reply.and_then(|reply| if large(&reply) { Err(self.too_large(call.route.family())) } else { Ok(reply) });
        reply.unwrap_or_else(Reply::from)
    }

    fn version(&self) -> Reply {
        #[derive(Serialize)]
        struct Model<'a> {
            name: &'a str,
            version: &'a str,
        }
        #[derive(Serialize)]
        struct Version<'a> {
            core: &'a str,
            tfss: &'a str,
            models: Vec<Model<'a>>,
        }
        let models = self.models().map(|m| Model { name: &m.name, version: &m.version }).collect();
        Reply::json(&Version { core: env!("CARGO_PKG_VERSION"), tfss: ENGINE, models })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_names_the_engine_that_is_linked() {
        let lock = include_str!("../../Cargo.lock");
        let version = ENGINE.strip_prefix("tract ").unwrap();
        assert!(lock.contains(&format!("name = \"tract-onnx\"\nversion = \"{version}\"")));
    }

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let (mut path, mut described) = ("", vec![]);
        for line in OPENAPI.lines().filter(|l| l.ends_with(':')) {
            let key = line.trim().trim_end_matches(':');
            match line.len() - line.trim_start().len() {
                2 if key.starts_with('/') => path = key,
                4 if ["get", "post", "put", "delete", "patch"].contains(&key) => described.push((path, key)),
                _ => {}
            }
        }
        let routes: Vec<(&str, String)> = Route::ALL.iter().map(|r| (r.path(), r.method().to_lowercase())).collect();
        assert_eq!(described.len(), routes.len());
        for (path, verb) in &routes {
            assert!(described.contains(&(path, verb)), "{verb} {path} is not described");
        }
    }
}
