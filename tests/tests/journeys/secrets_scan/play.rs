//! A journey in which everything secret and personal is used, rightly and
//! wrongly, and every answer is kept.

mod around;

use anyhow::{Result, ensure};
use journeys::client::{
    Answer, Client, Credentials, DEMO_PASSWORD, DEMO_USER, OFFICER_PASSWORD, OFFICER_USER, id_of,
};
use journeys::harness::{Journey, SEEN_WITHIN};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use standalone::Service;

use crate::scene::never_was;

pub(super) const NAME: &str = "Xanthippe Quokka";
pub(super) const EMAIL: &str = "xanthippe.quokka@mail.example";
pub(super) const MOBILE: &str = "010-7391-8264";
pub(super) const OTHER_MOBILE: &str = "010-5517-3920";

const FIRST: &str = "first-Pangolin-48!";
const SECOND: &str = "second-Pangolin-59!";
const WRONG: &str = "wrong-Pangolin-60!";
const MISPLACED: &str = "misplaced-Pangolin-71!";
const SHORT: &str = "Pa$g0l7";
const COMMON: &str = "password1234";
/// As a number, where a text is asked for.
const NUMBER: &str = "739182640517";

/// Every password that is sent by anybody, right, wrong or misplaced.
pub(super) const PASSWORDS: [&str; 7] = [FIRST, SECOND, WRONG, MISPLACED, SHORT, COMMON, NUMBER];

/// An answer with what it answers.
pub(super) struct Kept {
    pub(super) status: u16,
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// Headers and body.
    pub(super) text: String,
}

pub(super) struct Play {
    client: Client,
    auth: Client,
    requests: Client,
    who: Credentials,
    pub(super) answers: Vec<Kept>,
}

impl Play {
    /// From the registration to the last repayment, and all that can go wrong.
    pub(super) async fn whole(journey: &mut Journey) -> Result<Self> {
        let mut play = Self {
            client: journey.client.clone(),
            auth: journey.direct(Service::LoanAuth)?,
            requests: journey.direct(Service::LoanRequest)?,
            who: Credentials {
                user_id: "xq.pangolin@login.example".into(),
                user_name: NAME.into(),
                password: FIRST.into(),
            },
            answers: Vec::new(),
        };
        play.registers().await?;
        let token = play.logs_in().await?;
        let token = play.changes_the_password(token).await?;
        let officer = play.officer().await?;
        play.applies_wrongly(&token).await?;
        let loan = play.applies(journey, &token, &officer).await?;
        play.repays(journey, &token, &officer, &loan).await?;
        play.demo_customer().await?;
        play.misplaces(&token, &loan).await?;
        play.calls_the_inner_api(journey.stack.service_credential()).await?;
        play.looks_around(journey, &token, &officer, &loan).await?;
        play.applies_while_loan_auth_is_away(journey).await?;
        Ok(play)
    }

    pub(super) fn user_id(&self) -> String {
        self.who.user_id.clone()
    }

    /// Every token that was given.
    pub(super) fn tokens(&self) -> Vec<String> {
        let given = self.answers.iter().filter(|answer| answer.path == "/auth/token");
        let bodies = given.filter_map(|answer| answer.text.rsplit_once("\n\n"));
        let bodies = bodies.filter_map(|(_, body)| serde_json::from_str::<Value>(body).ok());
        let tokens = bodies.flat_map(|body| {
            ["access_token", "refresh_token"].map(|name| body[name].as_str().map(str::to_owned))
        });
        tokens.flatten().collect()
    }

    async fn keep(&mut self, request: RequestBuilder) -> Result<Answer> {
        let built = request.try_clone().and_then(|request| request.build().ok());
        let answer = self.client.send(request).await?;
        let (method, path) = built.map_or_else(Default::default, |request| {
            (request.method().to_string(), request.url().path().to_owned())
        });
        let text = format!("{:?}\n\n{}", answer.headers, answer.text);
        self.answers.push(Kept { status: answer.status, method, path, text });
        Ok(answer)
    }

