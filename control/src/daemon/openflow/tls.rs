//! TLS towards controllers: both sides show a certificate, and each must be vouched for by the authority that was configured. Which name
//! stands in it does not matter, as in Open vSwitch (`lib/stream-ssl.c`): the authority vouches for controllers and switches alone.

use super::wire::Stream;
use crate::config::Ssl;
use anyhow::{Context, Result, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Whether keys and certificates can be read and belong together.
///
/// # Errors
/// Which file is wrong, and why.
pub(crate) fn fits(ssl: &Ssl) -> Result<()> {
    Tls::new(ssl).map(drop)
}

/// What the switch shows and whom it believes.
#[derive(Clone)]
pub(in super::super) struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads keys and certificates.
    ///
    /// # Errors
    /// Which file is wrong, and why.
    pub(in super::super) fn new(ssl: &Ssl) -> Result<Tls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&ssl.certificate)?;
        let key = || {
            PrivateKeyDer::from_pem_file(&ssl.private_key)
                .with_context(|| format!("[ssl] private_key {}: no key in PEM", ssl.private_key.display()))
        };
        let mut roots = RootCertStore::empty();
        for root in certificates(&ssl.ca_cert)? {
            roots.add(root).with_context(|| format!("[ssl] ca_cert {}", ssl.ca_cert.display()))?;
        }
        let roots = Arc::new(roots);
        let fits = || "[ssl]: certificate and private_key do not belong together";
        let believes = Authority { roots: roots.clone(), provider: provider.clone() };
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(believes))
            .with_client_auth_cert(chain.clone(), key()?)
            .with_context(fits)?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key()?)
            .with_context(fits)?;
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
        })
    }

    /// Towards a controller.
    pub(super) async fn connect(&self, stream: TcpStream, host: &str) -> Result<Box<dyn Stream>> {
        let name =
            ServerName::try_from(host.to_string()).context("its name cannot stand in a certificate")?;
        Ok(Box::new(self.connector.connect(name, stream).await.context("TLS failed")?))
    }

    /// From a controller.
    pub(super) async fn accept(&self, stream: TcpStream) -> Result<Box<dyn Stream>> {
        Ok(Box::new(self.acceptor.accept(stream).await.context("TLS failed")?))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("[ssl]: {} cannot be read", path.display()))?
        .collect();
    let all = all.with_context(|| format!("[ssl]: {} is no PEM", path.display()))?;
    if all.is_empty() {
        bail!("[ssl]: {} has no certificate", path.display());
    }
    Ok(all)
}

/// Believes whom the authority vouches for, whatever his name.
#[derive(Debug)]
struct Authority {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Authority {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
