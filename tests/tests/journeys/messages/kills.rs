//! loan-messenger is killed while it sends, at any moment: nothing is lost, and what comes
//! twice is known by its id.

use std::time::Duration;

use anyhow::Result;
use journeys::mail_server::{MailServer, Manner};
use standalone::Service;

use super::{all_written, messages, reader, until, with_mail};

/// How often; for the long run see docs/messages.md.
const KILLS: &str = "MESSENGER_KILLS";
const KILLS_USUAL: usize = 12;

/// Messages that somebody died over.
const CUT_OFF: &str = "SELECT count(*) FROM loan_messenger.attempt
    WHERE outcome = 'abandoned' OR (outcome IS NULL AND ended_at IS NULL)";

#[expect(clippy::disallowed_methods, reason = "the test run says it, not a settings file")]
fn kills() -> usize {
    std::env::var(KILLS).ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS_USUAL)
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_nothing() -> Result<()> {
    let server = MailServer::start().await?;
    let mut journey = with_mail(&server).await?;
    let mut readers = Vec::new();
    for name in ["kim", "lee", "park"] {
        readers.push(reader(&journey, &server, name).await?);
    }
    server.set(Manner::Slow(Duration::from_millis(15)));
    let mut dice = 0x9e37_79b9_u64;
    for round in 0..kills() {
        // A message for each is on its way, and the moment is another each time.
        for reader in &readers {
            journey.client.apply(&reader.who, 1_000).await?;
        }
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(20 + (dice >> 33) % 120)).await;
        let messenger = journey.stack.service_mut(Service::LoanMessenger);
        messenger.kill()?;
        // What it was sending comes back when its lease ends, in half a minute; that is not
        // waited for, or the next thousand lives would have nothing to send.
        let ended = "UPDATE loan_messenger.turn SET due_at = now(), leased_until = now() WHERE leased_until > now()";
        sqlx::query(ended).execute(&journey.db).await?;
        journey.stack.service_mut(Service::LoanMessenger).start_again().await?;
        if round % 50 == 49 {
            eprintln!("{} kills", round + 1);
        }
    }
    let cut = journey.count(CUT_OFF).await?;
    eprintln!("{} kills; {cut} messages were being sent", kills());
    assert!(cut > 0, "no kill has met anything");
    for reader in &readers {
        journey.client.apply(&reader.who, 1_000).await?;
        // One that never lived long enough to read its topic has a backlog of its own.
        let wanted = all_written(&journey, reader, kills() + 1).await?;
        assert_eq!(wanted.len(), kills() + 1);
        let last = wanted[wanted.len() - 1].clone();
        until("the last", || {
            messages(&server, &reader.address).iter().any(|mail| mail.key() == last)
        })
        .await?;
        let mails = messages(&server, &reader.address);
        let mut keys: Vec<String> = mails.iter().map(|mail| mail.key()).collect();
        let came = keys.len();
        keys.dedup();
        assert_eq!(keys, wanted, "every message, in order");
        let twice = came - keys.len();
        eprintln!("{}: {} messages, {twice} came twice", reader.address, wanted.len());
        assert!(twice <= kills(), "more than one for each kill");
        for pair in mails.windows(2).filter(|pair| pair[0].key() == pair[1].key()) {
            assert_eq!(pair[0].header("Message-ID"), pair[1].header("Message-ID"));
        }
    }
    journey.finish().await
}
