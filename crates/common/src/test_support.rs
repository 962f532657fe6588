//! For the tests of the services: tokens that are signed for real, and settings.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::{ServiceSettings, try_load_from};
use crate::token::{Claims, TokenVerifier};

/// The issuer of test tokens.
pub const ISSUER: &str = "https://issuer.test";

/// The audience of test tokens.
pub const AUDIENCE: &str = "test";

/// An issuer with a key of its own, and the verifier that knows it.
pub struct TestTokens {
    key: EncodingKey,
    key_id: String,
    jwks: String,
    clock: Clock,
}

impl Default for TestTokens {
    fn default() -> Self {
        Self::new()
    }
}

impl TestTokens {
    /// A new issuer on the computer's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Clock::system())
    }

    /// A new issuer; its tokens are made and checked by this clock.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key can be made");
        let der = pair.to_pkcs8().expect("a key can be written");
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let key_id = format!("test-{}", clock.new_id());
        let jwks = serde_json::json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "alg": "EdDSA", "use": "sig",
        }] });
        Self { key: EncodingKey::from_ed_der(der.as_ref()), key_id, jwks: jwks.to_string(), clock }
    }

    /// A token that is valid for ten minutes.
    #[must_use]
    pub fn token(
        &self,
        subject: Uuid,
        roles: &[&str],
        name: Option<&str>,
        username: Option<&str>,
    ) -> String {
        self.sign(&self.claims(subject, roles, name, username))
    }

    /// The claims of such a token, to be changed before they are signed.
    #[must_use]
    pub fn claims(
        &self,
        subject: Uuid,
        roles: &[&str],
        name: Option<&str>,
        username: Option<&str>,
    ) -> Claims {
        let now = self.clock.now().unix_timestamp();
        Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject,
            iat: now,
            exp: now + 600,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            name: name.map(ToOwned::to_owned),
            preferred_username: username.map(ToOwned::to_owned),
            credential_version: 1,
        }
    }

    /// Signs claims with this issuer's key.
    #[must_use]
    pub fn sign(&self, claims: &impl serde::Serialize) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token can be signed")
    }

    /// The issuer's JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The id of the issuer's key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// A verifier that knows this issuer's key.
    #[must_use]
    pub fn verifier(&self) -> TokenVerifier {
        TokenVerifier::for_test(self.jwks(), self.clock.clone())
    }
}

impl TokenVerifier {
    /// A verifier of test tokens that knows these keys (a JSON Web Key Set).
    #[must_use]
    pub fn for_test(jwks: &str, clock: Clock) -> Self {
        let verifier = Self::new(ISSUER, AUDIENCE, clock);
        assert!(verifier.install(jwks), "the keys are usable");
        verifier
    }
}

/// A service's settings with every default and this database.
#[must_use]
pub fn settings(database_url: &str) -> ServiceSettings {
    #[derive(clap::Parser)]
    struct Settings {
        #[command(flatten)]
        service: ServiceSettings,
    }
    let args = ["test", "--database-url", database_url];
    let settings: Settings = try_load_from(args.map(Into::into), &[]).expect("defaults are valid");
    settings.service
}
