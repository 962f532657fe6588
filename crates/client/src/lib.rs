//! A client of the gateway, as a program of a customer or an officer would be:
//! what it sends and what it gets, with nothing hidden.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// The demo customer's login name.
pub const DEMO_USER: &str = "1@sk.com";
/// The demo customer's name.
pub const DEMO_NAME: &str = "유은상";
/// The demo customer's password.
pub const DEMO_PASSWORD: &str = "1234";
/// The demo officer's login name.
pub const OFFICER_USER: &str = "officer@bank.example";
/// The demo officer's password.
pub const OFFICER_PASSWORD: &str = "officer-1234";

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body as text.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header's text; empty without it.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails, with the whole answer, on another status.
    ///
    /// # Errors
    /// If the status is another.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status != status {
            bail!("expected {status}, got {}: {}", self.status, self.text);
        }
        Ok(self)
    }

    /// A field of the body as text.
    ///
    /// # Errors
    /// If there is no such text.
    pub fn text_at(&self, pointer: &str) -> Result<String> {
        self.json()
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .with_context(|| format!("no text at {pointer} in {}", self.text))
    }
}

/// Who applies, with what they know.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The login name.
    pub user_id: String,
    /// The name.
    pub user_name: String,
    /// The password.
    pub password: String,
}

impl Credentials {
    /// The demo customer.
    #[must_use]
    pub fn demo() -> Self {
        Self {
            user_id: DEMO_USER.into(),
            user_name: DEMO_NAME.into(),
            password: DEMO_PASSWORD.into(),
        }
    }

    /// The body of an application for a loan.
    #[must_use]
    pub fn application(&self, amount: i64) -> Value {
        json!({
            "requestId": "01", "requestName": "Deposit", "amountOfMoney": amount,
            "userId": self.user_id, "userName": self.user_name, "userPassword": self.password,
            "userMobile": "010-000-0000", "accountNo": "1111"
        })
    }

    /// The body of a request to repay.
    #[must_use]
    pub fn repayment(&self, loan: Option<&str>, amount: i64) -> Value {
        let mut body = self.application(amount);
        body["requestId"] = json!("02");
        body["requestName"] = json!("Repay");
        if let Some(loan) = loan {
            body["loanId"] = json!(loan);
        }
        body
    }
}

/// A client of one gateway (or of one service).
#[derive(Debug, Clone)]
pub struct Client {
    /// Where it is, without a slash at the end.
    pub base: String,
    /// The connection pool.
    pub http: reqwest::Client,
}

impl Client {
    /// A client of the address.
    ///
    /// # Errors
    /// If no TLS set-up is to be had.
    pub fn try_new(base: impl Into<String>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(40))
            .pool_max_idle_per_host(256)
            // Sooner than the other side, which closes an idle connection after 10 s: else a
            // request may meet the close half way.
            .pool_idle_timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self { base: base.into().trim_end_matches('/').to_owned(), http })
    }

    /// A request to a path; an absolute address is taken as it is.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address =
            if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.http.request(method, address)
    }

    /// Sends and reads all.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let started = Instant::now();
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        Ok(Answer { status, headers, text, took: started.elapsed() })
    }

    /// `GET` with a token (none if empty).
    ///
    /// # Errors
    /// If no answer came.
    pub async fn get(&self, path: &str, token: &str) -> Result<Answer> {
        self.send(bearer(self.request(Method::GET, path), token)).await
    }

    /// `POST` of JSON with a token (none if empty).
    ///
    /// # Errors
    /// If no answer came.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Result<Answer> {
        self.send(bearer(self.request(Method::POST, path), token).json(body)).await
    }

    /// `PATCH` of JSON with a token (none if empty).
    ///
    /// # Errors
    /// If no answer came.
    pub async fn patch(&self, path: &str, token: &str, body: &Value) -> Result<Answer> {
        self.send(bearer(self.request(Method::PATCH, path), token).json(body)).await
    }

    /// `DELETE` with a token (none if empty).
    ///
    /// # Errors
    /// If no answer came.
    pub async fn delete(&self, path: &str, token: &str) -> Result<Answer> {
        self.send(bearer(self.request(Method::DELETE, path), token)).await
    }

    /// Logs in and gives the access token.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn token(&self, user: &str, password: &str) -> Result<String> {
        let body = json!({ "grant_type": "password", "username": user, "password": password });
        self.post("/auth/token", "", &body).await?.expect(200)?.text_at("/access_token")
    }

    /// The officer's access token.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn officer(&self) -> Result<String> {
        self.token(OFFICER_USER, OFFICER_PASSWORD).await
    }

    /// The demo customer's access token.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn demo_customer(&self) -> Result<String> {
        self.token(DEMO_USER, DEMO_PASSWORD).await
    }

    /// Registers a customer and gives their id.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn register(&self, who: &Credentials, language: &str) -> Result<String> {
        let body = json!({
            "userId": who.user_id, "userName": who.user_name, "userPassword": who.password,
            "userMobile": "010-2345-6789", "language": language
        });
        self.post("/customers", "", &body).await?.expect(201)?.text_at("/customerId")
    }

    /// Applies and gives the loan's id.
    ///
    /// # Errors
    /// If it is not accepted.
    pub async fn apply(&self, who: &Credentials, amount: i64) -> Result<String> {
        let answer = self.post("/loanRequests", "", &who.application(amount)).await?.expect(201)?;
        id_of(answer.header("location"))
    }

    /// Takes an officer's step.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn step(&self, officer: &str, id: &str, status: &str) -> Result<Answer> {
        let body = json!({ "loanStatus": status });
        self.patch(&format!("/loanManagers/{id}"), officer, &body).await
    }

    /// Waits until an address answers as wanted.
    ///
    /// # Errors
    /// If it does not within the time.
    pub async fn wait_for(
        &self,
        path: &str,
        token: &str,
        within: Duration,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Result<Answer> {
        let until = Instant::now() + within;
        loop {
            let last = match self.get(path, token).await {
                Ok(answer) if wanted(&answer) => return Ok(answer),
                Ok(answer) => format!("{} {}", answer.status, answer.text),
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() >= until {
                bail!("{path} is not as wanted after {within:?}; last: {last}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn bearer(request: RequestBuilder, token: &str) -> RequestBuilder {
    if token.is_empty() { request } else { request.bearer_auth(token) }
}

/// The last part of an address.
///
/// # Errors
/// If there is none.
pub fn id_of(location: &str) -> Result<String> {
    location
        .rsplit('/')
        .next()
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .with_context(|| format!("no id in {location:?}"))
}
