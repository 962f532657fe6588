//! By mail: to whom it may go, in order, whatever the server does.

use std::time::{Duration, Instant};

use anyhow::Result;
use journeys::harness::{Journey, SEEN_WITHIN};
use journeys::mail_server::{MailServer, Manner};
use serde_json::json;
use standalone::Service;

use super::{
    apply, arrived_in_order, codes, confirm, messages, reader, register, until, with_mail, written,
};

// nothing goes to an address before it is verified; then all of it does, in order.
#[tokio::test]
async fn a_message_reaches_the_person_it_is_for_and_nobody_else() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = register(&journey, "kim", "en").await?;
    let lee = reader(&journey, &server, "lee").await?;
    apply(&journey, &kim, 2).await?;
    apply(&journey, &lee, 1).await?;
    until("lee's message", || messages(&server, &lee.address).len() == 1).await?;
    assert!(messages(&server, &kim.address).is_empty(), "the address is not verified");
    let path = "/loanMessengers?size=1";
    let held = journey.client.get(path, &kim.token).await?.expect(200)?.json();
    let held = &held["_embedded"]["loanMessengers"][0];
    assert_eq!((held["delivery"].as_str(), held["sentAt"].as_str()), (Some("waiting"), None));

    confirm(&journey, &server, &kim, &kim.address).await?;
    until("kim's messages", || messages(&server, &kim.address).len() == 2).await?;
    arrived_in_order(&messages(&server, &kim.address), &written(&journey, &kim).await?);
    let sent = |answer: &journeys::client::Answer| {
        let message = &answer.json()["_embedded"]["loanMessengers"][0];
        message["delivery"] == "sent"
            && message["channel"] == "mail"
            && message["sentAt"].is_string()
    };
    journey.client.wait_for(path, &kim.token, SEEN_WITHIN, sent).await?;

    let mail = &messages(&server, &kim.address)[0];
    assert_eq!(mail.header("To"), kim.address);
    assert_eq!(mail.header("Subject"), "We have received your loan application");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("Content-Language"), "en");
    assert!(mail.header("Message-ID").ends_with("@loan.example>"), "{}", mail.text);
    assert!(mail.text.contains("text/plain") && mail.text.contains("text/html"), "{}", mail.text);
    for personal in ["010-111", "Reader", lee.address.as_str()] {
        assert!(!mail.text.contains(personal), "{personal}: {}", mail.text);
    }
    journey.finish().await
}

// What comes from outside is text, wherever it stands: no header, no HTML, no template.
#[tokio::test]
async fn no_word_from_outside_becomes_a_header_or_html() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = reader(&journey, &server, "kim").await?;
    for name in
        ["<script>alert(1)</script>", "{amount} {code} {0} %s ${x}", "=?utf-8?q?x?=", ". \u{ac00}"]
    {
        let mut body = kim.who.application(1_000);
        body["requestName"] = json!(name);
        journey.client.post("/loanRequests", "", &body).await?.expect(201)?;
    }
    for name in ["a\r\nBcc: x@mail.example", "a\u{0}b", "a\u{2028}b"] {
        let mut body = kim.who.application(1_000);
        body["requestName"] = json!(name);
        journey.client.post("/loanRequests", "", &body).await?.expect(422)?;
    }
    until("four messages", || messages(&server, &kim.address).len() == 4).await?;
    for mail in messages(&server, &kim.address) {
        let whole = mail.text.replace("=\r\n", "");
        let html = whole.split("text/html").nth(1).unwrap_or_default();
        assert!(!html.is_empty() && !html.contains("<script"), "{whole}");
        assert_eq!(mail.header("Bcc"), "");
        assert_eq!(mail.header("Subject"), "We have received your loan application");
    }
    let odd = |what: &str| {
        messages(&server, &kim.address)
            .iter()
            .any(|mail| mail.text.replace("=\r\n", "").replace("=3D", "=").contains(what))
    };
    assert!(odd("&lt;script&gt;alert(1)&lt;/script&gt;"), "escaped in HTML");
    assert!(odd("{amount} {code} {0} %s ${x}"), "left as it is");
    let bad = json!({ "userEmail": "kim@mail.example\r\nBcc: x@mail.example" });
    journey.client.patch("/customers/me", &kim.token, &bad).await?.expect(422)?;
    journey.finish().await
}

