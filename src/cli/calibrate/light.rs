//! Has the running service measure the light of its screen on a face (`calibrate light`), and prints the settings for it.
//!
//! The page before the camera shows the colors, as it does in a challenge, so it is measured what challenges will see.

use std::error::Error;

use serde_json::{Map, Value};

use crate::cli::ask::{Answer, ask};
use crate::ops::Settings;

pub(in crate::cli) fn light(settings: &Settings) -> Result<(), Box<dyn Error>> {
    eprintln!("a person holds still before the screen; its page shows colors for half a minute");
    println!("{}", lines(&ask(settings, "POST /v1/camera/light")?)?);
    Ok(())
}

/// The settings that an answer holds, or the error that it tells.
fn lines(answer: &Answer) -> Result<String, Box<dyn Error>> {
    if answer.status != 200 {
        return Err(answer.message().into());
    }
    let told: Map<String, Value> = serde_json::from_value(answer.json()?)?;
    let lines: Vec<String> = told.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    Ok(format!("[camera]\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reply: &str) -> Result<String, String> {
        lines(&Answer::read(reply.as_bytes()).expect("a reply")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_reply_becomes_settings_or_an_error() {
        let text = told("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"light_amplitude\":0.09,\"light_gain\":0}").unwrap();
        assert_eq!(text, "[camera]\nlight_amplitude = 0.09\nlight_gain = 0");
        assert_eq!(Settings::of_text(&text, "f").unwrap().camera.light_amplitude, 0.09);
        let refused = "HTTP/1.1 400 Bad\r\n\r\n{\"code\":\"BPE-004006\",\"message\":\"too weak\"}";
        assert_eq!(told(refused).unwrap_err(), "too weak");
        assert!(told("HTTP/1.1 200 OK\r\n\r\n<html>").is_err());
    }
}