    async fn post(&mut self, path: &str, token: &str, body: &Value) -> Result<Answer> {
        let request = self.client.request(Method::POST, path).json(body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        self.keep(request).await
    }

    async fn patch(&mut self, path: &str, token: &str, body: &Value) -> Result<Answer> {
        let request = self.client.request(Method::PATCH, path).bearer_auth(token);
        self.keep(request.json(body)).await
    }

    async fn get(&mut self, path: &str, token: &str) -> Result<Answer> {
        let request = self.client.request(Method::GET, path).bearer_auth(token);
        self.keep(request).await
    }

    async fn registers(&mut self) -> Result<()> {
        let body = json!({
            "userId": self.who.user_id, "userName": NAME, "userPassword": FIRST,
            "userMobile": MOBILE, "userEmail": EMAIL, "language": "en"
        });
        let wrong = [
            ("userPassword", json!(SHORT)),
            ("userPassword", json!(COMMON)),
            ("userPassword", json!(NUMBER.parse::<i64>()?)),
            ("userPassword", json!([FIRST])),
            ("userMobile", json!("call me")),
            ("userEmail", json!(7)),
        ];
        for (field, value) in wrong {
            let mut wrong = body.clone();
            wrong[field] = value;
            self.post("/customers", "", &wrong).await?.expect(422)?;
        }
        let key = never_was();
        for (password, wanted) in [(FIRST, 201), (FIRST, 201), (WRONG, 403)] {
            let mut body = body.clone();
            body["userPassword"] = json!(password);
            let request = self.client.request(Method::POST, "/customers");
            let request = request.header("Idempotency-Key", &key).json(&body);
            self.keep(request).await?.expect(wanted)?;
        }
        self.post("/customers", "", &body).await?.expect(409)?;
        Ok(())
    }

    async fn logs_in(&mut self) -> Result<String> {
        let user = self.who.user_id.clone();
        let form = |password: &str| {
            [
                ("grant_type", "password".to_owned()),
                ("username", user.clone()),
                ("password", password.to_owned()),
            ]
        };
        for (password, wanted) in [(WRONG, 400), (FIRST, 200)] {
            let request = self.client.request(Method::POST, "/auth/token");
            self.keep(request.form(&form(password))).await?.expect(wanted)?;
            let request = self.auth.request(Method::POST, "/auth/token");
            self.keep(request.form(&form(password))).await?.expect(wanted)?;
        }
        let body = json!({ "grant_type": "password", "username": user, "password": FIRST });
        let answer = self.post("/auth/token", "", &body).await?.expect(200)?;
        let refresh = json!({ "grant_type": "refresh_token", "refresh_token": answer.text_at("/refresh_token")? });
        let next = self.post("/auth/token", "", &refresh).await?.expect(200)?;
        // Used twice: its login ends, which is worth a line in the log.
        self.post("/auth/token", "", &refresh).await?.expect(400)?;
        let refresh = json!({ "grant_type": "refresh_token", "refresh_token": next.text_at("/refresh_token")? });
        self.post("/auth/token", "", &refresh).await?.expect(400)?;
        for body in [
            json!({ "grant_type": "password", "username": user, "password": NUMBER.parse::<i64>()? }),
            json!({ "grant_type": WRONG, "username": user, "password": WRONG }),
            json!({ "grant_type": "password", "username": NUMBER.parse::<i64>()?, "password": WRONG }),
        ] {
            self.post("/auth/token", "", &body).await?.expect(400)?;
        }
        for text in
            [format!("grant_type=password&password={WRONG}&password={WRONG}"), format!("%{WRONG}")]
        {
            let request = self.client.request(Method::POST, "/auth/token").body(text);
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            self.keep(request).await?.expect(400)?;
        }
        self.post("/auth/token", "", &body).await?.expect(200)?.text_at("/access_token")
    }

    async fn changes_the_password(&mut self, token: String) -> Result<String> {
        for (old, new, wanted) in
            [(WRONG, SECOND, 403), (FIRST, SHORT, 422), (FIRST, COMMON, 422), (FIRST, SECOND, 200)]
        {
            let body = json!({ "oldPassword": old, "userPassword": new });
            self.patch("/customers/me", &token, &body).await?.expect(wanted)?;
        }
        self.post(
            "/loanRequests",
            &token,
            &json!({ "requestId": "01", "requestName": "Old", "amountOfMoney": 1 }),
        )
        .await?
        .expect(403)?;
        self.who.password = SECOND.into();
        let body =
            json!({ "grant_type": "password", "username": self.who.user_id, "password": SECOND });
        self.post("/auth/token", "", &body).await?.expect(200)?.text_at("/access_token")
    }

    async fn officer(&mut self) -> Result<String> {
        let body = json!({ "grant_type": "password", "username": OFFICER_USER, "password": OFFICER_PASSWORD });
        self.post("/auth/token", "", &body).await?.expect(200)?.text_at("/access_token")
    }

    fn application(&self, password: &str) -> Value {
        let mut body = self.who.application(30_000);
        body["userPassword"] = json!(password);
        body["userMobile"] = json!(OTHER_MOBILE);
        body
    }

    async fn applies_wrongly(&mut self, token: &str) -> Result<()> {
        let right = self.application(SECOND);
        self.post("/loanRequests", "", &self.application(WRONG)).await?.expect(403)?;
        self.post("/loanRequests", token, &self.application(WRONG)).await?.expect(403)?;
        let wrong = [
            ("userPassword", json!(NUMBER.parse::<i64>()?), 422),
            ("userPassword", json!({ "is": SECOND }), 422),
            ("userPassword", json!(SECOND.repeat(20)), 422),
            ("userName", json!(7), 422),
            ("amountOfMoney", json!(SECOND), 422),
            ("requestId", json!(SECOND), 422),
            ("loanId", json!(SECOND), 201),
        ];
        for (field, value, wanted) in wrong {
            let mut body = right.clone();
            body[field] = value;
            self.post("/loanRequests", "", &body).await?.expect(wanted)?;
        }
        let text = right.to_string();
        let deep = format!("{}{text}{}", "[".repeat(40), "]".repeat(40));
        let long = format!("{text}{}", " ".repeat(70_000));
        for (text, kind, wanted) in [
            (text[..text.len() - 1].to_owned(), "application/json", 400),
            (format!("{text}{SECOND}"), "application/json", 400),
            (deep, "application/json", 400),
            (long, "application/json", 413),
            (text.clone(), "text/plain", 415),
            (format!("userPassword={SECOND}"), "application/x-www-form-urlencoded", 415),
        ] {
            for base in [self.client.clone(), self.requests.clone()] {
                let request =
                    base.request(Method::POST, "/loanRequests").header("Content-Type", kind);
                self.keep(request.body(text.clone())).await?.expect(wanted)?;
            }
        }
        Ok(())
    }

    async fn applies(&mut self, journey: &Journey, token: &str, officer: &str) -> Result<String> {
        let key = never_was();
        let mut loans = Vec::new();
        for (password, wanted) in [(SECOND, 201), (SECOND, 201), (WRONG, 403)] {
            let request = self.client.request(Method::POST, "/loanRequests");
            let request = request.header("Idempotency-Key", &key).json(&self.application(password));
            let answer = self.keep(request).await?.expect(wanted)?;
            loans.extend(id_of(answer.header("location")));
        }
        let mut other = self.application(SECOND);
        other["amountOfMoney"] = json!(30_001);
        let request = self.client.request(Method::POST, "/loanRequests");
        self.keep(request.header("Idempotency-Key", &key).json(&other)).await?.expect(422)?;
        // By token, and by both; the registered number goes with these.
        let bearers =
            json!({ "requestId": "01", "requestName": "Deposit", "amountOfMoney": 2_000 });
        self.post("/loanRequests", token, &bearers).await?.expect(201)?;
        self.post("/loanRequests", token, &self.application(SECOND)).await?.expect(201)?;
        let loan = loans.swap_remove(0);
        journey.waits(officer, &loan).await?;
        for step in ["01", "02", "04"] {
            let body = json!({ "loanStatus": step, "admComment": "소득을 확인했습니다" });
            self.patch(&format!("/loanManagers/{loan}"), officer, &body).await?.expect(200)?;
        }
        self.patch(&format!("/loanManagers/{loan}"), officer, &json!({ "loanStatus": "01" }))
            .await?
            .expect(409)?;
        self.get("/loanManagers?loanStatus=all", officer).await?.expect(200)?;
        Ok(loan)
    }

    async fn repays(
        &mut self,
        journey: &Journey,
        token: &str,
        officer: &str,
        loan: &str,
    ) -> Result<()> {
        let mut body = self.application(SECOND);
        body["requestId"] = json!("02");
        body["loanId"] = json!(loan);
        let answer = self.post("/loanRequests", "", &body).await?.expect(201)?;
        let item = id_of(answer.header("location"))?;
        journey.waits(officer, &item).await?;
        self.patch(&format!("/loanManagers/{item}"), officer, &json!({ "loanStatus": "05" }))
            .await?
            .expect(200)?;
        // One that cannot be: compensated, and the customer told why.
        body["loanId"] = json!(never_was());
        let answer = self.post("/loanRequests", "", &body).await?.expect(201)?;
        let path = format!("/loanRequests/{}", id_of(answer.header("location"))?);
        self.client.wait_for(&path, token, SEEN_WITHIN, |answer| answer.status == 404).await?;
        self.get(&path, token).await?.expect(404)?;
        Ok(())
    }

    async fn demo_customer(&mut self) -> Result<()> {
        let demo = Credentials::demo();
        for (user_id, password, wanted) in
            [(DEMO_USER, DEMO_PASSWORD, 201), (DEMO_USER, WRONG, 403), (NAME, DEMO_PASSWORD, 403)]
        {
            let mut body = demo.application(5_000);
            body["userId"] = json!(user_id);
            body["userPassword"] = json!(password);
            self.post("/loanRequests", "", &body).await?.expect(wanted)?;
        }
        let body =
            json!({ "grant_type": "password", "username": DEMO_USER, "password": DEMO_PASSWORD });
        self.post("/auth/token", "", &body).await?.expect(200)?;
        let form =
            [("grant_type", "password"), ("username", DEMO_USER), ("password", DEMO_PASSWORD)];
        let request = self.client.request(Method::POST, "/auth/token").form(&form);
        self.keep(request).await?.expect(200)?;
        Ok(())
    }

    /// What belongs into a body or a header, elsewhere.
    async fn misplaces(&mut self, token: &str, loan: &str) -> Result<()> {
        let user = self.who.user_id.clone();
        let bases = [self.client.clone(), self.requests.clone(), self.auth.clone()];
        for base in bases {
            let get = |path: String| base.request(Method::GET, &path);
            for path in [
                format!("/loanRequests?userPassword={MISPLACED}&userId={user}"),
                format!("/loanRequests?size={MISPLACED}"),
                format!("/loanRequests?cursor={MISPLACED}"),
                format!("/loanRequests/{MISPLACED}"),
                format!("/loanRequests/{user}"),
                format!("/customers/{user}"),
                format!("/customers/{MOBILE}"),
                format!("/loanAuths/{}", NAME.replace(' ', "%20")),
                format!("/{MISPLACED}/{user}"),
                format!("/loanRequests/{loan}?access_token={token}"),
            ] {
                self.keep(get(path.clone())).await?;
                self.keep(get(path).bearer_auth(token)).await?;
            }
            self.keep(get("/loanRequests".into()).basic_auth(&user, Some(MISPLACED))).await?;
            self.keep(get("/loanRequests".into()).bearer_auth(MISPLACED)).await?;
            self.keep(get("/loanRequests".into()).header("Cookie", format!("token={token}")))
                .await?;
            let odd =
                get("/loanRequests".into()).bearer_auth(token).header("Idempotency-Key", MISPLACED);
            self.keep(odd.header("If-Match", MISPLACED).header("User-Agent", &user)).await?;
        }
        Ok(())
    }

    async fn calls_the_inner_api(&mut self, credential: &str) -> Result<()> {
        for (field, value) in [
            ("userPassword", json!(NUMBER.parse::<i64>()?)),
            ("token", json!(7)),
            ("requestId", json!(WRONG)),
        ] {
            let mut body = self.application(SECOND);
            body["loanRequestId"] = json!(never_was());
            body["clientAddress"] = json!("192.0.2.1");
            body[field] = value;
            let request = self.auth.request(Method::POST, "/loanAuths").json(&body);
            let request = request.bearer_auth(credential);
            // This one is kept under a name of its own: it is no answer of a customer's.
            let answer = self.keep(request).await?;
            ensure!(answer.status == 422, "{field}: {}", answer.text);
        }
        Ok(())
    }
}
