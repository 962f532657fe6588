//! Access tokens, and the keys that they are checked with.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use common::clock::Clock;
use common::config::Secret;
use common::token::Claims;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::domain::person::{Person, Role};
use crate::error::Error;
use crate::store::person::role_name;

/// Keys at most: one that signs, and those before and after it.
const KEYS_MAX: usize = 8;

/// Signs access tokens. Cloning is cheap.
#[derive(Clone)]
pub struct TokenSigner(Arc<Inner>);

struct Inner {
    key: EncodingKey,
    key_id: String,
    jwks: String,
    issuer: String,
    audience: String,
    lifetimes: Lifetimes,
    clock: Clock,
}

/// How long access tokens are good. Every service checks them by itself, so this is
/// how long one goes on working after its bearer was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of a customer, who reaches nothing but what is their own.
    pub customer: Duration,
    /// Of an officer, who decides on everybody's loans.
    pub officer: Duration,
}

impl Lifetimes {
    /// How long a token of somebody with this role is good.
    #[must_use]
    pub const fn of(self, role: Role) -> Duration {
        match role {
            Role::Customer => self.customer,
            Role::Officer => self.officer,
        }
    }
}

/// Why signing keys are not usable. Nothing of a key is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Not one.
    #[error("must have at least one Ed25519 key, as a PKCS#8 PEM block (`BEGIN PRIVATE KEY`)")]
    None,
    /// Too many.
    #[error("must have at most {KEYS_MAX} keys")]
    TooMany,
    /// One of them is something else.
    #[error(
        "key number {0} is not an Ed25519 key in PKCS#8 PEM, or beside it stands what is no `#` comment"
    )]
    Unreadable(usize),
    /// One of them is there twice.
    #[error("key number {0} is there twice")]
    Twice(usize),
}

/// What a token says.
#[derive(Serialize)]
struct AccessToken {
    #[serde(flatten)]
    claims: Claims,
    jti: Uuid,
}

/// A public key, RFC 8037.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: String,
    alg: &'static str,
    r#use: &'static str,
}

impl TokenSigner {
    /// A signer with these keys: the first signs, all are published, so that a key
    /// is known everywhere before it signs and as long as its tokens live.
    ///
    /// # Errors
    /// [`KeysError`] if the keys are not usable.
    pub fn try_new(
        keys: &Secret,
        issuer: &str,
        audience: &str,
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> Result<Self, KeysError> {
        let keys = read(keys.expose_secret())?;
        let (first, first_public) = keys.first().ok_or(KeysError::None)?;
        let (key, key_id) = (EncodingKey::from_ed_der(first), first_public.kid.clone());
        let public: Vec<&PublicKey> = keys.iter().map(|(_, public)| public).collect();
        let jwks = serde_json::json!({ "keys": public }).to_string();
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Ok(Self(Arc::new(Inner { key, key_id, jwks, issuer, audience, lifetimes, clock })))
    }

    /// The public keys, as a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.0.jwks
    }

    /// How long tokens are good.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        self.0.lifetimes
    }

    /// A token for a person who was looked up after `now`: so no token outlives a
    /// removal by more than its lifetime, however long it took to get here. Only an officer's has a name, which is shown to the
    /// customers whose loans they decide on.
    ///
    /// # Errors
    /// [`Error::Internal`] if signing fails, which it never should.
    pub fn sign_token(&self, person: &Person, now: OffsetDateTime) -> Result<Secret, Error> {
        let token = AccessToken {
            claims: Claims {
                iss: self.0.issuer.clone(),
                aud: self.0.audience.clone(),
                sub: person.id.as_uuid(),
                iat: now.unix_timestamp(),
                nbf: None,
                exp: (now + self.0.lifetimes.of(person.role)).unix_timestamp(),
                roles: vec![role_name(person.role).to_owned()],
                name: (person.role == Role::Officer).then(|| person.user_name.clone()),
                preferred_username: Some(person.user_id.clone()),
                credential_version: person.credential_version,
            },
            jti: self.0.clock.new_id(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.0.key_id.clone());
        match jsonwebtoken::encode(&header, &token, &self.0.key) {
            Ok(token) => Ok(Secret::from(token)),
            Err(error) => {
                tracing::error!(%error, "a token could not be signed");
                Err(Error::Internal)
            }
        }
    }
}

/// Takes signing keys as a setting.
///
/// # Errors
/// [`KeysError`] if they are not usable.
pub fn check_keys(text: &str) -> Result<Secret, KeysError> {
    read(text)?;
    Ok(Secret::from(text))
}

