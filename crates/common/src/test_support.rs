//! For the tests of the services: tokens that are signed for real, and settings.

#![expect(clippy::missing_panics_doc, reason = "a test fails by panicking")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use uuid::Uuid;

use crate::admin::{AdminApi, AdminRoutes, Credentials};
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
            nbf: None,
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

/// What opens the admin API of [`Operators`].
pub const OPERATOR_SECRET: &str = "a-secret-of-operators-in-tests";

/// The routes of an admin API as operators reach them.
pub struct Operators(Router);

impl Operators {
    /// Of a service that has started, with these routes; they may do everything.
    #[must_use]
    pub fn of(routes: impl Into<AdminRoutes>) -> Self {
        Self::with_scope("repair+accounts", routes)
    }

    /// The same, with a credential for this alone.
    #[must_use]
    pub fn with_scope(scope: &str, routes: impl Into<AdminRoutes>) -> Self {
        let setting = crate::config::Secret::from(format!("tests:{scope}:{OPERATOR_SECRET}"));
        let credentials = Credentials::try_new(Some(&setting)).expect("a good secret");
        let api = AdminApi::new(credentials);
        api.set_routes(routes.into(), |router| router);
        Self(api.into_router())
    }

    /// What a call comes to: the status, and the body as JSON (null if it is none).
    pub async fn call(
        &self,
        method: http::Method,
        path: &str,
        body: serde_json::Value,
    ) -> (u16, serde_json::Value) {
        use tower::ServiceExt as _;

        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::AUTHORIZATION, format!("Bearer {OPERATOR_SECRET}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let Ok(response) = self.0.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a whole body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// `GET`, which has to be answered.
    pub async fn get(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.call(http::Method::GET, path, serde_json::Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// `POST` of ids, which has to be answered.
    pub async fn post_ids(&self, path: &str, ids: &[Uuid]) -> serde_json::Value {
        let ids = serde_json::json!({ "ids": ids });
        let (status, body) = self.call(http::Method::POST, path, ids).await;
        assert_eq!(status, 200, "{body}");
        body
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
