//! TLS 1.2 and 1.3 by rustls, with certificates from files.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ring::digest::{Context, SHA256};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::ops::{FileError, settings};

/// What is needed to accept TLS connections.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// SHA-256 of the authorities whose certificates clients must have, if they must have one.
    authorities: Option<[u8; 32]>,
    /// The certificate that clients are shown.
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// Reads the files of the settings; none if they name no certificate.
    pub fn load(settings: &settings::Tls) -> Result<Option<Self>, FileError> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else { return Ok(None) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(Clock))
            .with_safe_default_protocol_versions()
            .expect("the provider's suites are those of both versions");
        let (builder, authorities) = match &settings.clients {
            None => (builder.with_no_client_auth(), None),
            Some(path) => {
                let (mut roots, mut hash) = (RootCertStore::empty(), Context::new(&SHA256));
                for root in certificates(path)? {
                    hash.update(&root);
                    roots.add(root).map_err(|e| FileError::invalid(path, e))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|e| FileError::invalid(path, e))?;
                let hash = hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
                (builder.with_client_cert_verifier(verifier), Some(hash))
            }
        };
        let private_key = PrivateKeyDer::from_pem_file(key).map_err(|e| no_pem(key, e))?;
        let chain = certificates(certificate)?;
        let own = chain[0].clone();
        let config = builder.with_single_cert(chain, private_key);
        let mut config = config.map_err(|e| FileError::invalid(certificate, e))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { config: Arc::new(config), authorities, certificate: own }))
    }

    /// Hash that tells one set of client authorities from another.
    pub(super) fn authorities(&self) -> Option<[u8; 32]> {
        self.authorities
    }

    /// Whether clients must have certificates.
    pub(super) fn asks_for_certificates(&self) -> bool {
        self.authorities.is_some()
    }

    /// Whether the certificate is valid for `name`.
    pub(super) fn is_for(&self, name: &str) -> bool {
        let (Ok(certificate), Ok(name)) = (ParsedCertificate::try_from(&self.certificate), ServerName::try_from(name))
        else {
            return false;
        };
        verify_server_name(&certificate, &name).is_ok()
    }

    /// The session of a new connection.
    pub(super) fn session(&self) -> Result<ServerConnection, rustls::Error> {
        let mut session = ServerConnection::new(Arc::clone(&self.config))?;
        session.set_buffer_limit(Some(SESSION_BYTES));
        Ok(session)
    }
}

/// The system's clock, also where it is before 1970, as on a board whose battery failed: rustls's own would panic then.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Some(UnixTime::since_unix_epoch(since.unwrap_or_default()))
    }
}

/// Most plain bytes that a session holds before the socket has taken them encrypted.
const SESSION_BYTES: usize = 32 << 10;

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(FileError::invalid(path, "no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(no_pem(path, error)),
    }
}

fn no_pem(path: &Path, error: pem::Error) -> FileError {
    match error {
        pem::Error::Io(_) => FileError::unreadable(path, error),
        _ => FileError::invalid(path, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::FileErrorKind;

    #[test]
    fn errors_name_the_file_and_what_is_wrong_with_it() {
        for (file, kind, told) in [
            ("/nonexistent", FileErrorKind::Unreadable, "/nonexistent: I/O error: "),
            ("Cargo.toml", FileErrorKind::Invalid, "Cargo.toml: no certificate in it"),
        ] {
            let error = certificates(file.as_ref()).unwrap_err();
            assert!(error.kind() == kind && error.to_string().starts_with(told), "{error}");
        }
    }
}