/// The keys of a text, at least one: the DER and the public half of each.
fn read(text: &str) -> Result<Vec<(Vec<u8>, PublicKey)>, KeysError> {
    let mut keys: Vec<(Vec<u8>, PublicKey)> = Vec::new();
    for (place, der) in blocks(text).into_iter().enumerate() {
        if place == KEYS_MAX {
            return Err(KeysError::TooMany);
        }
        let der = der.ok_or(KeysError::Unreadable(place + 1))?;
        let public = public_key(&der).ok_or(KeysError::Unreadable(place + 1))?;
        if keys.iter().any(|(_, other)| *other == public) {
            return Err(KeysError::Twice(place + 1));
        }
        keys.push((der, public));
    }
    if keys.is_empty() { Err(KeysError::None) } else { Ok(keys) }
}

/// The PEM blocks of a text: the DER of each, or `None` where it is unreadable.
fn blocks(text: &str) -> Vec<Option<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN ";
    // A template may have kept the line ends of a variable as two characters.
    let text = text.replace("\\n", "\n");
    let mut parts = text.split(BEGIN);
    // What stands beside blocks and is no comment may be a block that was mistyped.
    let is_nothing = |text: &str| {
        text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
    };
    let mut blocks = Vec::new();
    if !parts.next().is_none_or(is_nothing) {
        blocks.push(None);
    }
    blocks.extend(parts.map(|block| {
        let (base64, behind) =
            block.strip_prefix("PRIVATE KEY-----")?.split_once("-----END PRIVATE KEY-----")?;
        let base64: String = base64.split_whitespace().collect();
        BASE64_STANDARD.decode(base64).ok().filter(|_| is_nothing(behind))
    }));
    blocks
}

fn public_key(der: &[u8]) -> Option<PublicKey> {
    // With or without the public half: OpenSSL writes it without.
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    // RFC 7638: the required members in alphabetical order, without spaces.
    let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, thumbprint.as_bytes()));
    Some(PublicKey { kty: "OKP", crv: "Ed25519", x, kid, alg: "EdDSA", r#use: "sig" })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::usecases::testing::{new_key, new_key_with_public_half};

    // RFC 8037, appendix A.3: the thumbprint of its example key.
    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let seed =
            BASE64_URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let header = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
        let key = public_key(&[&header[..], &seed].concat()).unwrap();
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn keys_are_read_as_openssl_and_others_write_them() {
        let (one, two) = (new_key(), new_key_with_public_half());
        let both = read(&format!("# the first signs\n{one}\n{two}")).unwrap();
        assert_eq!(both.len(), 2);
        let flat = one.replace('\n', "\\n");
        assert_eq!(read(&flat).unwrap()[0].1, both[0].1);
        assert_eq!(read("").unwrap_err(), KeysError::None);
        assert_eq!(read(&format!("{one}{one}")).unwrap_err(), KeysError::Twice(2));
        assert_eq!(
            read(&format!("{one}{}", two.replace("MF", "!!"))).unwrap_err(),
            KeysError::Unreadable(2)
        );
        // A second one that is none, and would be passed over in silence.
        for mistyped in [two.replace("-----BEGIN", "---BEGIN"), two.lines().nth(1).unwrap().into()]
        {
            assert_eq!(read(&format!("{one}{mistyped}")).unwrap_err(), KeysError::Unreadable(1));
            assert_eq!(read(&format!("{mistyped}\n{one}")).unwrap_err(), KeysError::Unreadable(1));
        }
        let many: String = (0..=KEYS_MAX).map(|_| new_key()).collect();
        assert_eq!(read(&many).unwrap_err(), KeysError::TooMany);
    }

    // A new key: known everywhere before it signs, and the old one as long as its
    // tokens live.
    #[test]
    fn a_key_is_changed_without_a_token_being_refused() {
        let clock = Clock::system();
        let (old, new) = (new_key(), new_key());
        let signer = |keys: String| {
            let keys = Secret::from(keys);
            let lifetimes =
                Lifetimes { customer: Duration::minutes(10), officer: Duration::minutes(2) };
            TokenSigner::try_new(&keys, "issuer", "audience", lifetimes, clock.clone()).unwrap()
        };
        let steps = [old.clone(), format!("{old}{new}"), format!("{new}{old}"), new];
        let signers = steps.map(signer);
        let officer = crate::usecases::NewPerson {
            role: Role::Officer,
            user_id: "officer@bank.example".to_owned(),
            user_name: "Officer".to_owned(),
            user_mobile: None,
            user_email: None,
            language: ::events::Language::Ko,
        }
        .into_person(&clock);
        for pair in signers.windows(2) {
            for (signing, checking) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let verifier =
                    common::token::TokenVerifier::new("issuer", "audience", clock.clone());
                assert!(verifier.install(checking.jwks()));
                let token = signing.sign_token(&officer, clock.now()).unwrap();
                let principal = verifier.verify(token.expose_secret()).unwrap();
                assert_eq!(principal.name.as_deref(), Some("Officer"));
                assert_eq!(principal.subject, officer.id.as_uuid());
            }
        }
    }
}
