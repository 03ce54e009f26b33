//! Implements the methods of tokens: list, make, revoke. Those of the settings file are listed, and changed there alone.

use std::sync::Weak;

use serde::Deserialize;
use serde_json::json;

use super::context::{Call, Service};
use super::error::{Error, Family, GateKind, Kind, TokenKind};
use super::json::object;
use super::reply::Reply;
use crate::gate::{Access, new_token};
use crate::ops::settings::{self, Scope, Token, write_tokens};

/// Digits of a token's hash by which it is called.
const ID_DIGITS: usize = 16;

/// Longest name of a token in bytes.
const LONGEST_NAME: usize = 64;

/// Most tokens of the file.
const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    scopes: Vec<Scope>,
}

fn refused(kind: TokenKind, detail: impl Into<String>) -> Error {
    Error::new(Family::Pattern, Kind::Token(kind), detail)
}

fn not_kept() -> Error {
    refused(TokenKind::Off, "access.store names no file")
}

fn id(token: &Token) -> &str {
    token.sha256.get(..ID_DIGITS).unwrap_or_default()
}

/// An error for a request whose token was revoked, or that needed none when its head came, and would need one now.
pub(super) fn still_admitted(call: &Call, access: &settings::Access) -> Result<(), Error> {
    match call.request.pass.still_grants(access, Scope::Admin) {
        true => Ok(()),
        false => Err(Error::new(Family::Pattern, Kind::Gate(GateKind::Token), "the tokens have changed meanwhile")),
    }
}

impl Service {
    pub(super) fn list_tokens(&self) -> Reply {
        let access = self.access();
        let told = |token: &Token, stored: bool| {
            let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
            json!({ "id": id(token), "name": token.name, "scopes": scopes, "stored": stored })
        };
        let of_settings = access.tokens.iter().map(|token| told(token, false));
        let tokens: Vec<_> = of_settings.chain(access.stored.iter().map(|token| told(token, true))).collect();
        Reply::json(&json!({ "tokens": tokens, "writable": access.store.is_some() }))
    }

    /// Whether the first token may be made by a request. Any program on the machine could make it, and then open the door; where
    /// `access.open` is set, anybody could.
    pub(super) fn takes_first_token(&self, access: &settings::Access) -> bool {
        !access.open && self.door.is_none()
    }

    pub(super) fn create_token(&self, call: &Call, body: &[u8]) -> Result<Reply, Error> {
        let want = "the body must be {\"name\": ..., \"scopes\": [...]} with a name of 1 to 64 bytes in one line and at least one scope";
        let invalid = || Error::new(Family::Pattern, Kind::Parameter, want);
        let New { name, mut scopes } = object(body).ok_or_else(invalid)?;
        scopes.sort_unstable_by_key(|scope| *scope as u8);
        scopes.dedup();
        let is_line = !name.trim().is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control);
        if !is_line || scopes.is_empty() {
            return Err(invalid());
        }
        let _change = self.change_access();
        let access = self.access();
        still_admitted(call, &access)?;
        if access.store.is_none() {
            return Err(not_kept());
        }
        if !access.has_tokens() && !self.takes_first_token(&access) {
            return Err(refused(
                TokenKind::First,
                "faceplate token new NAME admin --write FILE, then reload the service",
            ));
        }
        if !access.has_tokens() && !scopes.contains(&Scope::Admin) {
            return Err(refused(
                TokenKind::Conflict,
                "the first one needs the scope admin, or nobody could make another here",
            ));
        }
        if access.all().any(|token| token.name == name) {
            return Err(refused(TokenKind::Conflict, "there is one of this name"));
        }
        if access.stored.len() >= MOST {
            return Err(refused(TokenKind::Conflict, format!("there are {MOST}; revoke some")));
        }
        let (secret, token) = new_token(&name, &scopes);
        let told =
            json!({ "id": id(&token), "name": token.name, "scopes": token.scopes, "stored": true, "token": secret });
        let stored = access.stored.iter().cloned().chain([token]).collect();
        self.store_tokens(&access, stored)?;
        let mut reply = Reply::json(&told);
        reply.status = 201;
        Ok(reply)
    }

    pub(super) fn revoke_token(&self, call: &Call) -> Result<Reply, Error> {
        let _change = self.change_access();
        let access = self.access();
        still_admitted(call, &access)?;
        let wanted = call.page.value.as_deref().unwrap_or_default();
        let is_it = |token: &&Token| id(token) == wanted;
        if access.tokens.iter().any(|token| is_it(&token)) {
            let detail =
                "this one stands in the settings: faceplate token revoke NAME --write FILE, then reload the service";
            return Err(refused(TokenKind::Conflict, detail));
        }
        let Some(token) = access.stored.iter().find(is_it).cloned() else {
            return Err(refused(TokenKind::Unknown, "no token of the store has this id"));
        };
        if access.all().count() == 1 && !access.open {
            return Err(refused(
                TokenKind::Conflict,
                "it is the last one, and without any, whoever reaches the service may use it",
            ));
        }
        let is_admin = |token: &&Token| token.scopes.contains(&Scope::Admin);
        if is_admin(&&token) && access.all().count() > 1 && access.all().filter(is_admin).count() == 1 {
            return Err(refused(TokenKind::Conflict, "it is the last one with the scope admin; make another first"));
        }
        let stored = access.stored.iter().filter(|other| **other != token).cloned().collect();
        self.store_tokens(&access, stored)?;
        Ok(Reply::json(&json!({ "id": id(&token), "revoked": true })))
    }

    /// Writes the tokens, and has the gate ask for them from now on.
    fn store_tokens(&self, access: &settings::Access, stored: Vec<Token>) -> Result<(), Error> {
        let path = access.store.as_ref().ok_or_else(not_kept)?;
        write_tokens(path, &stored).map_err(|e| {
            log::error!("{}: {e}", path.display());
            refused(TokenKind::Unwritable, "the log has the cause")
        })?;
        let access = settings::Access { stored, ..access.clone() };
        if let Some(gate) = self.gate.get().and_then(Weak::upgrade) {
            gate.set_access(Access::new(&access));
        }
        log::info!("tokens were changed: {} now", access.all().count());
        self.set_access(access);
        Ok(())
    }
}
