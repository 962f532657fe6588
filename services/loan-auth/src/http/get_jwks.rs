//! `GET /.well-known/jwks.json`: the public keys of the access tokens.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;

/// How long others may keep the keys: as long as our own services do.
const CACHED: &str = "public, max-age=300";

/// A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037).
#[derive(Serialize, ToSchema)]
struct Jwks {
    /// The keys; one of them signs, the others did or will.
    keys: Vec<Jwk>,
}

/// A public key.
#[derive(Serialize, ToSchema)]
struct Jwk {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// The key, base64url.
    x: String,
    /// Its thumbprint (RFC 7638).
    kid: String,
    /// `EdDSA`.
    alg: String,
    /// `sig`.
    r#use: String,
}

/// The public keys
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "get_jwks",
    tag = "auth",
    responses(
        (status = 200, description = "The keys", body = Jwks, example = json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "alg": "EdDSA", "use": "sig"
        }]})),
    )
)]
pub(super) async fn get_jwks(State(api): State<Api>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHED)];
    (headers, api.signer.jwks().to_owned()).into_response()
}
