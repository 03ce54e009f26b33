//! `serve`: load, open the gate, answer until told to stop.

use std::error::Error;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::api::{Seals, Server, Service, places, probe};
use crate::gate::{self, Access, Door, Gate, Tls};
use crate::ops::settings::Place;
use crate::ops::shutdown::Shutdown;
use crate::ops::{self, Settings, settings, supervisor};

/// Serves under `settings`; `again` reads them anew when SIGHUP asks for it.
pub(super) fn run(
    settings: &Settings,
    again: impl Fn() -> Result<Settings, settings::Error>,
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
    let doors = doors(settings)?;
    let places_open = doors.iter().map(Door::place).collect::<Result<Vec<_>, _>>()?;
    let tls = Tls::load(&settings.tls)?;
    let seals = Seals::load(&settings.templates)?;
    let is_plain = tls.is_none();
    if settings.access.tokens.is_empty() && settings.access.open {
        log::warn!("open to everybody who reaches it: access.open is set and there are no tokens");
    }
    let callers = places(settings).all();
    let service = Arc::new(Service::start(super::faces(settings)?, settings, seals, callers, shutdown.clone())?);
    let server = Server::start(doors, &service, settings, tls, descriptors, &shutdown)?;
    let addresses = addresses(&places_open, is_plain);
    let ms = start.elapsed().as_millis();
    // Tests and scripts read the port from this line.
    log::info!("ready on {addresses} after {ms} ms, {} inference workers", settings.workers());
    supervisor::ready(&format!("answering on {addresses}"));
    let (watched, gate) = (Arc::clone(&service), Arc::clone(server.gate()));
    let alive = move |time| watched.stuck().and_then(|()| knock(&gate, time));
    let watchdog = supervisor::watch(&shutdown, alive)?;
    let (hangup, gate) = (shutdown.hangup(), Arc::clone(server.gate()));
    server.join(|| {
        service.tidy();
        if hangup.swap(false, Ordering::Relaxed) {
            reload(again(), given, &places_open, &service, &gate);
        }
    });
    supervisor::stopping();
    if let Some(thread) = watchdog {
        let _panicked = thread.join();
    }
    log::info!("stopped");
    if shutdown.failed() { Err("stopped by a fault; the log has it".into()) } else { Ok(()) }
}

/// The supervisor's sockets if there are any, else those of the settings.
fn doors(settings: &Settings) -> Result<Vec<Door>, Box<dyn Error>> {
    let given = supervisor::sockets().map_err(|e| format!("cannot use the sockets of the supervisor: {e}"))?;
    if given.is_empty() {
        let open = |place| gate::open(place).map_err(|e| format!("cannot listen on {place}: {e}").into());
        return settings.server.listen.0.iter().map(open).collect();
    }
    let doors = given.into_iter().map(Door::try_from).collect::<Result<Vec<_>, _>>()?;
    for door in &doors {
        settings.may_listen(&door.place()?)?;
    }
    Ok(doors)
}

fn addresses(places: &[Place], is_plain: bool) -> String {
    let scheme = if is_plain { "http" } else { "https" };
    let address = |place: &Place| match place {
        Place::Tcp(address) => format!("{scheme}://{address}"),
        Place::Unix(_) => place.to_string(),
    };
    places.iter().map(address).collect::<Vec<_>>().join(" and ")
}

/// A request of the service to itself, from just behind its doors: strangers must not be able to crowd it out.
fn knock(gate: &Gate, time: Duration) -> Result<(), String> {
    let limited = |stream: UnixStream| {
        stream.set_read_timeout(Some(time))?;
        stream.set_write_timeout(Some(time)).map(|()| stream)
    };
    let stream = gate.visit().and_then(limited).map_err(|e| format!("its own door is shut: {e}"))?;
    probe(stream)
}

/// Takes over what can be changed while the service runs, or nothing at all if anything in the settings is wrong.
fn reload(again: Result<Settings, settings::Error>, before: &Settings, open: &[Place], service: &Service, gate: &Gate) {
    let read = again.map_err(|e| e.to_string()).and_then(|new| Ok((Tls::load(&new.tls)?, new)));
    let (tls, new) = match read {
        Ok(read) => read,
        Err(why) => return log::error!("the settings stay as they were: {why}"),
    };
    // The doors that are open may be others than the new settings name.
    if let Some(why) = open.iter().find_map(|place| new.may_listen(place).err()) {
        return log::error!("the settings stay as they were: {why}");
    }
    if new.access.tokens.is_empty() && gate.has_tokens() && !new.access.open {
        return log::error!(
            "the settings stay as they were: there are no tokens any more, so that everybody could come in; say access.open = true if \
             that is meant"
        );
    }
    if tls.is_some() != before.tls.certificate.is_some() {
        return log::error!("the settings stay as they were: TLS is switched on or off by a restart alone");
    }
    gate.reload(Access::new(&new.access), tls);
    service.reload(&new);
    let same =
        Settings { access: before.access.clone(), tls: before.tls.clone(), decision: before.decision.clone(), ..new };
    match same == *before {
        true => log::info!("settings were read again"),
        false => log::warn!("settings were read again; what is not access, tls or decision waits for a restart"),
    }
}
