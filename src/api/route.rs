//! Maps a request line to its route.

use super::assets::asset;
use super::error::{Error, Family, Kind};
use super::form::{Field, Form};

/// The paths of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /version`
    Version,
    /// `GET /openapi.yaml`
    OpenApi,
    /// `GET /healthz`
    Alive,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `GET /v1/face/pattern/health`
    PatternHealth,
    /// `POST /v1/face/pattern/extract`
    Extract,
    /// `POST /v1/face/pattern/compare`
    Compare,
    /// `POST /v1/face/pattern/verify`
    Verify,
    /// `POST /v1/face/pattern/extract_and_compare`
    ExtractAndCompare,
    /// `POST /v1/face/pattern/compare_n`
    CompareN,
    /// `POST /v1/face/pattern/verify_n`
    VerifyN,
    /// `POST /v1/face/pattern/extract_and_compare_n`
    ExtractAndCompareN,
    /// `POST /v1/face/pattern/join`
    Join,
    /// `POST /v1/face/pattern/faces`
    Faces,
    /// `GET /v1/face/liveness/health`
    LivenessHealth,
    /// `POST /v1/face/liveness/detect`
    LivenessDetect,
    /// `GET /v1/camera`
    Camera,
    /// `GET /v1/camera/challenge`
    CameraChallenge,
    /// `POST /v1/camera/light`
    CameraLight,
    /// `GET /v1/camera/frame`
    CameraFrame,
    /// `GET /v1/camera/faces`
    CameraFaces,
    /// `GET /v1/camera/stream`
    CameraStream,
    /// `POST /v1/camera/liveness/detect`
    CameraDetect,
    /// `POST /v1/camera/pattern/extract`
    CameraExtract,
    /// `POST /v1/camera/pattern/verify`
    CameraVerify,
    /// `POST /v1/camera/pattern/verify_n`
    CameraVerifyN,
    /// `POST /v1/camera/identify`
    CameraIdentify,
    /// `GET /v1/people`
    People,
    /// `POST /v1/people`
    PersonCreate,
    /// `POST /v1/people/identify`
    Identify,
    /// `GET /v1/people/export`
    PeopleExport,
    /// `POST /v1/people/import`
    PeopleImport,
    /// `GET /v1/people/{id}`
    Person,
    /// `PUT /v1/people/{id}`
    PersonUpdate,
    /// `DELETE /v1/people/{id}`
    PersonDelete,
    /// `GET /v1/people/{id}/deletion`
    Deletion,
    /// `POST /v1/people/{id}/templates`
    TemplateAdd,
    /// `DELETE /v1/people/{id}/templates/{number}`
    TemplateDelete,
    /// `PUT /v1/people/{id}/credentials`
    Credentials,
    /// `GET /v1/door`
    Door,
    /// `POST /v1/door/open`
    DoorOpen,
    /// `POST /v1/door/mode`
    DoorMode,
    /// `POST /v1/door/claim`
    DoorClaim,
    /// `GET /v1/events`
    Events,
    /// `GET /v1/events/stream`
    EventStream,
    /// `GET /v1/events/{number}/picture`
    EventPicture,
    /// `GET /v1/session`
    Session,
    /// `POST /v1/session`
    SessionBegin,
    /// `DELETE /v1/session`
    SessionEnd,
    /// `GET /v1/tokens`
    Tokens,
    /// `POST /v1/tokens`
    TokenCreate,
    /// `DELETE /v1/tokens/{id}`
    TokenRevoke,
    /// `GET /v1/doctor`
    Doctor,
    /// `GET /v1/settings`
    Settings,
    /// The console's pages and what they are made of: no method, so it is in no list of them.
    Console,
}

