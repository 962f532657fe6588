//! `POST /loanAuths`: loan-request asks whether a caller is who they say.

use std::net::IpAddr;
use std::time::Duration;

use ::events::codes::RequestKind;
use ::events::text::check_line;
use ::events::{Amount, Currency, LoanId, LoanRequestId};
use axum::extract::State;
use common::http::Json;
use serde::Deserialize;
use utoipa::ToSchema;

use super::certification_shapes::Outcome;
use super::customer_shapes::{Fields, SecretText};
use super::failure_shapes::{BodyFailures, ServerFailures, ServiceFailures};
use super::{Api, ServiceCaller};
use crate::config::Delay;
use crate::domain::certification::Asked;
use crate::error::Error;
use crate::store::certification::Refused;
use crate::usecases::{Caller, Origin, Proof, prove_caller, refuse_certification, user_key};

/// Room for whatever loan-request lets pass; it has the narrower bounds, and the
/// messages for people.
const TEXT_CHARS_MAX: usize = 1_000;

/// When to come back after too many passwords were to be checked.
const BUSY_RETRY_AFTER_SECONDS: u64 = 1;

/// A request, and what proves its caller: all of `userId`, `userName` and
/// `userPassword`, or `token`, or both.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certify {
    /// The request; there is one decision for each.
    loan_request_id: LoanRequestId,
    /// A new loan (`01`) or a repayment (`02`).
    request_id: RequestKind,
    /// Of a repayment, the loan that the customer named.
    #[serde(default)]
    loan_id: Option<LoanId>,
    /// What the customer calls it.
    #[schema(example = "Deposit")]
    request_name: String,
    /// How much, in minor units.
    amount_of_money: Amount,
    /// Its currency.
    #[serde(default)]
    currency: Currency,
    /// The account to pay to or from.
    #[serde(default)]
    #[schema(example = "1111")]
    account_no: Option<String>,
    /// Where to reach the customer about it; else as registered.
    #[serde(default)]
    #[schema(example = "010-000-0000")]
    user_mobile: Option<String>,
    /// The login name.
    #[serde(default)]
    #[schema(example = "1@sk.com")]
    user_id: Option<String>,
    /// The name.
    #[serde(default)]
    #[schema(example = "유은상")]
    user_name: Option<String>,
    /// The password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    user_password: Option<SecretText>,
    /// The caller's bearer token.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    token: Option<SecretText>,
    /// Where the caller is.
    #[schema(value_type = String, example = "192.0.2.1")]
    client_address: IpAddr,
}

impl Certify {
    fn check(&self) -> Result<(), Error> {
        let mut fields = Fields::default();
        fields.check("requestName", check_line(&self.request_name, TEXT_CHARS_MAX));
        for (field, text) in [
            ("accountNo", &self.account_no),
            ("userMobile", &self.user_mobile),
            ("userId", &self.user_id),
            ("userName", &self.user_name),
        ] {
            if let Some(text) = text {
                fields.check(field, check_line(text, TEXT_CHARS_MAX));
            }
        }
        let named =
            [self.user_id.is_some(), self.user_name.is_some(), self.user_password.is_some()];
        let is_whole = named == [true; 3] || (self.token.is_some() && !named[2]);
        if !is_whole {
            fields.check("userId", Err("userId, userName and userPassword, or token".to_owned()));
        }
        fields.outcome()
    }

    fn split(self) -> (Asked, Caller) {
        let asked = Asked {
            loan_request_id: self.loan_request_id,
            request_id: self.request_id,
            named_loan: self.loan_id,
            request_name: self.request_name,
            amount_of_money: self.amount_of_money,
            currency: self.currency,
            account_no: self.account_no,
            user_mobile: self.user_mobile,
        };
        let caller = Caller {
            user_id: self.user_id,
            user_name: self.user_name,
            password: self.user_password.map(|password| password.0),
            token: self.token.map(|token| token.0),
            origin: Origin::of(self.client_address),
        };
        (asked, caller)
    }
}

/// Certify a request
///
/// For loan-request alone, with its service credential; the gateway has no route
/// to it. The first decision on a request stands: asked again, a certified one is
/// `certified` to its customer without a second event, and `refused` to anyone
/// else. `throttled` and `busy` decide nothing.
#[utoipa::path(
    post,
    path = "/loanAuths",
    operation_id = "certify_loan_request",
    tag = "internal",
    security(("service" = [])),
    request_body(content = Certify, example = json!({
        "loanRequestId": "01938e1c-0a11-7b1c-8f53-2f6f6d0b7a01", "requestId": "01", "requestName": "Deposit",
        "amountOfMoney": 10000, "currency": "KRW", "accountNo": "1111", "userId": "1@sk.com",
        "userName": "유은상", "userPassword": "1234", "clientAddress": "192.0.2.1"
    })),
    responses(
        (status = 200, description = "What is decided", body = Outcome, examples(
            ("certified" = (value = json!({
                "outcome": "certified", "customerId": "01938e1b-ffff-7000-8000-000000000001"
            }))),
            ("refused" = (value = json!({"outcome": "refused"}))),
            ("voided" = (value = json!({"outcome": "voided"}))),
            ("throttled" = (value = json!({"outcome": "throttled", "retryAfterSeconds": 4}))),
            ("busy" = (value = json!({"outcome": "busy", "retryAfterSeconds": 1})))
        )),
        ServiceFailures,
        BodyFailures,
        ServerFailures,
    )
)]
pub(super) async fn certify_loan_request(
    State(api): State<Api>,
    _: ServiceCaller,
    Json(body): Json<Certify>,
) -> Result<Json<Outcome>, Error> {
    body.check()?;
    if let Some(delay) = api.certify_delay {
        tokio::time::sleep(some_time(delay)).await;
    }
    let loan_request_id = body.loan_request_id;
    let (asked, caller) = body.split();
    let claimed = caller.user_id.as_deref().map(user_key);
    let origin = caller.origin.clone();
    let proof = match prove_caller(&api.db, &api.prover, &api.verifier, caller).await {
        Err(Error::Busy) => {
            let retry_after_seconds = BUSY_RETRY_AFTER_SECONDS;
            return Ok(Json(Outcome::Busy { retry_after_seconds }.counted("certify")));
        }
        proof => proof?,
    };
    let answer = match proof {
        Proof::Proven(proven) => api.certifier.certify(asked, proven, &origin).await?,
        Proof::Wrong => {
            let refused =
                Refused { claimed_user_key: claimed.as_deref(), address: origin.as_str() };
            let now = api.clock.now();
            let work = async |tx: &mut _| refuse_certification(tx, &asked, &refused, now).await;
            api.db.in_tx("refuse_certification", work).await?
        }
        Proof::Throttled { retry_after } => {
            let retry_after_seconds = retry_after.as_secs().max(1);
            return Ok(Json(Outcome::Throttled { retry_after_seconds }.counted("certify")));
        }
    };
    let outcome = Outcome::from(answer);
    tracing::debug!(%loan_request_id, ?outcome, "decided");
    Ok(Json(outcome.counted("certify")))
}

/// A random time between the delay's bounds; the lower one if there is no
/// randomness, which is no reason to fail.
fn some_time(delay: Delay) -> Duration {
    let mut random = [0_u8; 8];
    let drawn = aws_lc_rs::rand::fill(&mut random).map_or(0, |()| u64::from_ne_bytes(random));
    Duration::from_millis(delay.min_ms + drawn % (delay.max_ms - delay.min_ms + 1))
}

#[cfg(test)]
#[path = "certify_loan_request_tests.rs"]
mod tests;