// Whatever the server does, every message arrives, in order, and twice only where
// nobody could know that it had arrived.
#[tokio::test]
async fn a_server_that_misbehaves_loses_nothing_and_doubles_only_what_it_cut_off() -> Result<()> {
    let mut server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = reader(&journey, &server, "kim").await?;
    for manner in [
        Manner::Recipient("451 4.7.1 greylisted"),
        Manner::Recipient("535 5.7.8 log in first"),
        Manner::Data("452 4.3.1 full"),
        Manner::Hang,
        Manner::CutAfterData,
        Manner::Slow(Duration::from_millis(1_500)),
    ] {
        server.set(manner);
        apply(&journey, &kim, 2).await?;
        tokio::time::sleep(Duration::from_millis(800)).await;
        server.set(Manner::Take);
        let wanted = written(&journey, &kim).await?;
        let last = wanted.last().cloned().unwrap_or_default();
        until(&format!("all, after {manner:?}"), || {
            messages(&server, &kim.address).iter().any(|mail| mail.key() == last && mail.is_told)
        })
        .await?;
    }
    // One that greets nobody any more; connections of before are gone.
    for greeting in ["421 4.3.2 not now", "554 5.3.2 no service"] {
        server.stop().await;
        server.set(Manner::Greet(greeting));
        server.go_on().await?;
        apply(&journey, &kim, 2).await?;
        tokio::time::sleep(Duration::from_millis(800)).await;
        server.set(Manner::Take);
        let last = written(&journey, &kim).await?.pop().unwrap_or_default();
        until(&format!("all, after {greeting}"), || {
            messages(&server, &kim.address).iter().any(|mail| mail.key() == last)
        })
        .await?;
    }
    // And one that is not there for a while, and comes back.
    server.stop().await;
    apply(&journey, &kim, 2).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    server.go_on().await?;
    let wanted = written(&journey, &kim).await?;
    let last = wanted.last().cloned().unwrap_or_default();
    until("all, after a restart", || {
        messages(&server, &kim.address).iter().any(|mail| mail.key() == last)
    })
    .await?;
    arrived_in_order(&messages(&server, &kim.address), &wanted);
    journey.finish().await
}

// An answer that comes too late is nobody else's: the next mail's own answer counts.
#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_taken_for_anothers() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = reader(&journey, &server, "kim").await?;
    let lee = reader(&journey, &server, "lee").await?;
    server.set_towards(&kim.address, Manner::Late(Duration::from_millis(2_500)));
    server.set_towards(&lee.address, Manner::Data("554 5.6.0 not this one"));
    apply(&journey, &kim, 1).await?;
    for _ in 0..4 {
        apply(&journey, &lee, 1).await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let lees = "SELECT count(*) FROM loan_messenger.delivery d JOIN loan_messenger.recipient r USING (customer_id) WHERE r.user_email = 'lee@mail.example' AND d.state = 'failed'";
    journey.wait_count(lees, 4).await?;
    server.set_towards(&kim.address, Manner::Take);
    until("kim's message", || messages(&server, &kim.address).iter().any(|mail| mail.is_told))
        .await?;
    arrived_in_order(&messages(&server, &kim.address), &written(&journey, &kim).await?);
    journey.finish().await
}

// A first message that does not go holds back the same customer's later ones, and
// nobody else's.
#[tokio::test]
async fn a_slow_first_holds_back_its_own_customer_alone() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = reader(&journey, &server, "kim").await?;
    let lee = reader(&journey, &server, "lee").await?;
    server.set_towards(&kim.address, Manner::Recipient("451 4.7.1 not yet"));
    apply(&journey, &kim, 3).await?;
    let begun = Instant::now();
    apply(&journey, &lee, 3).await?;
    until("lee's three", || messages(&server, &lee.address).len() == 3).await?;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "lee waited for kim: {took:?}");
    assert!(messages(&server, &kim.address).is_empty(), "a later one has overtaken the first");
    server.set_towards(&kim.address, Manner::Take);
    until("kim's three", || messages(&server, &kim.address).len() == 3).await?;
    arrived_in_order(&messages(&server, &kim.address), &written(&journey, &kim).await?);
    arrived_in_order(&messages(&server, &lee.address), &written(&journey, &lee).await?);
    journey.finish().await
}

