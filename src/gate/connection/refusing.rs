//! Writes the gate's own replies.

use std::time::SystemTime;

use super::super::forwarder::connection_header;
use super::super::{LocalReply, PROTECTION, http_date};
use super::{Connection, State};

impl Connection {
    /// Refuses the request that was passed on, if nothing of its reply was sent yet.
    pub fn refuse(&mut self, reply: LocalReply, why: &'static str) {
        let State::Answering { forwarder, early_status } = &self.state else { return };
        let keep_alive = forwarder.keep_alive();
        let early_status = *early_status;
        self.respond_after(reply, Some(why), keep_alive && !self.peer_ended, early_status);
    }

    /// Writes a reply of the gate's own: a refusal if there is a reason `why`.
    pub(super) fn respond(&mut self, reply: LocalReply, why: Option<&'static str>, keep_alive: bool) {
        self.respond_after(reply, why, keep_alive, 0);
    }

    /// Writes a reply of which the first `early_status` bytes have been written.
    fn respond_after(&mut self, reply: LocalReply, why: Option<&'static str>, keep_alive: bool, early_status: usize) {
        let Some(current) = &mut self.current else { return self.close() };
        (current.status, current.refused) = (reply.status, why);
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: application/json\r\nX-Request-ID: {}\r\nServer: faceplate\r\n\
             Content-Length: {}\r\n",
            reply.status,
            reason(reply.status),
            http_date(SystemTime::now()),
            current.id,
            reply.body.len()
        );
        for (name, value) in PROTECTION {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&current.shares);
        let (connection, bodiless) = (connection_header(keep_alive), current.method == "HEAD");
        self.write(&head.as_bytes()[early_status..]);
        self.write(connection);
        self.write(b"\r\n");
        if !bodiless {
            self.write(&reply.body);
        }
        match keep_alive {
            true => self.state = State::Head,
            false => self.close(),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
