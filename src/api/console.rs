//! Serves the console: pages, style, scripts and the rendered guides, embedded as build.rs compressed them.
//!
//! Nothing here is secret or changes: what a page shows, it asks for by the methods of the API.

use std::io::Read;

use flate2::read::GzDecoder;

use super::context::{Call, Service};
use super::reply::Reply;
use super::route::Route;
use crate::gate::Head;

/// A file of the console.
pub(super) struct Asset {
    path: &'static str,
    content_type: &'static str,
    /// A strong validator (RFC 9110, section 8.8.3).
    etag: &'static str,
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What a page may do (CSP level 3): load from this service alone, run no inline script, be in no frame; and nothing makes markup of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What a page needs of the browser's devices.
const PERMISSIONS: &str = "camera=(self), microphone=(), geolocation=(), usb=(), serial=()";

/// What a request says of a page, and of the text in its path.
#[derive(Clone, Debug, Default)]
pub(super) struct PageCall {
    asset: Option<&'static str>,
    takes_gzip: bool,
    known: Option<String>,
    /// Whether the browser reached the service by TLS, maybe through a proxy.
    pub(super) is_encrypted: bool,
    /// What stands in the path in place of braces.
    pub(super) value: Option<String>,
}

/// The file of a path.
pub(super) fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl PageCall {
    pub(super) fn of(head: &Head, route: Route) -> Self {
        let path = head.target.split('?').next().unwrap_or_default();
        let codings = head.header("Accept-Encoding").unwrap_or_default();
        Self {
            asset: asset(path).map(|asset| asset.path),
            takes_gzip: codings.split(',').any(takes_gzip),
            known: head.header("If-None-Match").map(str::to_owned),
            is_encrypted: head.page.origin.as_deref().is_some_and(|origin| origin.starts_with("https://")),
            value: route.values(&head.target).first().map(|value| (*value).to_owned()),
        }
    }
}

/// Whether an entry of `Accept-Encoding` is gzip, with a weight over 0 (RFC 9110, section 12.5.3).
fn takes_gzip(coding: &str) -> bool {
    let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
    let weight = weight.trim().strip_prefix("q=").map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
    name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
}

/// The bytes of a file.
fn plain(asset: &Asset) -> Vec<u8> {
    let mut plain = vec![];
    GzDecoder::new(asset.gzip).read_to_end(&mut plain).expect("build.rs compressed it");
    plain
}

impl Service {
    /// The file that was asked for; 304 if the browser has it.
    pub(super) fn console(call: &Call) -> Reply {
        let page = &call.page;
        let asset = page.asset.and_then(asset).expect("the route was found by its file");
        let is_known =
            |list: &str| list.split(',').any(|tag| [asset.etag, "*"].contains(&tag.trim().trim_start_matches("W/")));
        let mut reply = match page.known.as_deref().is_some_and(is_known) {
            true => Reply { status: 304, ..Reply::ok(asset.content_type, vec![]) },
            false if page.takes_gzip => {
                Reply::ok(asset.content_type, asset.gzip.to_vec()).with("Content-Encoding", "gzip")
            }
            false => Reply::ok(asset.content_type, plain(asset)),
        };
        // Kept, and asked for again each time: after an upgrade no page runs with the scripts of before.
        reply = reply.with("Cache-Control", "no-cache").with("ETag", asset.etag).with("Vary", "Accept-Encoding");
        if asset.content_type.starts_with("text/html") {
            reply = reply.with("Content-Security-Policy", POLICY).with("Permissions-Policy", PERMISSIONS);
            reply = reply.with("Cross-Origin-Opener-Policy", "same-origin");
        }
        reply.with("Referrer-Policy", "no-referrer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_refer_to_nothing_but_files_that_are_there() {
        for asset in ASSETS {
            let text = String::from_utf8(plain(asset)).unwrap();
            if asset.content_type == "image/svg+xml" {
                continue;
            }
            assert!(
                !text.contains("innerHTML") && !text.contains("style=\"") && !text.contains("onclick="),
                "{}",
                asset.path
            );
            for start in ["src=\"/", "href=\"/", "from \"/"] {
                for (at, _) in text.match_indices(start) {
                    let path = text[at + start.len() - 1..].split(['"', '#', '?']).next().unwrap();
                    let is_there = super::asset(path).is_some() || Route::at("GET", path).is_some();
                    assert!(is_there, "{} refers to {path}", asset.path);
                }
            }
            for start in ["src=\"http", "@import", "url(http"] {
                assert!(!text.contains(start), "{} has {start}", asset.path);
            }
        }
    }

    #[test]
    fn the_console_is_small_and_every_path_is_there_once() {
        let mut paths: Vec<&str> = ASSETS.iter().map(|asset| asset.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), ASSETS.len());
        for path in ["/", "/kiosk", "/console/style.css", "/docs", "/docs/guide/people.html"] {
            assert!(asset(path).is_some(), "{path}");
        }
        let own = ASSETS.iter().filter(|asset| !asset.path.starts_with("/docs"));
        let bytes: usize = own.map(|asset| plain(asset).len()).sum();
        assert!(bytes < 120_000, "{bytes} bytes before compression");
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (codings, takes) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("", false), ("x-gzip, deflate", false)]
        {
            assert_eq!(codings.split(',').any(takes_gzip), takes, "{codings}");
        }
    }
}