// Three instances share the work, and no order is broken by it.
#[tokio::test]
async fn several_instances_share_the_work_and_keep_the_order() -> Result<()> {
    let server = MailServer::start().await?;
    let mut journey = with_mail(&server).await?;
    let second = journey.stack.another(Service::LoanMessenger).await?;
    let third = journey.stack.another(Service::LoanMessenger).await?;
    let mut readers = Vec::new();
    for name in ["kim", "lee", "park"] {
        readers.push(reader(&journey, &server, name).await?);
    }
    server.set(Manner::Slow(Duration::from_millis(20)));
    for _ in 0..4 {
        for reader in &readers {
            apply(&journey, reader, 2).await?;
        }
    }
    for reader in &readers {
        until("all eight", || messages(&server, &reader.address).len() >= 8).await?;
        arrived_in_order(&messages(&server, &reader.address), &written(&journey, reader).await?);
        assert_eq!(messages(&server, &reader.address).len(), 8);
    }
    drop((second, third));
    journey.finish().await
}

// What waits goes to the new address once that is verified; nothing goes to the old one,
// and nothing at all to a customer who was removed.
#[tokio::test]
async fn a_change_of_address_and_a_removal_hold_for_what_waits() -> Result<()> {
    let mut server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let kim = reader(&journey, &server, "kim").await?;
    let lee = reader(&journey, &server, "lee").await?;
    server.stop().await;
    apply(&journey, &kim, 2).await?;
    // Who has an open loan can't be removed: this one is refused.
    let officer = journey.client.officer().await?;
    let loan = journey.client.apply(&lee.who, 1_000).await?;
    journey.waits(&officer, &loan).await?;
    for step in ["01", "03"] {
        journey.client.step(&officer, &loan, step).await?.expect(200)?;
    }
    let told = "SELECT count(*) FROM loan_messenger.message WHERE kind = 'refused'";
    journey.wait_count(told, 1).await?;
    let closed = "SELECT count(*) FROM loan_auth.open_loan WHERE NOT is_open";
    journey.wait_count(closed, 1).await?;
    let new = "kim.new@mail.example";
    let moved = json!({ "userEmail": new });
    journey.client.patch("/customers/me", &kim.token, &moved).await?.expect(200)?;
    journey.client.delete("/customers/me", &lee.token).await?.expect(204)?;
    let heard = "SELECT count(*) FROM loan_messenger.recipient WHERE user_email = 'kim.new@mail.example' OR removed_at IS NOT NULL";
    journey.wait_count(heard, 2).await?;
    server.go_on().await?;
    confirm(&journey, &server, &kim, new).await?;
    until("kim's two", || messages(&server, new).len() == 2).await?;
    arrived_in_order(&messages(&server, new), &written(&journey, &kim).await?);
    assert!(messages(&server, &kim.address).is_empty(), "to the old address");
    assert!(messages(&server, &lee.address).is_empty(), "to somebody who has gone");
    let dropped = "SELECT count(*) FROM loan_messenger.delivery WHERE state = 'dropped' AND reason = 'customer-removed'";
    journey.wait_count(dropped, 3).await?;
    journey.finish().await
}

