//! Reads what the head of a request says of a page of the console, and of the browser that asks.

use super::assets::{Asset, asset};
use super::route::{Route, path};
use crate::gate::Head;

/// What a request says of a page, and the text in its path.
#[derive(Clone, Default)]
pub(super) struct PageCall {
    pub(super) asset: Option<&'static Asset>,
    pub(super) takes_gzip: bool,
    /// `If-None-Match`.
    pub(super) known: Option<String>,
    /// Whether the browser reached the service by TLS, maybe through a proxy.
    pub(super) is_encrypted: bool,
    /// What stands in the path in place of braces.
    pub(super) value: Option<String>,
}

impl std::fmt::Debug for PageCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageCall").field("asset", &self.asset.map(|asset| asset.path)).finish_non_exhaustive()
    }
}

impl PageCall {
    pub(super) fn of(head: &Head, route: Route) -> Self {
        let codings = head.header("Accept-Encoding").unwrap_or_default();
        Self {
            asset: asset(path(&head.target)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (codings, takes) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("", false), ("x-gzip, deflate", false)]
        {
            assert_eq!(codings.split(',').any(takes_gzip), takes, "{codings}");
        }
    }
}
