//! Secrets that are new.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

/// Random bytes of a credential that nobody types: 192 bits.
pub const CREDENTIAL_BYTES: usize = 24;

/// The system does not give what secrets are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

/// So many random bytes as text that needs no quoting in addresses, SQL and settings
/// (base64url, RFC 4648, 5).
///
/// # Errors
///
/// [`NoRandomness`].
pub fn random_text(bytes: usize) -> Result<String, NoRandomness> {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).map_err(|_| NoRandomness)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random))
}

/// A key that tokens are signed with: Ed25519, PKCS#8, PEM.
///
/// # Errors
///
/// [`NoRandomness`].
pub fn signing_key() -> Result<String, NoRandomness> {
    let document =
        Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| NoRandomness)?;
    let body = BASE64_STANDARD.encode(document.as_ref());
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use aws_lc_rs::signature::KeyPair as _;

    use super::*;

    #[test]
    fn the_signing_key_is_an_ed25519_key() {
        let pem = signing_key().unwrap();
        let body = pem.lines().nth(1).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(&BASE64_STANDARD.decode(body).unwrap()).unwrap();
        assert_eq!(pair.public_key().as_ref().len(), 32);
    }

    #[test]
    fn no_two_texts_are_alike() {
        let (one, other) = (random_text(CREDENTIAL_BYTES), random_text(CREDENTIAL_BYTES));
        assert_eq!(one.as_ref().unwrap().len(), 32);
        assert_ne!(one, other);
    }
}