/// The content types that a route accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepts {
    /// No body: it is called with `GET`.
    Nothing,
    /// No body, though it is called with `POST`.
    NoSample,
    /// Nothing, the payload of detect as `application/json`, or a form with it.
    Payload,
    /// `image/jpeg` or `image/png`.
    Picture,
    /// `multipart/form-data` with these parts.
    Form(Form),
    /// Either, with parts of the caller's choice.
    PictureOrForm,
    /// `application/json`.
    Json,
    /// Lines of JSON, `application/x-ndjson`.
    Lines,
    /// A picture or a template, or nothing if the sample comes from the camera.
    Enrollment,
}

impl Route {
    /// All methods.
    pub const ALL: [Self; 55] = [
        Self::Version,
        Self::OpenApi,
        Self::Alive,
        Self::Ready,
        Self::Metrics,
        Self::PatternHealth,
        Self::Extract,
        Self::Compare,
        Self::Verify,
        Self::ExtractAndCompare,
        Self::CompareN,
        Self::VerifyN,
        Self::ExtractAndCompareN,
        Self::Join,
        Self::Faces,
        Self::LivenessHealth,
        Self::LivenessDetect,
        Self::Camera,
        Self::CameraChallenge,
        Self::CameraLight,
        Self::CameraFrame,
        Self::CameraFaces,
        Self::CameraStream,
        Self::CameraDetect,
        Self::CameraExtract,
        Self::CameraVerify,
        Self::CameraVerifyN,
        Self::CameraIdentify,
        Self::People,
        Self::PersonCreate,
        Self::Identify,
        Self::PeopleExport,
        Self::PeopleImport,
        Self::Person,
        Self::PersonUpdate,
        Self::PersonDelete,
        Self::Deletion,
        Self::TemplateAdd,
        Self::TemplateDelete,
        Self::Credentials,
        Self::Door,
        Self::DoorOpen,
        Self::DoorMode,
        Self::DoorClaim,
        Self::Events,
        Self::EventStream,
        Self::EventPicture,
        Self::Session,
        Self::SessionBegin,
        Self::SessionEnd,
        Self::Tokens,
        Self::TokenCreate,
        Self::TokenRevoke,
        Self::Doctor,
        Self::Settings,
    ];

