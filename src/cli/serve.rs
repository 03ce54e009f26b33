//! `serve`: load, listen, answer until told to stop.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crate::api::{Server, Service};
use crate::ops::Settings;
use crate::ops::shutdown::Shutdown;

pub(super) fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let shutdown = Shutdown::on_signals()?;
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    if !listen.ip().is_loopback() {
        log::warn!("listening on {listen} without authentication: everybody who reaches it may use it");
    }
    let threads = settings.server.threads;
    let service = Arc::new(Service::start(super::faces(settings)?, settings, threads)?);
    let server = Server::start(listener, Arc::clone(&service), threads, &shutdown)?;
    let (address, ms) = (server.address(), start.elapsed().as_millis());
    // Tests and scripts read the port from this line.
    log::info!("ready on http://{address} after {ms} ms, {} inference workers", settings.workers());
    server.join();
    log::info!("stopped");
    if shutdown.failed() { Err("stopped by a fault; the log has it".into()) } else { Ok(()) }
}
