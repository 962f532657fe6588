//! `POST /auth/token`: OAuth 2.0, in its own shapes (RFC 6749, RFC 6750).

use std::time::Duration;

use ::events::text::check_line;
use axum::Form;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use common::http::{ClientAddress, Json};
use common::problem::Problem;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Api;
use super::customer_shapes::SecretText;
use crate::domain::person::Person;
use crate::domain::words::USER_ID_CHARS_MAX;
use crate::error::Error;
use crate::usecases::{
    Attempt, Origin, Proof, Purpose, Renewal, Session, renew_session, start_session,
};

/// What is shown for a token. Other parameters are ignored.
#[derive(Deserialize, ToSchema)]
pub(super) struct TokenRequest {
    /// `password` or `refresh_token`.
    #[serde(default)]
    #[schema(example = "password")]
    grant_type: Option<String>,
    /// With `password`: the login name.
    #[serde(default)]
    #[schema(example = "1@sk.com")]
    username: Option<String>,
    /// With `password`: the password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretText>,
    /// With `refresh_token`: the last one that was given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretText>,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
struct TokenAnswer {
    /// For `Authorization: Bearer`: EdDSA, with `iss`, `aud`, `sub` (the
    /// customerId), `roles`, `credential_version`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires; an officer's sooner than a customer's.
    #[schema(example = 600)]
    expires_in: i64,
    /// To be exchanged once for the next pair.
    refresh_token: String,
    /// Seconds until the login ends, however often it is renewed.
    #[schema(example = 43_200)]
    refresh_expires_in: i64,
}

/// A failure in OAuth's shape.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenFailure {
    /// `invalid_request`, `invalid_grant`, `unsupported_grant_type`, `slow_down`,
    /// `temporarily_unavailable` or `server_error`.
    #[schema(example = "invalid_grant")]
    error: &'static str,
    /// For people.
    error_description: String,
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl TokenFailure {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { error, error_description: description.into(), status, retry_after: None }
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    fn slow_down(retry_after: Duration) -> Self {
        let said = "Too many wrong passwords. Come back after `Retry-After`.";
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", said);
        Self { retry_after: Some(retry_after), ..failure }
    }
}

impl From<Error> for TokenFailure {
    fn from(error: Error) -> Self {
        // The one place that knows all failures, and logs them.
        let problem = Problem::from(error);
        if problem.status() == StatusCode::BAD_GATEWAY {
            // A refresh token that was renewed after all counts as stolen when it is shown
            // again, so nobody is told to.
            let said = "It is not known whether the token was issued. Log in with the password.";
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", said);
        }
        if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let failure = Self::new(status, "temporarily_unavailable", problem.detail());
            return Self { retry_after: Some(Duration::from_secs(1)), ..failure };
        }
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "An error on our side. It has been recorded.",
        )
    }
}

