//! Mail by lines that are guarded, to servers that want a login.

use anyhow::Result;
use journeys::client::Answer;
use journeys::harness::Journey;
use journeys::mail_server::{Identity, Line, MailServer};
use standalone::Service;
use tempfile::TempDir;

use super::{ARRIVES_WITHIN, codes, confirm, impatient, messages, register, until};

/// What nobody may overhear.
const PASSWORD: &str = "p:w/d @1";

/// A journey whose mail goes to this server: `url` with its port, and only this identity is
/// trusted.
async fn journey(
    server: &MailServer,
    url: &str,
    identity: &Identity,
) -> Result<(Journey, TempDir)> {
    let folder = tempfile::tempdir()?;
    let trusted = folder.path().join("trusted.pem");
    identity.write_certificate(&trusted)?;
    let (url, trusted) =
        (url.replace("PORT", &server.port().to_string()), trusted.display().to_string());
    let journey = Journey::start_with(|stack| {
        impatient(stack).env(Service::LoanMessenger, "MAIL_URL", &url).env(
            Service::LoanMessenger,
            "SSL_CERT_FILE",
            &trusted,
        )
    });
    Ok((journey.await?, folder))
}

/// The state of the code of somebody's mail address.
async fn code_state(journey: &Journey, token: &str) -> Result<String> {
    let settings = journey.client.get("/loanMessengers/delivery", token).await?.expect(200)?.json();
    Ok(settings["mail"]["code"]["state"].as_str().unwrap_or("none").to_owned())
}

/// Waits until the first message that waits was tried, and did not go for this reason.
async fn waits_for(journey: &Journey, token: &str, reason: &str) -> Result<()> {
    let is_so = |answer: &Answer| answer.json()["waiting"]["reason"] == *reason;
    let path = "/loanMessengers/delivery";
    journey.client.wait_for(path, token, ARRIVES_WITHIN, is_so).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_by_tls_with_a_login() -> Result<()> {
    let server = MailServer::start().await?;
    let identity = Identity::try_new("localhost")?;
    server.set_line(Line::Tls(identity.clone()));
    server.set_login("bank@mail.example", "another");
    let url = "smtps://bank%40mail.example:p%3Aw%2Fd%20%401@localhost:PORT";
    let (journey, _folder) = journey(&server, url, &identity).await?;

    // A login that is refused says nothing of the code: it waits, and is seen to wait.
    let reader = register(&journey, "tls", "en").await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(codes(&server, &reader.address).is_empty());
    assert_eq!(code_state(&journey, &reader.token).await?, "sending");

    server.set_login("bank@mail.example", PASSWORD);
    until("a code", || !codes(&server, &reader.address).is_empty()).await?;
    confirm(&journey, &server, &reader, &reader.address).await?;
    assert_eq!(code_state(&journey, &reader.token).await?, "none");
    journey.client.apply(&reader.who, 1_000).await?;
    until("a message", || !messages(&server, &reader.address).is_empty()).await?;
    assert!(server.mails().iter().all(|mail| mail.is_guarded));
    assert!(server.overheard().is_empty(), "{:?}", server.overheard());
    journey.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tls_is_required_nothing_is_said_without_it() -> Result<()> {
    let mut server = MailServer::start().await?;
    let identity = Identity::try_new("localhost")?;
    server.set_line(Line::StartTls(identity.clone()));
    server.set_login("bank", PASSWORD);
    let url = "smtp://bank:p%3Aw%2Fd%20%401@localhost:PORT?tls=required";
    let (journey, _folder) = journey(&server, url, &identity).await?;
    let reader = register(&journey, "starttls", "en").await?;
    confirm(&journey, &server, &reader, &reader.address).await?;

    // Somebody between takes the offer of TLS away; shows a certificate that nobody trusts;
    // shows one of another host.
    let before = server.mails().len();
    for (line, reason) in [
        (Line::Open, "not-offered"),
        (Line::StartTls(Identity::try_new("localhost")?), "connection"),
        (Line::StartTls(Identity::try_new("elsewhere.example")?), "connection"),
    ] {
        // What was kept open before goes with it.
        server.stop().await;
        server.set_line(line);
        server.go_on().await?;
        journey.client.apply(&reader.who, 1_000).await?;
        waits_for(&journey, &reader.token, reason).await?;
        assert_eq!(server.mails().len(), before, "{reason}");
    }
    server.stop().await;
    server.set_line(Line::StartTls(identity));
    server.go_on().await?;
    until("all three", || messages(&server, &reader.address).len() == 3).await?;
    assert!(server.mails().iter().all(|mail| mail.is_guarded));
    let overheard = server.overheard();
    assert!(
        overheard
            .iter()
            .all(|line| line.starts_with("EHLO ") || line == "STARTTLS" || line == "QUIT"),
        "{overheard:?}"
    );
    journey.finish().await
}
