//! loan-request: requests for new loans (`01`) and repayments (`02`).
//!
//! A request is written down, certified synchronously by loan-auth, and answered;
//! from there all is events. See the README for routes, events and tables.
//!
//! * `http`: `/loanRequests`.
//! * `admin`: what operators look at and mend.
//! * `events`: what loan-auth and loan-manager tell of our requests.
//! * `tasks`: asking on for what is undecided; purging what was refused.
//! * `usecases`: the steps that commit together, and the order of those that cannot.
//! * `domain`: where a request stands and what may follow; what it may hold; who sees it.
//! * `store`: the table `loan_request`.
//! * `clients`: the call to loan-auth.
//! * `publish`: `LoanRequestCancelled`.

pub mod admin;
pub mod app;
pub mod clients;
pub mod config;
pub mod domain;
pub mod error;
pub mod events;
pub mod http;
pub mod publish;
pub mod store;
pub mod tasks;
pub mod usecases;

pub use app::App;

/// The description of the API.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

    let mut api = http::routes().into_openapi();
    api.info.title = "loan-request".to_owned();
    api.info.description = Some("Requests for new loans and repayments.".to_owned());
    api.info.version = env!("CARGO_PKG_VERSION").to_owned();
    api.components.get_or_insert_default().add_security_scheme(
        "bearer",
        SecurityScheme::Http(
            Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build(),
        ),
    );
    api
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    #[test]
    fn every_route_is_described_with_every_answer() {
        let api = serde_json::to_value(super::openapi()).expect("it has a JSON form");
        let mut answers = BTreeMap::new();
        for path in api["paths"].as_object().expect("paths").values() {
            for operation in path.as_object().expect("operations").values() {
                let id = operation["operationId"].as_str().expect("an id").to_owned();
                let responses = operation["responses"].as_object().expect("responses");
                for (status, response) in responses {
                    let content = &response["content"];
                    let media = if status.as_str() < "300" {
                        "application/json"
                    } else {
                        "application/problem+json"
                    };
                    assert!(content[media]["schema"].is_object(), "{id} {status}");
                    let is_pending = status == "202";
                    assert!(is_pending || content[media]["example"].is_object(), "{id} {status}");
                }
                answers.insert(id, responses.keys().cloned().collect::<Vec<_>>().join(" "));
            }
        }
        let read = "200 401 403 404 421 500 503".to_owned();
        assert_eq!(
            answers,
            BTreeMap::from([
                ("get_loan_request".to_owned(), read),
                ("list_loan_requests".to_owned(), "200 400 401 403 421 500 503".to_owned()),
                (
                    "submit_loan_request".to_owned(),
                    "201 202 400 401 403 404 409 413 415 421 422 429 500 503 504".to_owned()
                ),
            ])
        );
    }
}
