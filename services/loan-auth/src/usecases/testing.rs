//! For tests: signing keys, new in every run, so that none lies about.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A new Ed25519 key as OpenSSL writes it.
pub(crate) fn new_key() -> String {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    pem(der.as_ref())
}

/// The same key in the form that has its public half beside it.
pub(crate) fn new_key_with_public_half() -> String {
    pem(Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap().as_ref())
}

fn pem(der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
}
