//! Which certificates are trusted.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::config::server::Network;

/// TLS that trusts the machine's authorities and those of `network.ca_file`.
///
/// # Errors
/// When `network.ca_file` cannot be read or holds something that is no certificate.
pub fn tls(network: &Network) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A machine's store may hold certificates that rustls does not take; the others serve.
        let _ = roots.add(certificate);
    }
    if !network.ca_file.is_empty() {
        let path = Path::new(&network.ca_file);
        let read = || format!("read network.ca_file {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
            let certificate = certificate.with_context(read)?;
            roots.add(certificate).with_context(|| format!("trust a certificate of {}", path.display()))?;
        }
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("choose the versions of TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: Option<&str>, expected: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text.unwrap_or_default()).unwrap();
        let path = if text.is_some() { file.path().display().to_string() } else { "/nowhere/ca.pem".to_owned() };
        let said = match tls(&Network { ca_file: path }) {
            Ok(_) => "fine".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_file_that_cannot_be_trusted_is_named() {
        check(None, "read network.ca_file /nowhere/ca.pem");
        check(Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "trust a certificate of");
    }
}
