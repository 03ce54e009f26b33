//! TLS of connections that go out: whom this device believes, and what it shows of itself. Nobody is believed who is not in the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Files in PEM.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// The authorities of servers' certificates.
    pub authority: Option<PathBuf>,
    /// The certificate that this device shows.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

impl TlsFiles {
    /// For requests over HTTP. An error tells which file can't be used.
    pub fn of_requests(&self) -> Result<TlsConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = TlsConfig::builder().provider(TlsProvider::Rustls).unversioned_rustls_crypto_provider(provider);
        if let Some(path) = &self.authority {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(&read(path)?, path)?));
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            let chain = certificates(&read(certificate)?, certificate)?;
            let wrong = |_| format!("{}: it has no private key", key.display());
            let key = PrivateKey::from_pem(&read(key)?).map_err(wrong)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(tls.build())
    }

    /// For other connections. An error tells which file can't be used.
    pub fn of_connections(&self) -> Result<Arc<ClientConfig>, String> {
        let chain = |path: &Path| {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
            match found {
                Ok(found) if !found.is_empty() => Ok(found),
                _ => Err(format!("{}: it has no certificate", path.display())),
            }
        };
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.authority {
            for certificate in chain(path)? {
                roots.add(certificate).map_err(|e| format!("{}: {e}", path.display()))?;
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let wrong = |_| format!("{}: it has no private key", key.display());
                let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(wrong)?;
                let refused = |e: rustls::Error| format!("{}: {e}", certificate.display());
                builder.with_client_auth_cert(chain(certificate)?, private).map_err(refused)?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let found = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() { Err(format!("{}: it has no certificate", path.display())) } else { Ok(found) }
}

/// The text of a file with a secret, without the end of its line.
pub fn secret(path: &Path) -> Result<zeroize::Zeroizing<String>, String> {
    let bytes = zeroize::Zeroizing::new(read(path)?);
    Ok(zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()))
}
