//! Replies of the gate's own.

use std::time::SystemTime;

use super::super::Refusal;
use super::super::onward::connection;
use super::{Conversation, State};

impl Conversation {
    /// Refuses the request that the service was to answer, of whose reply nothing was sent yet.
    pub fn refuse(&mut self, refusal: Refusal, why: &'static str) {
        let State::Answering { onward, primed } = &self.state else { return };
        let keep_alive = onward.keep_alive();
        let primed = *primed;
        self.respond_after(refusal, why, keep_alive && !self.peer_ended, primed);
    }

    pub(super) fn respond(&mut self, refusal: Refusal, why: &'static str, keep_alive: bool) {
        self.respond_after(refusal, why, keep_alive, 0);
    }

    /// Writes a refusal, of which the first `primed` bytes have been written.
    pub(super) fn respond_after(&mut self, refusal: Refusal, why: &'static str, keep_alive: bool, primed: usize) {
        let Some(open) = &mut self.open else { return self.close() };
        (open.status, open.refused) = (refusal.status, Some(why));
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nDate: {date}\r\nContent-Type: application/json\r\nX-Request-ID: {}\r\nServer: faceplate\r\n\
             Cache-Control: no-store\r\nContent-Length: {}\r\n",
            refusal.status,
            reason(refusal.status),
            open.id,
            refusal.body.len()
        );
        for (name, value) in &refusal.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let (connection, bodiless) = (connection(keep_alive), open.method == "HEAD");
        self.write(&head.as_bytes()[primed..]);
        self.write(connection);
        self.write(b"\r\n");
        if !bodiless {
            self.write(&refusal.body);
        }
        match keep_alive {
            true => self.state = State::Head,
            false => self.close(),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
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
