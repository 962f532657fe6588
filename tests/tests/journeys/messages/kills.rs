//! loan-messenger is killed while it sends, at any moment: nothing is lost, and what comes
//! twice is known by its id.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use journeys::dice::Dice;
use journeys::mail_server::{MailServer, Manner};
use standalone::Service;

use super::{ARRIVES_WITHIN, all_written, apply, messages, reader, with_mail};

/// How often; for the long run see docs/messages.md.
const KILLS: &str = "MESSENGER_KILLS";
const KILLS_USUAL: usize = 12;

/// What one life sends to one customer, about.
const MESSAGES_A_LIFE: usize = 4;

/// Messages that somebody died over.
const CUT_OFF: &str = "SELECT count(*) FROM loan_messenger.attempt
    WHERE outcome = 'abandoned' OR (outcome IS NULL AND ended_at IS NULL)";

#[expect(clippy::disallowed_methods, reason = "the test run says it, not a settings file")]
fn kills() -> usize {
    std::env::var(KILLS).ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS_USUAL)
}

#[tokio::test]
async fn killed_at_any_moment_it_loses_nothing() -> Result<()> {
    let mut server = MailServer::start().await?;
    let mut journey = with_mail(&server).await?;
    let mut readers = Vec::new();
    for name in ["kim", "lee", "park"] {
        readers.push(reader(&journey, &server, name).await?);
    }
    // So many wait that each life has something to send.
    server.stop().await;
    let waiting = kills() * MESSAGES_A_LIFE;
    let queueing = readers.iter().map(|reader| apply(&journey, reader, waiting));
    futures::future::try_join_all(queueing).await?;
    server.go_on().await?;
    server.set(Manner::Slow(Duration::from_millis(60)));
    let mut dice = Dice(7);
    for round in 0..kills() {
        tokio::time::sleep(Duration::from_millis(dice.between(0, 150))).await;
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
    server.set(Manner::Take);
    let cut = journey.count(CUT_OFF).await?;
    eprintln!("{} kills; {cut} messages were being sent", kills());
    assert!(cut >= i64::try_from(kills())? / 2, "most kills have met nothing");
    for reader in &readers {
        journey.client.apply(&reader.who, 1_000).await?;
        // It has to join its group again before it reads.
        let wanted = all_written(&journey, reader, waiting + 1).await?;
        assert_eq!(wanted.len(), waiting + 1);
        let last = wanted[wanted.len() - 1].clone();
        // What the lives have left is sent first.
        let within =
            Instant::now() + ARRIVES_WITHIN + Duration::from_millis(50) * u32::try_from(waiting)?;
        while !messages(&server, &reader.address).iter().any(|mail| mail.key() == last) {
            ensure!(Instant::now() < within, "the last has not come");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
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
