//! What operators see of messages, and mend.

use anyhow::{Context as _, Result};
use journeys::mail_server::{MailServer, Manner};
use serde_json::json;

use super::{apply, messages, reader, until, with_mail, written};
use crate::operator::{figure, loanctl};

// what was refused for good is found, tried again under its id, and sent once more
// under another.
#[tokio::test]
async fn messages_are_listed_shown_recovered_and_sent_again() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = reader(&journey, &server, "kim").await?;
    server.set(Manner::Recipient("550 5.1.1 <kim@mail.example> no such mailbox"));
    apply(&journey, &kim, 1).await?;
    let failed = "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'failed'";
    journey.wait_count(failed, 1).await?;
    let listed =
        loanctl(&journey, &["messages", "list", "--state", "failed", "--json"]).await?.expect(0)?;
    let listed = listed.json()?.pop().context("nothing is listed")?;
    assert_eq!(listed["reason"], "550 5.1.1");
    let id = listed["messageId"].as_str().context("no id")?.to_owned();
    let shown = loanctl(&journey, &["messages", "show", &id]).await?.expect(0)?.out;
    assert!(shown.contains("refused  550 5.1.1"), "{shown}");
    assert!(!shown.contains("mail.example") && !shown.contains("application"), "{shown}");

    server.set(Manner::Take);
    let since = ["messages", "recover", "--since", "2026-01-01T00:00:00Z"];
    let said = loanctl(&journey, &since).await?.expect(0)?.out;
    assert!(said.contains("1 are tried again"), "{said}");
    until("it arrives", || messages(&server, &kim.address).len() == 1).await?;
    assert_eq!(messages(&server, &kim.address)[0].key(), id);
    journey
        .wait_count("SELECT count(*) FROM loan_messenger.delivery WHERE state = 'sent'", 1)
        .await?;
    loanctl(&journey, &["messages", "resend", &id]).await?.expect(0)?;
    until("it arrives again", || messages(&server, &kim.address).len() == 2).await?;
    assert_eq!(messages(&server, &kim.address)[1].key(), format!("{id}.2"));
    assert_eq!(
        written(&journey, &kim).await?,
        std::slice::from_ref(&id),
        "one message for all that"
    );

    let attempts = figure(&journey, standalone::Service::LoanMessenger, "message_attempts_total");
    assert!(attempts.await? >= 3.0);
    let stranger = "0199f000-0000-7000-8000-0000000000ff";
    let said = loanctl(&journey, &["messages", "resend", stranger]).await?;
    assert!(said.code == 1 && said.out.contains("is not known"), "{said:?}");
    // What waits says for what.
    server.set(Manner::Recipient("450 4.2.2 mailbox full"));
    apply(&journey, &kim, 2).await?;
    let tried = "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'waiting' AND reason LIKE '450%'";
    journey.wait_count(tried, 1).await?;
    let last = written(&journey, &kim).await?.pop().context("none")?;
    let shown = loanctl(&journey, &["messages", "show", &last]).await?.expect(0)?.out;
    assert!(shown.contains("waits behind #2, which is looked at next at"), "{shown}");
    let path = "/loanMessengers/delivery";
    let settings = journey.client.get(path, &kim.token).await?.expect(200)?.json();
    assert_eq!(settings["waiting"], json!({ "count": 2, "reason": "450 4.2.2" }));
    server.set(Manner::Take);
    journey
        .wait_count("SELECT count(*) FROM loan_messenger.delivery WHERE state = 'waiting'", 0)
        .await?;
    let none = loanctl(&journey, &["messages", "show", stranger]).await?;
    assert_eq!(none.code, 2, "{none:?}");
    let previewed = ["messages", "preview", "--kind", "refused", "--language", "ko"];
    let previewed = loanctl(&journey, &previewed).await?.expect(0)?.out;
    assert!(
        previewed.contains("승인되지 않았습니다") && previewed.contains("발신 전용"),
        "{previewed}"
    );
    journey.finish().await
}
