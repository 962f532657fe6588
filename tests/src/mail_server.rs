//! A mail server (SMTP, RFC 5321) that keeps what it is given, and misbehaves on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Take,
    /// Answers the connection with this instead of a greeting.
    Greet(&'static str),
    /// Answers the recipient with this.
    Recipient(&'static str),
    /// Answers the data with this.
    Data(&'static str),
    /// Says nothing any more from the recipient on, for ever.
    Hang,
    /// Takes the data, and cuts the connection in the place of an answer.
    CutAfterData,
    /// Takes it, so much later.
    Slow(Duration),
    /// The same, when nobody waits for the answer any more.
    Late(Duration),
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// To whom, as the envelope has it.
    pub to: String,
    /// What was sent, with its headers.
    pub text: String,
    /// Whether the sender was told that it was taken.
    pub is_told: bool,
}

impl Mail {
    /// A header's value, on one line.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let start = format!("{}:", name.to_lowercase());
        head.lines()
            .find(|line| line.to_lowercase().starts_with(&start))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    }

    /// Its `Message-ID`, without what stands around the key.
    #[must_use]
    pub fn key(&self) -> String {
        let id = self.header("Message-ID");
        id.trim_start_matches('<').split('@').next().unwrap_or_default().to_owned()
    }
}

#[derive(Debug)]
struct State {
    manner: Manner,
    /// For those whose address is here.
    towards: BTreeMap<String, Manner>,
    mails: Vec<Mail>,
}

type Shared = Arc<Mutex<State>>;

fn locked(state: &Shared) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that listens.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    state: Shared,
    running: Option<JoinHandle<()>>,
}

impl MailServer {
    /// On a free port.
    ///
    /// # Errors
    /// If there is none.
    pub async fn start() -> Result<Self> {
        let state = State { manner: Manner::Take, towards: BTreeMap::new(), mails: Vec::new() };
        let mut server = Self {
            address: ([127, 0, 0, 1], 0).into(),
            state: Arc::new(Mutex::new(state)),
            running: None,
        };
        server.go_on().await?;
        Ok(server)
    }

    /// Where it is, as MAIL_URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What it does from now on.
    pub fn set(&self, manner: Manner) {
        locked(&self.state).manner = manner;
    }

    /// What it does with mail to this address, whatever it does with others.
    pub fn set_towards(&self, address: &str, manner: Manner) {
        locked(&self.state).towards.insert(address.to_owned(), manner);
    }

    /// What was taken, in its order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        locked(&self.state).mails.clone()
    }

    /// What was taken for this address.
    #[must_use]
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.to == address).collect()
    }

    /// Ends, connections and all, as a server that is killed does.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            // The port is free only then.
            let _ = running.await;
        }
    }

    /// Listens again where it was.
    ///
    /// # Errors
    /// If the port was taken meanwhile.
    pub async fn go_on(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.address = listener.local_addr()?;
        let state = Arc::clone(&self.state);
        let running = tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                talks.spawn(async move {
                    // A client that goes away ends the talk; that is its right.
                    let _ = talk(stream, &state).await;
                });
            }
        });
        self.running = Some(running);
        Ok(())
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

async fn say(writer: &mut OwnedWriteHalf, line: &str) -> std::io::Result<()> {
    writer.write_all(format!("{line}\r\n").as_bytes()).await
}

/// Whoever was written to, as `<…>` has it.
fn address_in(line: &str) -> String {
    let from = line.find('<').map_or(0, |at| at + 1);
    let to = line.find('>').unwrap_or(line.len());
    line.get(from..to).unwrap_or_default().to_owned()
}

async fn talk(stream: TcpStream, state: &Shared) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let at_first = locked(state).manner;
    if let Manner::Greet(line) = at_first {
        return say(&mut writer, line).await;
    }
    say(&mut writer, "220 here").await?;
    let mut to = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_uppercase();
        match verb.as_str() {
            "EHLO" => say(&mut writer, "250-here\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
            "RCPT" => {
                to = address_in(&line);
                match manner(state, &to) {
                    Manner::Recipient(refusal) => say(&mut writer, refusal).await?,
                    Manner::Hang => std::future::pending().await,
                    _ => say(&mut writer, "250 yes").await?,
                }
            }
            "DATA" => {
                say(&mut writer, "354 go on").await?;
                let text = data(&mut reader).await?;
                match manner(state, &to) {
                    Manner::Data(refusal) => say(&mut writer, refusal).await?,
                    Manner::CutAfterData => {
                        keep(state, &to, text, false);
                        return Ok(());
                    }
                    Manner::Slow(pause) => {
                        tokio::time::sleep(pause).await;
                        keep(state, &to, text, true);
                        say(&mut writer, "250 taken").await?;
                    }
                    Manner::Late(pause) => {
                        tokio::time::sleep(pause).await;
                        keep(state, &to, text, false);
                        say(&mut writer, "250 taken").await?;
                    }
                    _ => {
                        keep(state, &to, text, true);
                        say(&mut writer, "250 taken").await?;
                    }
                }
            }
            "QUIT" => return say(&mut writer, "221 bye").await,
            _ => say(&mut writer, "250 yes").await?,
        }
    }
}

fn manner(state: &Shared, to: &str) -> Manner {
    let state = locked(state);
    state.towards.get(to).copied().unwrap_or(state.manner)
}

fn keep(state: &Shared, to: &str, text: String, is_told: bool) {
    locked(state).mails.push(Mail { to: to.to_owned(), text, is_told });
}

/// The lines up to the one that is a dot.
async fn data(reader: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
