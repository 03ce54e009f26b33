//! `token new` and `key new`: secrets that are printed once and kept nowhere.

use crate::api::new_key;
use crate::gate::new_token;
use crate::ops::settings::Scope;

/// Prints a token, and the lines of the settings that let it in.
pub(super) fn token(name: &str, scopes: &[Scope]) {
    let (token, stored) = new_token(name, scopes);
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("{scope:?}").to_lowercase()).collect();
    println!("# For the client, which sends it with each request. It is shown only now:");
    println!("#   Authorization: Bearer {token}");
    println!("# For the settings, after all lines of other sections or before a section begins:");
    println!("[[access.tokens]]");
    println!("name = {:?}", stored.name);
    println!("sha256 = {:?}", stored.sha256);
    println!("scopes = {scopes:?}");
}

/// Prints a key for templates.
pub(super) fn key() {
    println!("{}", *new_key());
}
