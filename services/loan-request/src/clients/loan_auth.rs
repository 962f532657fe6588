//! Asking loan-auth to certify a request, and to take the question back.
//!
//! loan-auth keeps one row per `loanRequestId` and whoever writes it first,
//! certify or void, has decided. So asking twice is asking once, and after a
//! certify whose answer was lost a void always finds out what became of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::events::codes::RequestKind;
use ::events::{Amount, Currency, CustomerId, LoanId, LoanRequestId};
use axum::http::Method;
use common::config::Secret;
use common::outbound::{Answer, CallError, Outbound, OutboundSettings, Refused, Reserved};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::domain::standing::{Verdict, Withdrawal};
use crate::domain::submission::Submission;

/// loan-auth, as this service speaks to it. Cloning is cheap.
#[derive(Clone)]
pub struct LoanAuth {
    places: Arc<Semaphore>,
    certify: Outbound,
    // Apart from `certify`, so that taking back what was lost in a jam does not
    // have to queue in that jam.
    void: Outbound,
    credential: Secret,
}

/// What proves a caller. It goes to loan-auth and nowhere else.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// The password to the body's `userId` and `userName`.
    pub password: Option<Secret>,
    /// The bearer token.
    pub token: Option<Secret>,
}

/// A question to loan-auth.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Of which request.
    pub id: LoanRequestId,
    /// The loan that it is about, where that is known.
    pub loan_id: Option<LoanId>,
    /// What was submitted.
    pub submission: &'a Submission,
    /// What proves the caller.
    pub proof: &'a Proof,
    /// Where the caller is.
    pub client_address: IpAddr,
}

/// What loan-auth says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certification {
    /// It has decided, for ever.
    Decided(Verdict),
    /// It has not looked at the proof, because too many were wrong before.
    Throttled {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// It has not looked at the proof, because it has too many to look at. That is
    /// an answer, and nothing that the breaker counts: whoever asks too much would
    /// open it for everybody.
    Busy {
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

/// Why nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The question surely had no effect: it reached nobody, or was not read.
    NotTaken,
    /// It may have had its effect.
    Unknown,
}

/// Leave to ask one question.
#[must_use = "an unused permit keeps its place until it is dropped"]
pub struct Permit(Reserved);

/// A place among the requests that are on their way.
#[must_use = "it is given back when it is dropped"]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl LoanAuth {
    /// loan-auth at `base`, with the figures of both calls.
    #[must_use]
    pub fn new(
        base: &Url,
        credential: Secret,
        certify: OutboundSettings,
        void: OutboundSettings,
        client: &reqwest::Client,
    ) -> Self {
        Self {
            places: Arc::new(Semaphore::new(certify.concurrency_max)),
            certify: Outbound::new("loan-auth certify", base.clone(), certify, client.clone()),
            void: Outbound::new("loan-auth void", base.clone(), void, client.clone()),
            credential,
        }
    }

    /// A place for one request, from before its row to its answer: what waits for the database
    /// before and after the question would else be as many as come. Never waits.
    ///
    /// # Errors
    /// [`Refused`] if there is none left.
    pub fn enter(&self) -> Result<Place, Refused> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        permit.map(|permit| Place { _permit: permit }).map_err(|_| self.certify.full())
    }

    /// Leave to ask, before anything is written. Never waits.
    ///
    /// # Errors
    /// [`Refused`] if the breaker is open or the bulkhead full; nothing was sent.
    pub fn reserve(&self) -> Result<Permit, Refused> {
        self.certify.reserve().map(Permit)
    }

    /// Asks for a certification.
    ///
    /// # Errors
    /// [`NoAnswer`], which says whether it may have been given all the same.
    pub async fn certify(
        &self,
        permit: Permit,
        question: Question<'_>,
    ) -> Result<Certification, NoAnswer> {
        let request = self
            .certify
            .request(Method::POST, "/loanAuths")
            .bearer_auth(self.credential.expose_secret())
            .json(&CertifyBody::of(question))
            .build()
            .map_err(|_| NoAnswer::NotTaken)?;
        let answer = permit.0.idempotent().send(request).await.map_err(no_answer)?;
        let said = read(question.id, &answer)?;
        // An earlier attempt of the same call may have been heard, and then it
        // is that one which has decided; only loan-auth's row can tell.
        if answer.may_have_arrived_before
            && !matches!(said, Certification::Decided(Verdict::Certified(_)))
        {
            return Err(NoAnswer::Unknown);
        }
        Ok(said)
    }

    /// Takes the question back; what comes back is what is decided now.
    ///
    /// # Errors
    /// [`NoAnswer`]: it is not known what is decided.
    pub async fn void(&self, id: LoanRequestId) -> Result<Verdict, NoAnswer> {
        let permit = self.void.reserve().map_err(|_| NoAnswer::NotTaken)?;
        let request = self
            .void
            .request(Method::POST, &format!("/loanAuths/{id}/void"))
            .bearer_auth(self.credential.expose_secret())
            .json(&serde_json::json!({}))
            .build()
            .map_err(|_| NoAnswer::NotTaken)?;
        let answer = permit.idempotent().send(request).await.map_err(no_answer)?;
        match read(id, &answer)? {
            Certification::Decided(verdict) => Ok(verdict),
            Certification::Throttled { .. } | Certification::Busy { .. } => {
                tracing::error!(loan_request_id = %id, "loan-auth turns a void away, which it never should");
                Err(NoAnswer::Unknown)
            }
        }
    }
}

