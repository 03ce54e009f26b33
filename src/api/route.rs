//! Maps a request line to its route.

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
}

impl Route {
    /// All routes.
    pub const ALL: [Self; 25] = [
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
        Self::LivenessHealth,
        Self::LivenessDetect,
        Self::Camera,
        Self::CameraChallenge,
        Self::CameraLight,
        Self::CameraFrame,
        Self::CameraStream,
        Self::CameraDetect,
        Self::CameraExtract,
        Self::CameraVerify,
        Self::CameraVerifyN,
    ];

    /// Its path.
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
            Self::LivenessHealth => "/v1/face/liveness/health",
            Self::LivenessDetect => "/v1/face/liveness/detect",
            Self::Camera => "/v1/camera",
            Self::CameraChallenge => "/v1/camera/challenge",
            Self::CameraLight => "/v1/camera/light",
            Self::CameraFrame => "/v1/camera/frame",
            Self::CameraStream => "/v1/camera/stream",
            Self::CameraDetect => "/v1/camera/liveness/detect",
            Self::CameraExtract => "/v1/camera/pattern/extract",
            Self::CameraVerify => "/v1/camera/pattern/verify",
            Self::CameraVerifyN => "/v1/camera/pattern/verify_n",
        }
    }

    /// Its verb, `GET` or `POST`. Where it is `GET`, `HEAD` is answered as well.
    pub fn method(self) -> &'static str {
        match self.accepts() {
            Accepts::Nothing => "GET",
            _ => "POST",
        }
    }

    pub(super) fn accepts(self) -> Accepts {
        use Field::{Sample, Template};
        let form = |one: &'static [(&'static str, Field)], many| Accepts::Form(Form { one, many });
        match self {
            Self::Version | Self::OpenApi | Self::PatternHealth | Self::LivenessHealth => Accepts::Nothing,
            Self::Alive | Self::Ready | Self::Metrics => Accepts::Nothing,
            Self::Camera | Self::CameraChallenge | Self::CameraFrame | Self::CameraStream => Accepts::Nothing,
            Self::CameraExtract | Self::CameraLight => Accepts::NoSample,
            Self::CameraDetect => Accepts::Payload,
            Self::CameraVerify => form(&[("bio_template", Template)], None),
            Self::CameraVerifyN | Self::Join => form(&[], Some(("templates_n", Template))),
            Self::Extract => Accepts::Picture,
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
            Self::CameraExtract | Self::CameraVerify | Self::CameraVerifyN => {
                Some(&["liveness", "threshold_spoofing", "deadline_ms"])
            }
            Self::CameraDetect => Some(&["liveness", "deadline_ms"]),
            Self::CameraFrame | Self::CameraLight => Some(&["deadline_ms"]),
            Self::CameraStream | Self::CameraChallenge => Some(&[]),
            _ => None,
        }
    }

    /// The family of its error codes.
    pub fn family(self) -> Family {
        Family::of(self.path())
    }

    /// The route of a request target, whatever the verb.
    pub fn at(target: &str) -> Option<Self> {
        let path = path(target);
        Self::ALL.into_iter().find(|r| r.path() == path)
    }

    /// Whether its body mainly holds templates.
    pub(super) fn holds_template(self) -> bool {
        matches!(self.accepts(), Accepts::Form(form) if form.first() == Field::Template)
    }

    /// Finds the route of a request target and checks the verb.
    pub fn find(method: &str, target: &str) -> Result<Self, Error> {
        let path = path(target);
        let Some(route) = Self::at(target) else {
            return Err(Error::new(Family::of(path), Kind::UnknownPath, "there is no such method"));
        };
        if method == route.method() || (method == "HEAD" && route.method() == "GET") {
            return Ok(route);
        }
        let allow = route.method();
        Err(Error::new(route.family(), Kind::Method { allow }, format!("{path} is called with {allow}")))
    }
}

/// The query of a target without a fragment; empty if there is none.
pub(super) fn query(target: &str) -> &str {
    target.split_once('?').map_or("", |(_, query)| query)
}

/// The path of a target in origin form, without its query.
fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_path_and_verb() {
        for route in Route::ALL {
            assert_eq!(Route::find(route.method(), route.path()).unwrap(), route);
            let with_query = format!("{}?x=1", route.path());
            assert_eq!(Route::find(route.method(), &with_query).unwrap(), route);
        }
        assert_eq!(Route::find("HEAD", "/version").unwrap(), Route::Version);
    }

    #[test]
    fn unknown_paths_have_no_route() {
        for target in [
            "",
            "/",
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
