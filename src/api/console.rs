//! Serves the console: pages, style, scripts and the rendered guides.
//!
//! Nothing here is secret or changes: what a page shows, it asks for by the methods of the API.

use super::context::{Call, Service};
use super::error::{Error, Family, Kind};
use super::reply::Reply;

/// What a page may do (CSP level 3): load from this service alone, run no inline script, be in no frame; and nothing makes markup of text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// What a page needs of the browser's devices.
const PERMISSIONS: &str = "camera=(self), microphone=(), geolocation=(), usb=(), serial=()";

impl Service {
    /// The file that was asked for; 304 if the browser has it.
    pub(super) fn console(call: &Call) -> Result<Reply, Error> {
        let page = &call.page;
        let missing = || Error::new(Family::Pattern, Kind::UnknownPath, "there is no such page");
        let asset = page.asset.ok_or_else(missing)?;
        // The two forms have different bytes, and so different tags.
        let tags = [format!("\"{}\"", asset.tag), format!("\"{}-gzip\"", asset.tag)];
        let own = &tags[usize::from(page.takes_gzip)];
        let is_known =
            |list: &str| list.split(',').any(|tag| [own, "*"].contains(&tag.trim().trim_start_matches("W/")));
        let reply = match page.known.as_deref().is_some_and(is_known) {
            true => Reply { status: 304, ..Reply::ok(asset.content_type, vec![]) },
            false if page.takes_gzip => {
                Reply::ok(asset.content_type, asset.gzip.to_vec()).with("Content-Encoding", "gzip")
            }
            false => Reply::ok(asset.content_type, asset.plain()),
        };
        // Kept, and asked for again each time: after an upgrade no page runs with the scripts of before.
        let mut reply = reply.with("Cache-Control", "no-cache").with("ETag", own).with("Vary", "Accept-Encoding");
        if asset.content_type.starts_with("text/html") {
            reply = reply.with("Content-Security-Policy", POLICY).with("Permissions-Policy", PERMISSIONS);
            reply = reply.with("Cross-Origin-Opener-Policy", "same-origin");
        }
        Ok(reply.with("Referrer-Policy", "no-referrer"))
    }
}
