//! Writes parts into a body.

use crate::ops::SecretBytes;

/// A body that is being written.
pub struct Writer {
    boundary: String,
    body: SecretBytes,
}

impl Writer {
    /// Starts a body. The boundary must not occur in any part: a random one of 128 bits does not.
    pub fn new(boundary: &str) -> Self {
        Self { boundary: boundary.to_owned(), body: SecretBytes::default() }
    }

    /// Adds a field without a file name.
    pub fn field(&mut self, name: &str, content_type: &str, content: &[u8]) {
        self.part(&format!("form-data; name=\"{name}\""), content_type, false, content);
    }

    /// Adds a file; `base64` says that `content` is base64 text.
    pub fn file(&mut self, name: &str, filename: &str, content_type: &str, base64: bool, content: &[u8]) {
        self.part(&format!("form-data; name=\"{name}\"; filename=\"{filename}\""), content_type, base64, content);
    }

    fn part(&mut self, disposition: &str, content_type: &str, base64: bool, content: &[u8]) {
        let encoding = if base64 { "Content-Transfer-Encoding: base64\r\n" } else { "" };
        let head = format!(
            "--{}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n{encoding}\r\n",
            self.boundary
        );
        self.body.push(head.as_bytes());
        self.body.push(content);
        self.body.push(b"\r\n");
    }

    /// The whole body.
    pub fn finish(mut self) -> SecretBytes {
        self.body.push(format!("--{}--\r\n", self.boundary).as_bytes());
        self.body
    }

    /// The Content-Type of the body.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }
}
