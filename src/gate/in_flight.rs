//! Registry of in-flight requests: lets code that works on one find its owner, and notice when its client has gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{HandlerData, Pass};
use crate::ops::settings::Scope;
use crate::work::{CancelToken, Owner};

/// The header that carries a request's number to the upstream. Peers can't set it: none of their headers is passed on.
pub const REQUEST_NUMBER: &str = "X-Request-Number";

/// The number of the gate's own health checks, which are never admitted.
pub const PROBE_ID: u64 = 0;

/// An in-flight request.
#[derive(Clone, Debug, Default)]
pub struct InFlightRequest {
    /// Cancelled when its client has gone.
    pub cancel: CancelToken,
    /// The owner by which workers schedule it, and what it took so far.
    pub owner: Owner,
    /// Account for rate limits: the same number for all requests with one token, or from one address where there are no tokens.
    pub account: u64,
    /// Under what it was admitted.
    pub pass: Pass,
    /// The scopes of its token; all where no token is needed.
    pub scopes: Vec<Scope>,
    /// What the handler made of its head; nothing for the gate's own health checks.
    pub data: HandlerData,
}

/// All in-flight requests, by number. Clones share them.
#[derive(Clone, Debug)]
pub struct InFlightRequests(Arc<Mutex<HashMap<u64, InFlightRequest>>>);

impl InFlightRequests {
    /// Empty but for the gate's own number.
    pub(super) fn new() -> Self {
        let in_flight_requests = Self(Arc::default());
        in_flight_requests.enter(PROBE_ID, InFlightRequest::default());
        in_flight_requests
    }

    /// The request of that number, if it is still in flight.
    pub fn find(&self, number: u64) -> Option<InFlightRequest> {
        self.lock().get(&number).cloned()
    }

    pub(super) fn enter(&self, number: u64, request: InFlightRequest) {
        self.lock().insert(number, request);
    }

    /// Removes a request: it was answered, or its client has gone.
    pub(super) fn leave(&self, number: u64, has_gone: bool) {
        let request = self.lock().remove(&number);
        if let Some(request) = request.filter(|_| has_gone) {
            request.cancel.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, InFlightRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
