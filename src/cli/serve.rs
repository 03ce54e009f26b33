//! `serve`: load, listen, answer until told to stop.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crate::api::{Server, Service, probe};
use crate::ops::shutdown::Shutdown;
use crate::ops::{Settings, supervisor};

pub(super) fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    let listener = listener(settings)?;
    let listen = listener.local_addr()?;
    if !listen.ip().is_loopback() {
        log::warn!("listening on {listen} without authentication: everybody who reaches it may use it");
    }
    let threads = settings.server.threads;
    let service = Arc::new(Service::start(super::faces(settings)?, settings, threads, shutdown.clone())?);
    let server = Server::start(listener, Arc::clone(&service), threads, &shutdown)?;
    let (address, ms) = (server.address(), start.elapsed().as_millis());
    // Tests and scripts read the port from this line.
    log::info!("ready on http://{address} after {ms} ms, {} inference workers", settings.workers());
    supervisor::ready(&format!("answering on http://{address}"));
    let watchdog = supervisor::watch(&shutdown, move |time| service.stuck().and_then(|()| probe(address, time)))?;
    server.join();
    supervisor::stopping();
    if let Some(thread) = watchdog {
        let _panicked = thread.join();
    }
    log::info!("stopped");
    if shutdown.failed() { Err("stopped by a fault; the log has it".into()) } else { Ok(()) }
}

/// The supervisor's socket if there is one, else one of our own.
fn listener(settings: &Settings) -> Result<TcpListener, Box<dyn Error>> {
    let given = supervisor::socket().map_err(|e| format!("cannot use the socket of the supervisor: {e}"))?;
    if let Some(listener) = given {
        return Ok(listener);
    }
    let listen = settings.server.listen;
    TcpListener::bind(listen).map_err(|e| format!("cannot listen on {listen}: {e}").into())
}
