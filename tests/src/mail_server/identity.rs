//! Who a server says it is, by a certificate that it has made itself (X.509, RFC 5280).

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A name, with the key that proves it to those who trust its certificate.
#[derive(Clone)]
pub struct Identity {
    acceptor: TlsAcceptor,
    certificate: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// Of a host of this name.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn try_new(host: &str) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([host.to_owned()])?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let key = key.map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        Ok(Self { acceptor: Arc::new(config).into(), certificate: made.cert.pem() })
    }

    /// Writes the certificate (PEM), for those who are to trust it.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_certificate(&self, file: &Path) -> Result<()> {
        Ok(std::fs::write(file, &self.certificate)?)
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}