fn no_answer(error: CallError) -> NoAnswer {
    match error {
        CallError::NotSent | CallError::Refused(_) => NoAnswer::NotTaken,
        CallError::Unknown | CallError::Status(_) => NoAnswer::Unknown,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertifyBody<'a> {
    loan_request_id: LoanRequestId,
    request_id: RequestKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    loan_id: Option<LoanId>,
    request_name: &'a str,
    amount_of_money: Amount,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_mobile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    client_address: IpAddr,
}

impl<'a> CertifyBody<'a> {
    fn of(question: Question<'a>) -> Self {
        let Question { id, loan_id, submission, proof, client_address } = question;
        Self {
            loan_request_id: id,
            request_id: submission.kind,
            loan_id,
            request_name: &submission.name,
            amount_of_money: submission.amount,
            currency: Currency::KRW,
            account_no: submission.account_no.as_deref(),
            user_mobile: submission.user_mobile.as_deref(),
            user_id: submission.user_id.as_deref(),
            user_name: submission.user_name.as_deref(),
            user_password: proof.password.as_ref().map(|password| password.expose_secret()),
            token: proof.token.as_ref().map(|token| token.expose_secret()),
            client_address,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Outcome {
    Certified { customer_id: CustomerId },
    Refused,
    Voided,
    Throttled { retry_after_seconds: u32 },
    Busy { retry_after_seconds: u32 },
}

/// Reads an answer below 500. What is not understood may mean anything.
fn read(id: LoanRequestId, answer: &Answer) -> Result<Certification, NoAnswer> {
    if answer.status.is_client_error() {
        // Whoever says so has not come to the certification itself.
        let status = answer.status.as_u16();
        tracing::error!(loan_request_id = %id, status, "loan-auth does not accept our call");
        return Err(if answer.may_have_arrived_before {
            NoAnswer::Unknown
        } else {
            NoAnswer::NotTaken
        });
    }
    if !answer.status.is_success() {
        let status = answer.status.as_u16();
        tracing::error!(loan_request_id = %id, status, "loan-auth answers what it never should");
        return Err(NoAnswer::Unknown);
    }
    let outcome: Outcome = answer.json().map_err(|error| {
        // The place only: the text may quote what it stumbled over.
        let (line, column) = (error.line(), error.column());
        tracing::error!(loan_request_id = %id, line, column, "an answer of loan-auth is unreadable");
        NoAnswer::Unknown
    })?;
    Ok(match outcome {
        Outcome::Certified { customer_id } => {
            Certification::Decided(Verdict::Certified(customer_id))
        }
        Outcome::Refused => Certification::Decided(Verdict::Refused),
        Outcome::Voided => Certification::Decided(Verdict::Withdrawn(Withdrawal::Voided)),
        Outcome::Throttled { retry_after_seconds } => Certification::Throttled {
            retry_after: Duration::from_secs(retry_after_seconds.into()),
        },
        Outcome::Busy { retry_after_seconds } => {
            Certification::Busy { retry_after: Duration::from_secs(retry_after_seconds.into()) }
        }
    })
}

#[cfg(test)]
pub(crate) mod testing;
