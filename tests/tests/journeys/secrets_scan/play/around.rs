//! Everything that is there is read once, and loan-auth goes away and comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journeys::client::Answer;
use journeys::harness::{Journey, SEEN_WITHIN};
use reqwest::Method;
use standalone::Service;

use super::{Kept, Play, SECOND};

impl Play {
    pub(super) async fn looks_around(
        &mut self,
        journey: &Journey,
        token: &str,
        officer: &str,
        loan: &str,
    ) -> Result<()> {
        let seen = |answer: &Answer| answer.json()["outstanding"] == 0;
        let path = format!("/loanStatus/loans/{loan}");
        journey.client.wait_for(&path, token, SEEN_WITHIN, seen).await?;
        let paths = [
            "/customers/me",
            "/loanRequests",
            "/loanAuths",
            "/loanMessengers?size=200",
            "/loanStatus?size=200",
            "/loanManagers?loanStatus=all&size=200",
            "/.well-known/jwks.json",
            "/actuator/health",
        ];
        for token in [token, officer, ""] {
            for path in paths {
                self.get(path, token).await?;
            }
            for path in ["/loanRequests", "/loanAuths", "/loanManagers", "/loanStatus/loans"] {
                self.get(&format!("{path}/{loan}"), token).await?;
            }
        }
        let request = self.client.request(Method::GET, "/loanStatus/stream").bearer_auth(token);
        let mut stream = request.send().await?;
        let (mut text, until) = (String::new(), Instant::now() + Duration::from_secs(1));
        while Instant::now() < until && !text.contains("LoanRepaid") {
            let chunk = tokio::time::timeout(Duration::from_secs(1), stream.chunk()).await;
            text.push_str(&String::from_utf8_lossy(
                &chunk.ok().transpose()?.flatten().unwrap_or_default(),
            ));
        }
        ensure!(text.contains("LoanRepaid"), "the stream: {text}");
        self.answers.push(Kept {
            status: 200,
            method: "GET".into(),
            path: "/loanStatus/stream".into(),
            text,
        });
        Ok(())
    }

    pub(super) async fn applies_while_loan_auth_is_away(
        &mut self,
        journey: &mut Journey,
    ) -> Result<()> {
        journey.stack.service_mut(Service::LoanAuth).pause()?;
        self.post("/loanRequests", "", &self.application(SECOND)).await?;
        journey.stack.service_mut(Service::LoanAuth).resume()?;
        journey.stack.service_mut(Service::LoanAuth).kill()?;
        self.post("/loanRequests", "", &self.application(SECOND)).await?.expect(503)?;
        journey.stack.service_mut(Service::LoanAuth).start_again().await?;
        let until = Instant::now() + SEEN_WITHIN;
        while self.post("/loanRequests", "", &self.application(SECOND)).await?.status != 201 {
            ensure!(Instant::now() < until, "it does not heal by itself");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
