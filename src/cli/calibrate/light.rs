//! Has the running service measure the light of its screen on a face (`calibrate light`), and prints the settings for it.
//!
//! The page before the camera shows the colors, as it does in a challenge, so it is measured what challenges will see. Over TLS the service is
//! asked with another client.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::{Map, Value};

use crate::cli::healthcheck::reached;
use crate::ops::Settings;
use crate::ops::settings::ListenAddr;

/// Name of the environment variable with a token whose scope is `camera`, where the service wants one.
const TOKEN: &str = "FACEPLATE_TOKEN";

/// Most bytes of the reply: a few hundred are usual.
const MOST_BYTES: u64 = 64 << 10;

pub(in crate::cli) fn light(settings: &Settings) -> Result<(), Box<dyn Error>> {
    if settings.tls.certificate.is_some() {
        return Err(
            "the service is encrypted: send it POST /v1/camera/light with a client that knows its certificate".into()
        );
    }
    let address = settings.server.listen.0.first().ok_or("server.listen names no address")?;
    eprintln!("a person holds still before the screen; its page shows colors for half a minute");
    let reply = match address {
        ListenAddr::Unix(path) => ask(UnixStream::connect(path)?)?,
        ListenAddr::Tcp(listening) => ask(TcpStream::connect(reached(*listening))?)?,
    };
    println!("{}", lines(&reply)?);
    Ok(())
}

fn ask(mut stream: impl Read + Write) -> Result<String, Box<dyn Error>> {
    let token = std::env::var(TOKEN).map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /v1/camera/light HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut reply = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut reply)?;
    Ok(reply)
}

/// The settings that a reply holds, or the error that it tells.
fn lines(reply: &str) -> Result<String, Box<dyn Error>> {
    let (head, body) = reply.split_once("\r\n\r\n").ok_or("the service gave no answer")?;
    let told: Map<String, Value> =
        serde_json::from_str(body).map_err(|_| "the service's answer is not one of this service")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        let message = told.get("message").and_then(Value::as_str).unwrap_or("the service refused");
        return Err(message.to_owned().into());
    }
    let lines: Vec<String> = told.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    Ok(format!("[camera]\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_becomes_settings_or_an_error() {
        let reply = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"light_amplitude\":0.09,\"light_gain\":0}";
        let text = lines(reply).unwrap();
        assert_eq!(text, "[camera]\nlight_amplitude = 0.09\nlight_gain = 0");
        assert_eq!(Settings::of_text(&text, "f").unwrap().camera.light_amplitude, 0.09);
        let refused = "HTTP/1.1 400 Bad\r\n\r\n{\"code\":\"BPE-004006\",\"message\":\"too weak\"}";
        assert_eq!(lines(refused).unwrap_err().to_string(), "too weak");
        for nothing in ["", "HTTP/1.1 200 OK\r\n\r\n<html>"] {
            assert!(lines(nothing).is_err());
        }
    }
}