// The customer chooses: what is not obligatory can be left out, and so can all mail.
#[tokio::test]
async fn customers_choose_what_they_are_sent() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let client = &journey.client;
    let kim = reader(&journey, &server, "kim").await?;
    let path = "/loanMessengers/delivery";
    let shown = client.get(path, &kim.token).await?.expect(200)?.json();
    assert_eq!(shown["channel"], "mail");
    assert_eq!(shown["mail"], json!({ "address": "k***@mail.example", "isVerified": true }));
    let must = json!({ "optOut": ["executed"] });
    client.patch(path, &kim.token, &must).await?.expect(422)?;
    let none = json!({ "channel": "sms" });
    let problem = client.patch(path, &kim.token, &none).await?.expect(409)?;
    assert_eq!(problem.json()["code"], "channel-not-offered");
    let less = json!({ "optOut": ["request-received"] });
    client.patch(path, &kim.token, &less).await?.expect(200)?;
    let officer = client.officer().await?;
    let loan = client.apply(&kim.who, 1_000).await?;
    journey.waits(&officer, &loan).await?;
    for step in ["01", "02"] {
        client.step(&officer, &loan, step).await?.expect(200)?;
    }
    until("two of three", || messages(&server, &kim.address).len() == 2).await?;
    let keys: Vec<_> = messages(&server, &kim.address).iter().map(|mail| mail.key()).collect();
    assert_eq!(keys, written(&journey, &kim).await?[1..], "the first is read in the mailbox only");
    client.patch(path, &kim.token, &json!({ "channel": "mailbox" })).await?.expect(200)?;
    client.step(&officer, &loan, "04").await?.expect(200)?;
    journey
        .wait_count("SELECT count(*) FROM loan_messenger.message WHERE kind = 'executed'", 1)
        .await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(messages(&server, &kim.address).len(), 2, "none after the choice");
    // Officers are not written to, and nobody sees another's settings.
    let forbidden = client.get(path, &officer).await?.expect(403)?;
    assert_eq!(forbidden.json()["code"], "no-role");
    journey.finish().await
}

// A code is for one address and few tries, and nobody's mailbox is filled by strangers.
#[tokio::test]
async fn codes_are_few_and_cannot_be_guessed() -> Result<()> {
    let server = MailServer::start().await?;
    let journey = with_mail(&server).await?;
    let client = &journey.client;
    let kim = register(&journey, "kim", "en").await?;
    until("a code", || codes(&server, &kim.address).len() == 1).await?;
    let again = json!({ "channel": "mail" });
    let problem = client
        .post("/loanMessengers/delivery/verifications", &kim.token, &again)
        .await?
        .expect(429)?;
    assert_eq!(problem.json()["code"], "too-many-codes");
    let seconds: u64 = problem.header("retry-after").parse()?;
    assert!((1..=60).contains(&seconds), "{seconds}");
    let path = "/loanMessengers/delivery/confirmations";
    let right = codes(&server, &kim.address)[0].clone();
    let other = if right.starts_with('0') { '1' } else { '0' };
    for _ in 0..5 {
        let wrong = json!({ "channel": "mail", "code": format!("{other}{}", &right[1..]) });
        let problem = client.post(path, &kim.token, &wrong).await?.expect(422)?;
        assert_eq!(problem.json()["code"], "wrong-code");
    }
    let right = json!({ "channel": "mail", "code": right });
    let problem = client.post(path, &kim.token, &right).await?.expect(409)?;
    assert_eq!(problem.json()["code"], "no-code", "even the right one, after five wrong ones");
    // The same address, named by six others: five codes in all.
    for name in ["a", "b", "c", "d", "e", "f"] {
        let body = json!({
            "userId": format!("{name}-stranger"), "userName": name, "userPassword": "a-Zebra-of-strangers",
            "userMobile": "010-111-1111", "userEmail": kim.address, "language": "en",
        });
        client.post("/customers", "", &body).await?.expect(201)?;
    }
    journey.wait_count("SELECT count(*) FROM loan_messenger.recipient WHERE user_name IN ('a','b','c','d','e','f')", 6).await?;
    until("five codes", || codes(&server, &kim.address).len() == 5).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(codes(&server, &kim.address).len(), 5);
    journey.finish().await
}

// Without a server there is a folder: what `./dev up` has.
#[tokio::test]
async fn mail_is_put_into_a_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = format!("file://{}", folder.path().display());
    let journey = Journey::start_with(|stack| {
        super::impatient(stack).env(Service::LoanMessenger, "MAIL_URL", &url)
    })
    .await?;
    let program = journey.stack.bin_dir().join("loanctl");
    let output = tokio::process::Command::new(program)
        .arg("demo")
        .env("GATEWAY_URL", journey.stack.gateway_url())
        .env("MAIL_DROP", folder.path())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Subject: We have received your loan application"), "{said}");
    let files = std::fs::read_dir(folder.path())?.filter_map(Result::ok);
    let names: Vec<_> = files.map(|file| file.file_name().into_string().unwrap()).collect();
    assert!(names.len() == 2 && names.iter().all(|name| name.ends_with(".eml")), "{names:?}");
    journey.finish().await
}
