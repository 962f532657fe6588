//! A desk for the tests of this service: a database, the routes, the
//! subscriptions, a customer and an officer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ::events::codes::{ROLE_CUSTOMER, ROLE_OFFICER};
use ::events::{
    Amount, AuthCertified, Currency, CustomerId, Language, LoanId, LoanRequestId, LoanStatus,
    LoanVersion, RequestKind,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use common::Subscriptions;
use common::clock::Clock;
use common::consumer::Delivered;
use common::db::Db;
use common::event::ReceivedEvent;
use common::http::test_layers;
use common::test_support::TestTokens;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::macros::datetime;
use tower::ServiceExt as _;
use uuid::Uuid;

use super::AppState;
use crate::store::item::{self, Item};

/// What an address answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    /// What `Loan-Version` stands for: the loan, and the first and the last of the
    /// events that were brought about.
    pub(crate) fn version(&self) -> (LoanRequestId, i64, i64) {
        match self.header("loan-version").parse().unwrap() {
            LoanVersion::Loan { loan_id, first, last } => (loan_id.into(), first, last),
            other => panic!("not of a loan: {other:?}"),
        }
    }

    /// The status and the problem's code.
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        (self.status, self.body["code"].as_str().unwrap())
    }

    /// The ids of a page, in its order.
    pub(crate) fn ids(&self) -> Vec<LoanRequestId> {
        let items = self.body["_embedded"]["loanManagers"].as_array().unwrap();
        items.iter().map(|item| item["loanRequestId"].as_str().unwrap().parse().unwrap()).collect()
    }
}

/// An event as it waits in the outbox.
#[derive(Debug, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) event_type: String,
    pub(crate) key: String,
    pub(crate) payload: Value,
}

/// All that a test needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) customer: CustomerId,
    pub(crate) officer_id: Uuid,
    pub(crate) officer: String,
    pub(crate) customer_token: String,
    router: Router,
}

impl Desk {
    pub(crate) fn new(pool: PgPool) -> Self {
        let db = Db::from_pool(pool);
        let clock = Clock::fixed(datetime!(2026-11-21 09:00 UTC));
        let tokens = TestTokens::new();
        let (officer_id, customer) = (clock.new_id(), CustomerId::from(clock.new_id()));
        let (router, _) =
            super::router(AppState { db: db.clone(), clock: clock.clone() }).split_for_parts();
        Self {
            subscriptions: crate::events::subscriptions(&clock),
            officer: tokens.token(
                officer_id,
                &[ROLE_OFFICER],
                Some("김대리"),
                Some("officer@bank.example"),
            ),
            customer_token: tokens.token(
                customer.as_uuid(),
                &[ROLE_CUSTOMER],
                Some("유은상"),
                Some("1@sk.com"),
            ),
            router: test_layers(router, tokens.verifier()),
            db,
            clock,
            customer,
            officer_id,
        }
    }

    /// An application as loan-auth tells of it.
    pub(crate) fn application(&self, amount: i64) -> AuthCertified {
        let loan_request_id = LoanRequestId::from(self.clock.new_id());
        AuthCertified {
            loan_request_id,
            loan_id: Some(loan_request_id.into()),
            request_id: RequestKind::Apply,
            request_name: "Deposit".to_owned(),
            customer_id: self.customer,
            user_id: "1@sk.com".to_owned(),
            user_name: "유은상".to_owned(),
            user_mobile: Some("010-000-0000".to_owned()),
            account_no: Some("1111".to_owned()),
            amount_of_money: Amount::try_new(amount).unwrap(),
            currency: Currency::KRW,
            language: Language::Ko,
            certified_at: self.clock.now(),
        }
    }

    /// A repayment request as loan-auth tells of it.
    pub(crate) fn repayment(&self, loan_id: Option<LoanId>, amount: i64) -> AuthCertified {
        AuthCertified {
            loan_id,
            request_id: RequestKind::Repay,
            request_name: "Part".to_owned(),
            ..self.application(amount)
        }
    }

    pub(crate) async fn deliver(&self, certified: &AuthCertified) -> LoanRequestId {
        let event = ReceivedEvent::for_test(certified);
        let delivered = self.subscriptions.deliver(&self.db, &event).await.unwrap();
        assert_eq!(delivered, Delivered::Applied);
        certified.loan_request_id
    }

    pub(crate) async fn apply(&self, amount: i64) -> LoanRequestId {
        self.deliver(&self.application(amount)).await
    }

    /// A loan in a state, by an officer's steps.
    pub(crate) async fn loan(&self, amount: i64, status: LoanStatus) -> LoanId {
        use LoanStatus::{Approved, Executed, Refused, Repaid, UnderReview, Waiting};
        let steps: &[LoanStatus] = match status {
            Waiting => &[],
            UnderReview => &[UnderReview],
            Approved => &[UnderReview, Approved],
            Refused => &[UnderReview, Refused],
            Executed => &[UnderReview, Approved, Executed],
            Repaid => &[UnderReview, Approved, Executed, Repaid],
        };
        let id = self.apply(amount).await;
        for step in steps {
            assert_eq!(self.set(id, step.code()).await.status, 200, "{step}");
        }
        id.into()
    }

    pub(crate) async fn repay(&self, loan_id: LoanId, amount: i64) -> LoanRequestId {
        self.deliver(&self.repayment(Some(loan_id), amount)).await
    }

    /// An officer's step.
    pub(crate) async fn set(&self, id: impl Into<LoanRequestId>, to: &str) -> Answer {
        self.patch(id, json!({"loanStatus": to}), &[]).await
    }

    pub(crate) async fn patch(
        &self,
        id: impl Into<LoanRequestId>,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = format!("/loanManagers/{}", id.into());
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(Method::PATCH, &path, Some(&self.officer), &all, body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Some(&self.officer), &[], String::new()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap(),
        }
    }

    pub(crate) async fn item(&self, id: impl Into<LoanRequestId>) -> Item {
        item::find(self.db.pool(), id.into()).await.unwrap().unwrap()
    }

    /// What waits to be published, in its order.
    pub(crate) async fn outbox(&self) -> Vec<Waiting> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT event_type, key, payload FROM outbox ORDER BY id")
                .fetch_all(self.db.pool())
                .await
                .unwrap();
        rows.into_iter()
            .map(|(event_type, key, payload)| Waiting {
                event_type,
                key,
                payload: serde_json::from_str(&payload).unwrap(),
            })
            .collect()
    }

    /// The types of what waits to be published, from the `skipped`th on.
    pub(crate) async fn published(&self, skipped: usize) -> Vec<String> {
        self.outbox().await.into_iter().skip(skipped).map(|event| event.event_type).collect()
    }

    /// What was booked on a loan: under which id, and how much.
    pub(crate) async fn bookings(&self, loan_id: LoanId) -> Vec<(LoanRequestId, i64)> {
        sqlx::query_as(
            "SELECT loan_request_id, amount FROM booking WHERE loan_id = $1 ORDER BY loan_request_id",
        )
        .bind(loan_id)
        .fetch_all(self.db.pool())
        .await
        .unwrap()
    }
}