    /// Its path. What stands in braces is any text without a slash.
    pub fn path(self) -> &'static str {
        match self {
            Self::Version => "/version",
            Self::OpenApi => "/openapi.yaml",
            Self::Alive => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::PatternHealth => "/v1/face/pattern/health",
            Self::Extract => "/v1/face/pattern/extract",
            Self::Compare => "/v1/face/pattern/compare",
            Self::Verify => "/v1/face/pattern/verify",
            Self::ExtractAndCompare => "/v1/face/pattern/extract_and_compare",
            Self::CompareN => "/v1/face/pattern/compare_n",
            Self::VerifyN => "/v1/face/pattern/verify_n",
            Self::ExtractAndCompareN => "/v1/face/pattern/extract_and_compare_n",
            Self::Join => "/v1/face/pattern/join",
            Self::Faces => "/v1/face/pattern/faces",
            Self::LivenessHealth => "/v1/face/liveness/health",
            Self::LivenessDetect => "/v1/face/liveness/detect",
            Self::Camera => "/v1/camera",
            Self::CameraChallenge => "/v1/camera/challenge",
            Self::CameraLight => "/v1/camera/light",
            Self::CameraFrame => "/v1/camera/frame",
            Self::CameraFaces => "/v1/camera/faces",
            Self::CameraStream => "/v1/camera/stream",
            Self::CameraDetect => "/v1/camera/liveness/detect",
            Self::CameraExtract => "/v1/camera/pattern/extract",
            Self::CameraVerify => "/v1/camera/pattern/verify",
            Self::CameraVerifyN => "/v1/camera/pattern/verify_n",
            Self::CameraIdentify => "/v1/camera/identify",
            Self::People | Self::PersonCreate => "/v1/people",
            Self::Identify => "/v1/people/identify",
            Self::PeopleExport => "/v1/people/export",
            Self::PeopleImport => "/v1/people/import",
            Self::Person | Self::PersonUpdate | Self::PersonDelete => "/v1/people/{id}",
            Self::Deletion => "/v1/people/{id}/deletion",
            Self::TemplateAdd => "/v1/people/{id}/templates",
            Self::TemplateDelete => "/v1/people/{id}/templates/{number}",
            Self::Credentials => "/v1/people/{id}/credentials",
            Self::Door => "/v1/door",
            Self::DoorOpen => "/v1/door/open",
            Self::DoorMode => "/v1/door/mode",
            Self::DoorClaim => "/v1/door/claim",
            Self::Events => "/v1/events",
            Self::EventStream => "/v1/events/stream",
            Self::EventPicture => "/v1/events/{number}/picture",
            Self::Session | Self::SessionBegin | Self::SessionEnd => "/v1/session",
            Self::Tokens | Self::TokenCreate => "/v1/tokens",
            Self::TokenRevoke => "/v1/tokens/{id}",
            Self::Console => "/",
            Self::Doctor => "/v1/doctor",
            Self::Settings => "/v1/settings",
        }
    }

    /// Its verb. Where it is `GET`, `HEAD` is answered as well.
    pub fn method(self) -> &'static str {
        match self {
            Self::PersonUpdate | Self::Credentials => "PUT",
            Self::PersonDelete | Self::TemplateDelete | Self::SessionEnd | Self::TokenRevoke => "DELETE",
            _ if self.accepts() == Accepts::Nothing => "GET",
            _ => "POST",
        }
    }

    /// The verbs with which its path is called, as the header `Allow` has them.
    fn allowed(self) -> &'static str {
        match self {
            Self::People | Self::PersonCreate | Self::Tokens | Self::TokenCreate => "GET, HEAD, POST",
            Self::Session | Self::SessionBegin | Self::SessionEnd => "GET, HEAD, POST, DELETE",
            Self::Person | Self::PersonUpdate | Self::PersonDelete => "GET, HEAD, PUT, DELETE",
            other => other.method(),
        }
    }

    pub(super) fn accepts(self) -> Accepts {
        use Field::{Sample, Template};
        let form = |one: &'static [(&'static str, Field)], many| Accepts::Form(Form { one, many });
        match self {
            Self::Version | Self::OpenApi | Self::PatternHealth | Self::LivenessHealth => Accepts::Nothing,
            Self::Alive | Self::Ready | Self::Metrics | Self::Doctor | Self::Settings => Accepts::Nothing,
            Self::Camera | Self::CameraChallenge | Self::CameraFrame | Self::CameraStream => Accepts::Nothing,
            Self::CameraFaces => Accepts::Nothing,
            Self::People | Self::PeopleExport | Self::Person | Self::Deletion => Accepts::Nothing,
            Self::Door | Self::Events | Self::EventStream | Self::EventPicture => Accepts::Nothing,
            Self::Session | Self::Tokens | Self::Console => Accepts::Nothing,
            Self::DoorOpen | Self::SessionBegin | Self::SessionEnd | Self::TokenRevoke => Accepts::NoSample,
            Self::DoorMode | Self::DoorClaim | Self::Credentials | Self::TokenCreate => Accepts::Json,
            Self::CameraExtract | Self::CameraLight | Self::CameraIdentify => Accepts::NoSample,
            Self::PersonDelete | Self::TemplateDelete => Accepts::NoSample,
            Self::PersonCreate | Self::PersonUpdate => Accepts::Json,
            Self::PeopleImport => Accepts::Lines,
            Self::TemplateAdd => Accepts::Enrollment,
            Self::CameraDetect => Accepts::Payload,
            Self::CameraVerify => form(&[("bio_template", Template)], None),
            Self::CameraVerifyN | Self::Join => form(&[], Some(("templates_n", Template))),
            Self::Extract | Self::Faces | Self::Identify => Accepts::Picture,
            Self::LivenessDetect => Accepts::PictureOrForm,
            Self::Compare => form(&[("bio_feature", Template), ("bio_template", Template)], None),
            Self::Verify => form(&[("sample", Sample), ("bio_template", Template)], None),
            Self::ExtractAndCompare => form(&[("sample_1", Sample), ("sample_2", Sample)], None),
            Self::CompareN => form(&[("template_1", Template)], Some(("templates_n", Template))),
            Self::VerifyN => form(&[("sample_1", Sample)], Some(("templates_n", Template))),
            Self::ExtractAndCompareN => form(&[("sample_1", Sample)], Some(("samples_n", Sample))),
        }
    }

    /// The parameters that its query may have; none if the query is ignored, as the contract's own methods do.
    pub(super) fn parameters(self) -> Option<&'static [&'static str]> {
        match self {
            Self::CameraExtract | Self::CameraVerify | Self::CameraVerifyN | Self::CameraIdentify => {
                Some(&["liveness", "threshold_spoofing", "deadline_ms"])
            }
            Self::CameraDetect => Some(&["liveness", "deadline_ms"]),
            Self::CameraFrame | Self::CameraFaces | Self::CameraLight => Some(&["deadline_ms"]),
            Self::CameraStream | Self::CameraChallenge => Some(&[]),
            Self::Events => Some(&["after", "before", "from", "until", "type", "person", "limit", "format"]),
            Self::EventStream | Self::EventPicture | Self::Door | Self::DoorOpen | Self::DoorMode | Self::DoorClaim => {
                Some(&[])
            }
            Self::Session | Self::SessionBegin | Self::SessionEnd => Some(&[]),
            Self::Tokens | Self::TokenCreate | Self::TokenRevoke => Some(&[]),
            Self::Doctor | Self::Settings => Some(&[]),
            Self::People => Some(&["after", "limit", "group", "text"]),
            Self::PeopleExport => Some(&["id"]),
            Self::PeopleImport => Some(&["replace"]),
            Self::TemplateAdd => Some(&["source", "force", "liveness", "threshold_spoofing", "deadline_ms"]),
            route if route.is_of_people() => Some(&[]),
            _ => None,
        }
    }

    /// The family of its error codes.
    pub fn family(self) -> Family {
        Family::of(self.path())
    }

    /// Whether it is one of the methods of people.
    pub(super) fn is_of_people(self) -> bool {
        self.path().starts_with("/v1/people")
    }

    /// Whether it is one of the methods of events.
    pub(super) fn is_of_events(self) -> bool {
        self.path().starts_with("/v1/events")
    }

    /// The route of a request target, if possible one with this verb.
    pub fn at(method: &str, target: &str) -> Option<Self> {
        let path = path(target);
        let mut all = Self::ALL.into_iter().filter(|route| values(route.path(), path).is_some());
        let Some(first) = all.next() else { return asset(path).map(|_| Self::Console) };
        // What is named comes before what may be any text.
        let same = all.take_while(|route| route.path() == first.path());
        Some(std::iter::once(first).chain(same).find(|route| route.is_called_with(method)).unwrap_or(first))
    }

    fn is_called_with(self, method: &str) -> bool {
        method == self.method() || method == "HEAD" && self.method() == "GET"
    }

    /// What stands in a target in place of the braces of this route's path.
    pub(super) fn values(self, target: &str) -> Vec<&str> {
        values(self.path(), path(target)).unwrap_or_default()
    }

    /// Whether its body mainly holds templates.
    pub(super) fn holds_template(self) -> bool {
        matches!(self.accepts(), Accepts::Form(form) if form.first() == Field::Template)
    }

    /// Finds the route of a request target and checks the verb.
    pub fn find(method: &str, target: &str) -> Result<Self, Error> {
        let path = path(target);
        let Some(route) = Self::at(method, target) else {
            return Err(Error::new(Family::of(path), Kind::UnknownPath, "there is no such method"));
        };
        if route.is_called_with(method) {
            return Ok(route);
        }
        let allow = route.allowed();
        Err(Error::new(route.family(), Kind::Method { allow }, format!("{} is called with {allow}", route.path())))
    }
}

