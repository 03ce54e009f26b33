//! Runs the service (`serve`): loads the models, opens the gate, and serves requests until it is stopped.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::api::{Server, Service, Unwell, probe, slots};
use crate::face::Sealer;
use crate::gate::{self, Access, Gate, Listener, Tls};
use crate::ops::settings::{ListenAddr, Origins};
use crate::ops::shutdown::Shutdown;
use crate::ops::{self, Settings, counted, service_manager, settings};

/// Serves under `settings`, of which `origins` tells where they were written; `again` rereads them on SIGHUP.
pub(super) fn run(
    settings: &Settings,
    origins: &Origins,
    again: impl Fn() -> Result<(Settings, Origins), settings::Error>,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let given = settings;
    let mut settings = settings.clone();
    if settings.limits.fit(ops::memory::for_requests(&settings.limits)) {
        let mib = settings.limits.held_bytes >> 20;
        log::info!("bodies take up to {mib} MiB, as the memory of this process is limited");
    }
    let settings = &settings;
    let descriptors = ops::harden();
    ops::heap::map_large_blocks();
    let shutdown = Shutdown::on_signals()?;
    let listeners = listeners(settings)?;
    let open_addresses = listeners.iter().map(Listener::place).collect::<Result<Vec<_>, _>>()?;
    let tls = Tls::load(&settings.tls)?;
    let seals = Arc::new(Sealer::load(&settings.templates)?);
    let is_plain = tls.is_none();
    if !settings.access.has_tokens() && settings.access.open {
        log::warn!("every client that reaches it may use it: access.open is set and there are no tokens");
    }
    if let Some(store) = settings.access.store.as_ref().filter(|store| !settings.access.has_tokens() && !store.exists())
    {
        log::warn!(
            "there are no tokens, and no {}: every program on this machine may use the service",
            store.display()
        );
    }
    let most_requests = slots(settings).all();
    let faces = super::faces(settings)?;
    let service = Arc::new(Service::start(faces, settings, origins, seals, most_requests, shutdown.clone())?);
    let server = Server::start(listeners, &service, settings, tls, descriptors, &shutdown)?;
    let addresses = addresses(&open_addresses, is_plain);
    let ms = start.elapsed().as_millis();
    // Tests and scripts read the port from this line.
    let workers = counted(settings.workers(), "inference worker", "inference workers");
    log::info!("ready on {addresses} after {ms} ms, {workers}");
    service_manager::ready(&format!("answering on {addresses}"));
    let (watched, gate) = (Arc::clone(&service), Arc::clone(server.gate()));
    let alive = move |time| watched.stuck().and_then(|()| self_probe(&gate, time));
    let watchdog = service_manager::watch(&shutdown, alive)?;
    let (hangup, gate) = (shutdown.hangup(), Arc::clone(server.gate()));
    server.join(|| {
        service.tidy();
        if hangup.swap(false, Ordering::Relaxed) {
            reload(&again, given, &open_addresses, &service, &gate);
        }
    });
    service_manager::stopping();
    service.close();
    if let Some(thread) = watchdog {
        let _panicked = thread.join();
    }
    log::info!("stopped");
    if shutdown.failed() { Err("stopped by a fault; see the log".into()) } else { Ok(()) }
}

/// The supervisor's sockets if there are any, else those of the settings.
fn listeners(settings: &Settings) -> Result<Vec<Listener>, Box<dyn Error>> {
    let given = service_manager::sockets().map_err(|e| format!("cannot use the sockets of the supervisor: {e}"))?;
    if given.is_empty() {
        let open = |place| gate::open(place).map_err(|e| format!("cannot listen on {place}: {e}").into());
        return settings.server.listen.0.iter().map(open).collect();
    }
    let listeners = given.into_iter().map(Listener::try_from).collect::<Result<Vec<_>, _>>()?;
    for listener in &listeners {
        settings.may_listen(&listener.place()?)?;
    }
    Ok(listeners)
}

fn addresses(listening: &[ListenAddr], is_plain: bool) -> String {
    let scheme = if is_plain { "http" } else { "https" };
    let address = |place: &ListenAddr| match place {
        ListenAddr::Tcp(address) => format!("{scheme}://{address}"),
        ListenAddr::Unix(_) => place.to_string(),
    };
    listening.iter().map(address).collect::<Vec<_>>().join(" and ")
}

/// A request of the service to itself that bypasses the listeners: other peers must not be able to crowd it out.
fn self_probe(gate: &Gate, time: Duration) -> Result<(), Unwell> {
    probe(gate.connect().map_err(Unwell::Shut)?, time)
}

/// Applies what can be changed while the service runs, or nothing at all if anything in the settings is wrong.
fn reload(
    again: impl Fn() -> Result<(Settings, Origins), settings::Error>,
    before: &Settings,
    open: &[ListenAddr],
    service: &Service,
    gate: &Gate,
) {
    // From the reading on: a token that is made meanwhile must not be lost.
    let _change = service.change_access();
    let read = again().map_err(Box::<dyn Error>::from).and_then(|new| Ok((Tls::load(&new.0.tls)?, new)));
    let (tls, (new, origins)) = match read {
        Ok(read) => read,
        Err(why) => return log::error!("the settings stay as they were: {why}"),
    };
    // The open listeners may differ from those in the new settings.
    if let Some(why) = open.iter().find_map(|place| new.may_listen(place).err()) {
        return log::error!("the settings stay as they were: {why}");
    }
    if !new.access.has_tokens() && gate.has_tokens() && !new.access.open {
        return log::error!(
            "the settings stay as they were: there are no tokens any more, so that every client could use it; set access.open = true if \
             that is meant"
        );
    }
    if tls.is_some() != before.tls.certificate.is_some() {
        return log::error!("the settings stay as they were: TLS is switched on or off by a restart alone");
    }
    gate.reload(Access::new(&new.access), tls);
    service.set_access(new.access.clone());
    service.reload(&new, &origins);
    match before.reloaded(&new) == new {
        true => log::info!("settings were read again"),
        false => log::warn!("settings were read again; changes outside of access, tls and decision wait for a restart"),
    }
}
