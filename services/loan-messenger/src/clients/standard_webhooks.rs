//! Signatures as the Standard Webhooks specification 1.0.0 has them: HMAC-SHA-256 of
//! `id.timestamp.body`, in the headers `webhook-id`, `webhook-timestamp` (seconds) and
//! `webhook-signature` (`v1,` and base64; several with blanks between, while a secret
//! is being rotated).

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SecureRandom as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::config::Secret;
use secrecy::ExposeSecret as _;

/// Bytes of a secret; the specification wants 24 to 64.
pub const SECRET_BYTES: usize = 32;

const PREFIX: &str = "whsec_";

/// A new secret.
///
/// # Errors
/// If the system has no randomness.
pub fn new_secret() -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let mut secret = vec![0; SECRET_BYTES];
    aws_lc_rs::rand::SystemRandom::new().fill(&mut secret)?;
    Ok(secret)
}

/// A secret as it is shown to its receiver, once.
#[must_use]
pub fn shown(secret: &[u8]) -> Secret {
    Secret::from(format!("{PREFIX}{}", STANDARD.encode(secret)))
}

/// The bytes of a secret as it is shown.
#[must_use]
pub fn bytes(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose_secret();
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

/// The value of `webhook-signature`.
#[must_use]
pub fn signature(secrets: &[Secret], id: &str, timestamp: i64, body: &str) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    let signatures = secrets.iter().filter_map(bytes).map(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // The vector that the specification's reference libraries are tested with.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = "{\"test\": 2432232314}";
        let signature = signature(&[secret], id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn both_secrets_sign_while_one_is_rotated() {
        let secrets = [new_secret().unwrap(), new_secret().unwrap()];
        let secrets = secrets.map(|secret| shown(&secret));
        let both = signature(&secrets, "id", 1, "{}");
        let each: Vec<_> =
            secrets.iter().map(|one| signature(std::slice::from_ref(one), "id", 1, "{}")).collect();
        assert_eq!(both, each.join(" "));
        assert_ne!(each[0], each[1]);
    }

    #[test]
    fn a_secret_that_is_too_short_is_none() {
        for bad in ["", "whsec_", "whsec_AAAA", "whsec_!", "short"] {
            assert!(bytes(&Secret::from(bad.to_owned())).is_none(), "{bad}");
        }
    }
}