/// What stands in `path` in place of the braces of `pattern`, if it fits.
fn values<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    if !pattern.contains('{') {
        return (pattern == path).then(Vec::new);
    }
    let (mut wanted, mut given, mut values) = (pattern.split('/'), path.split('/'), vec![]);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(values),
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => values.push(given),
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

/// The query of a target without a fragment; empty if there is none.
pub(super) fn query(target: &str) -> &str {
    target.split_once('?').map_or("", |(_, query)| query)
}

/// The path of a target in origin form, without its query.
pub(super) fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_path_and_verb() {
        for route in Route::ALL {
            assert_eq!(Route::find(route.method(), route.path()).unwrap(), route);
            let with_query = format!("{}?x=1", route.path().replace("{id}", "ann").replace("{number}", "7"));
            assert_eq!(Route::find(route.method(), &with_query).unwrap(), route);
        }
        assert_eq!(Route::find("HEAD", "/version").unwrap(), Route::Version);
    }

    #[test]
    fn values_of_a_path_are_found() {
        let found =
            |method: &str, target: &'static str| Route::find(method, target).map(|route| (route, route.values(target)));
        assert_eq!(found("GET", "/v1/people/ann?x=/"), Ok((Route::Person, vec!["ann"])));
        assert_eq!(found("PUT", "/v1/people/ann"), Ok((Route::PersonUpdate, vec!["ann"])));
        assert_eq!(found("DELETE", "/v1/people/ann/templates/3"), Ok((Route::TemplateDelete, vec!["ann", "3"])));
        assert_eq!(found("HEAD", "/v1/people/export"), Ok((Route::PeopleExport, vec![])));
        assert_eq!(found("POST", "/v1/people"), Ok((Route::PersonCreate, vec![])));
        for (method, target, allow) in [
            ("POST", "/v1/people/ann", "GET, HEAD, PUT, DELETE"),
            ("DELETE", "/v1/people", "GET, HEAD, POST"),
            ("DELETE", "/v1/people/export", "GET"),
            ("GET", "/v1/people/ann/templates", "POST"),
        ] {
            assert_eq!(Route::find(method, target).unwrap_err().allow(), Some(allow), "{target}");
        }
        for target in ["/v1/people/", "/v1/people/ann/", "/v1/people//templates", "/v1/people/ann/templates/3/4"] {
            assert_eq!(Route::find("GET", target).unwrap_err().status(), 404, "{target}");
        }
    }

    #[test]
    fn unknown_paths_have_no_route() {
        for target in [
            "",
            "/console",
            "/console/../kiosk",
            "*",
            "version",
            "/version/",
            "//version",
            "/VERSION",
            "/v2/face/pattern/extract",
            "/%76ersion",
            "http://",
        ] {
            let error = Route::find("GET", target).unwrap_err();
            assert_eq!((error.status(), error.code()), (404, "BPE-002006"), "{target}");
        }
        assert_eq!(Route::find("GET", "/v1/face/liveness/x").unwrap_err().code(), "LDE-002006");
    }

    #[test]
    fn a_wrong_method_is_refused_with_the_allowed_one() {
        for (method, target, code, allow) in [
            ("GET", "/v1/face/pattern/extract", "BPE-002002", "POST"),
            ("POST", "/version", "BPE-002002", "GET"),
            ("HEAD", "/v1/face/pattern/compare", "BPE-002002", "POST"),
            ("PUT", "/v1/face/liveness/detect", "LDE-002002", "POST"),
        ] {
            let error = Route::find(method, target).unwrap_err();
            assert_eq!((error.status(), error.code(), error.allow()), (400, code, Some(allow)));
        }
    }
}