impl IntoResponse for TokenFailure {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let mut response = (status, not_stored(), Json(self)).into_response();
        if let Some(after) = retry_after {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// Tokens are kept by their bearer and by nobody on the way.
fn not_stored() -> HeaderMap {
    HeaderMap::from_iter([
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (PRAGMA, HeaderValue::from_static("no-cache")),
    ])
}

/// Get tokens
///
/// OAuth 2.0 as a form or as JSON. A refresh token is good once; used again, it
/// has been copied, and its login ends. It also ends with a change of the password.
#[utoipa::path(
    post,
    path = "/auth/token",
    operation_id = "issue_token",
    tag = "auth",
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded"),
        (TokenRequest = "application/json", examples(
            ("password" = (value = json!({
                "grant_type": "password", "username": "1@sk.com", "password": "1234"
            }))),
            ("refresh_token" = (value = json!({"grant_type": "refresh_token", "refresh_token": "AZOO…"})))
        ))
    )),
    responses(
        (status = 200, description = "Tokens", body = TokenAnswer, example = json!({
            "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.…", "token_type": "Bearer", "expires_in": 600,
            "refresh_token": "AZOO…", "refresh_expires_in": 43200
        })),
        (status = 400, description = "A wrong request, or wrong credentials", body = TokenFailure, examples(
            ("invalid_grant" = (value = json!({
                "error": "invalid_grant", "error_description": "The credentials are not right."
            }))),
            ("invalid_request" = (value = json!({
                "error": "invalid_request", "error_description": "username is missing."
            }))),
            ("unsupported_grant_type" = (value = json!({
                "error": "unsupported_grant_type", "error_description": "grant_type must be password or refresh_token."
            })))
        )),
        (status = 413, description = "More than 64 KiB", body = TokenFailure, example = json!({
            "error": "invalid_request", "error_description": "The body may have at most 65536 bytes."
        })),
        (status = 429, description = "Too many wrong passwords", body = TokenFailure,
            headers(("Retry-After" = u64, description = "Seconds: 1 to 60, growing")),
            example = json!({
                "error": "slow_down",
                "error_description": "Too many wrong passwords. Come back after `Retry-After`."
            })),
        (status = 500, description = "An error on our side", body = TokenFailure, example = json!({
            "error": "server_error", "error_description": "An error on our side. It has been recorded."
        })),
        (status = 503, description = "The database does not answer, or too many passwords are being checked",
            body = TokenFailure, headers(("Retry-After" = u64, description = "Seconds")),
            example = json!({
                "error": "temporarily_unavailable", "error_description": "Too many passwords are being checked."
            })),
    )
)]
pub(super) async fn issue_token(
    State(api): State<Api>,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Response, TokenFailure> {
    let asked = read(request).await?;
    // Before anybody is looked up, so that no token is counted from after a removal.
    let now = api.clock.now();
    let (person, session) = match asked.grant_type.as_deref() {
        Some("password") => log_in(&api, asked, Origin::of(address), now).await?,
        Some("refresh_token") => renew(&api, asked, now).await?,
        Some(_) => {
            let said = "grant_type must be password or refresh_token.";
            return Err(TokenFailure::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", said));
        }
        None => return Err(TokenFailure::invalid_request("grant_type is missing.")),
    };
    let answer = TokenAnswer {
        access_token: api.signer.sign_token(&person, now)?.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: api.signer.lifetimes().of(person.role).whole_seconds(),
        refresh_token: session.refresh_token.expose_secret().to_owned(),
        refresh_expires_in: (session.expires_at - api.clock.now()).whole_seconds(),
    };
    Ok((not_stored(), Json(answer)).into_response())
}

/// The parameters, as a form or as JSON. What a library says about a form could
/// quote it, and so is not repeated.
async fn read(request: Request) -> Result<TokenRequest, TokenFailure> {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // What comes behind a semicolon is a parameter, and a form has none that counts.
    let essence = media_type.and_then(|text| text.split(';').next()).map(str::trim);
    let is_form =
        essence.is_some_and(|text| text.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if is_form {
        return match Form::from_request(request, &()).await {
            Ok(Form(asked)) => Ok(asked),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let said = Problem::too_large().detail().to_owned();
                Err(TokenFailure::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", said))
            }
            Err(_) => Err(TokenFailure::invalid_request(
                "The form is not readable, or a parameter is there twice.",
            )),
        };
    }
    match Json::from_request(request, &()).await {
        Ok(Json(asked)) => Ok(asked),
        Err(problem) if problem.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Err(TokenFailure::invalid_request("The body must be a form or JSON."))
        }
        Err(problem) if problem.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(TokenFailure::new(problem.status(), "invalid_request", problem.detail()))
        }
        Err(_) => Err(TokenFailure::invalid_request(
            "The body is not JSON with the parameters as strings.",
        )),
    }
}

async fn log_in(
    api: &Api,
    asked: TokenRequest,
    origin: Origin,
    now: OffsetDateTime,
) -> Result<(Person, Session), TokenFailure> {
    let user_id =
        asked.username.ok_or_else(|| TokenFailure::invalid_request("username is missing."))?;
    let password =
        asked.password.ok_or_else(|| TokenFailure::invalid_request("password is missing."))?.0;
    check_line(&user_id, USER_ID_CHARS_MAX)
        .map_err(|wrong| TokenFailure::invalid_request(format!("username {wrong}.")))?;
    let purpose = Purpose::LogIn;
    let attempt = Attempt { purpose, user_id, user_name: None, password, origin };
    let proven = match api.prover.prove_person(attempt).await? {
        Proof::Proven(proven) => proven,
        Proof::Wrong => return Err(TokenFailure::invalid_grant("The credentials are not right.")),
        Proof::Throttled { retry_after } => return Err(TokenFailure::slow_down(retry_after)),
    };
    let work = async |tx: &mut _| start_session(tx, api.sessions, &proven, now).await;
    let session = api.db.in_tx("start_session", work).await?;
    Ok((proven.person, session))
}

async fn renew(
    api: &Api,
    asked: TokenRequest,
    now: OffsetDateTime,
) -> Result<(Person, Session), TokenFailure> {
    let missing = || TokenFailure::invalid_request("refresh_token is missing.");
    let shown = asked.refresh_token.ok_or_else(missing)?.0;
    let work = async |tx: &mut _| renew_session(tx, shown.expose_secret(), now).await;
    match api.db.in_tx("renew_session", work).await? {
        Renewal::Renewed(person, session) => Ok((*person, session)),
        Renewal::Ended => {
            Err(TokenFailure::invalid_grant("The refresh token is not good (any more)."))
        }
    }
}

#[cfg(test)]
#[path = "issue_token_tests.rs"]
mod tests;
