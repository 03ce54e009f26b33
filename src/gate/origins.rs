//! Cross-origin access: web pages of other origins that may send requests, by CORS of the Fetch standard (fetch.spec.whatwg.org, 3.3).

use super::LocalReply;
use super::head::{Head, KEPT};
use crate::ops::settings;

/// `access.origins`, as browsers write them in `Origin`.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins(Vec<String>);

/// Seconds for which a browser remembers the reply to a preflight request.
const REMEMBERED_SECONDS: &str = "600";

/// Reply headers that pages may read beside the CORS-safelisted ones.
const EXPOSED: &str = "X-Request-ID, ETag, Location, Retry-After, Server-Timing, Content-Transfer-Encoding";

impl Origins {
    /// The origins of the settings.
    pub(super) fn new(settings: &settings::Access) -> Self {
        Self(settings.origins.clone())
    }

    /// The origin of the page that asks, if it may ask.
    pub(super) fn allowed<'a>(&self, head: &'a Head) -> Option<&'a str> {
        head.page.origin.as_deref().filter(|origin| self.0.iter().any(|known| known == origin))
    }

    /// Whether this is the preflight request for a request of such a page.
    pub(super) fn is_preflight(&self, head: &Head) -> bool {
        head.method == "OPTIONS" && head.page.asks_for_method && self.allowed(head).is_some()
    }
}

/// Header lines that let a page of `origin` read a reply.
pub(super) fn lines(origin: &str) -> String {
    format!("Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Expose-Headers: {EXPOSED}\r\nVary: Origin\r\n")
}

/// The reply to a preflight request: every method and header that the service knows may be sent. The browser's own credentials, such as
/// cookies, may not; a token is a header that the page sets.
pub(super) fn preflight() -> LocalReply {
    let headers = vec![
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE".to_owned()),
        ("Access-Control-Allow-Headers", format!("Authorization, {}", KEPT.join(", "))),
        ("Access-Control-Max-Age", REMEMBERED_SECONDS.to_owned()),
    ];
    LocalReply { status: 200, headers, body: b"{}".to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configured_origins_may_send_a_preflight() {
        let origins = ["https://console.example.com".to_owned(), "http://10.0.0.5:3000".to_owned()].to_vec();
        let origins = Origins::new(&settings::Access { origins, ..settings::Access::default() });
        let head = |method: &str, lines: &str| {
            Head::parse(format!("{method} /v1/x HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n").as_bytes()).unwrap()
        };
        let asks = "Access-Control-Request-Method: POST";
        let ours = format!("Origin: http://10.0.0.5:3000\r\n{asks}");
        assert!(origins.is_preflight(&head("OPTIONS", &ours)));
        assert!(!origins.is_preflight(&head("POST", &ours)));
        assert!(!origins.is_preflight(&head("OPTIONS", "Origin: http://10.0.0.5:3000")));
        for other in
            ["https://evil.example", "http://10.0.0.5", "https://10.0.0.5:3000", "null", "HTTP://10.0.0.5:3000"]
        {
            let lines = format!("Origin: {other}\r\n{asks}");
            assert!(!origins.is_preflight(&head("OPTIONS", &lines)), "{other}");
        }
        assert_eq!(
            origins.allowed(&head("GET", "Origin: https://console.example.com")),
            Some("https://console.example.com")
        );
        assert_eq!(Origins::default().allowed(&head("GET", "Origin: null")), None);
    }
}
