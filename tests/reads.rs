//! Prints how the gate parses a connection, for comparison with other parsers: takes cases from standard input, each a length
//! (four bytes, little endian) and that many bytes, and prints a line of JSON for each.

use std::io::{Read, Write, stdin, stdout};

use serde_json::json;

fn main() -> std::io::Result<()> {
    let (mut input, mut output) = (stdin().lock(), std::io::BufWriter::new(stdout().lock()));
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut bytes)?;
        let (all, refused) = faceplate::gate::requests(&bytes, bytes.len());
        let requests: Vec<_> = all.iter().map(|(head, body)| json!([head.method, head.target, body])).collect();
        writeln!(output, "{}", json!({ "requests": requests, "refused": refused }))?;
    }
    output.flush()
}
