//! A mail server (SMTP, RFC 5321) that keeps what it is given, and misbehaves on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

mod identity;

pub use identity::Identity;

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

/// How the line to the server is guarded.
#[derive(Clone, Debug, Default)]
pub enum Line {
    /// It is not.
    #[default]
    Open,
    /// By TLS from the first byte.
    Tls(Identity),
    /// By TLS for those who ask for it (STARTTLS, RFC 3207).
    StartTls(Identity),
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
    /// Whether it came by a line that is guarded.
    pub is_guarded: bool,
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
    line: Line,
    /// Who may send, with the password; anybody, if there is none.
    login: Option<(String, String)>,
    mails: Vec<Mail>,
    /// Every line that was said in the open, but for the mails.
    overheard: Vec<String>,
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
        let state = State {
            manner: Manner::Take,
            towards: BTreeMap::new(),
            line: Line::Open,
            login: None,
            mails: Vec::new(),
            overheard: Vec::new(),
        };
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

    /// On which port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Guards the line from the next connection on.
    pub fn set_line(&self, line: Line) {
        locked(&self.state).line = line;
    }

    /// Who may send from now on.
    pub fn set_login(&self, user: &str, password: &str) {
        locked(&self.state).login = Some((user.to_owned(), password.to_owned()));
    }

    /// What was said in the open, line by line.
    #[must_use]
    pub fn overheard(&self) -> Vec<String> {
        locked(&self.state).overheard.clone()
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
                    let _ = welcome(stream, &state).await;
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

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// Whoever was written to, as `<…>` has it.
fn address_in(line: &str) -> String {
    let from = line.find('<').map_or(0, |at| at + 1);
    let to = line.find('>').unwrap_or(line.len());
    line.get(from..to).unwrap_or_default().to_owned()
}

/// Listens to whoever connects, as the line is guarded then.
async fn welcome(stream: TcpStream, state: &Shared) -> std::io::Result<()> {
    let line = locked(state).line.clone();
    match line {
        Line::Tls(identity) => {
            let mut stream = BufReader::new(identity.accept(stream).await?);
            Talk::new(state, true).begin(&mut stream).await
        }
        Line::Open | Line::StartTls(_) => {
            let mut stream = BufReader::new(stream);
            let mut talk = Talk::new(state, false);
            talk.begin(&mut stream).await?;
            match line {
                Line::StartTls(identity) if talk.wants_tls => {
                    let stream = identity.accept(stream.into_inner()).await?;
                    Talk::new(state, true).go_on(&mut BufReader::new(stream)).await
                }
                _ => Ok(()),
            }
        }
    }
}

/// One client's talk.
struct Talk<'a> {
    state: &'a Shared,
    is_guarded: bool,
    is_logged_in: bool,
    wants_tls: bool,
}

impl<'a> Talk<'a> {
    fn new(state: &'a Shared, is_guarded: bool) -> Self {
        Self { state, is_guarded, is_logged_in: false, wants_tls: false }
    }

    async fn begin<S>(&mut self, stream: &mut BufReader<S>) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let at_first = locked(self.state).manner;
        if let Manner::Greet(line) = at_first {
            return say(stream, line).await;
        }
        say(stream, "220 here").await?;
        self.go_on(stream).await
    }

    /// To its end, or to where TLS is to begin.
    async fn go_on<S>(&mut self, stream: &mut BufReader<S>) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut to = String::new();
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if !self.is_guarded {
                locked(self.state).overheard.push(line.trim_end().to_owned());
            }
            let verb = line.get(..4).unwrap_or_default().to_uppercase();
            match verb.as_str() {
                "EHLO" => say(stream, &self.offers()).await?,
                "STAR" if self.offers().contains("STARTTLS") => {
                    self.wants_tls = true;
                    return say(stream, "220 go on").await;
                }
                "AUTH" => say(stream, self.login(&line)).await?,
                "MAIL" | "RCPT" if !self.may_send() => say(stream, "530 5.7.0 who are you").await?,
                "RCPT" => {
                    to = address_in(&line);
                    match manner(self.state, &to) {
                        Manner::Recipient(refusal) => say(stream, refusal).await?,
                        Manner::Hang => std::future::pending().await,
                        _ => say(stream, "250 yes").await?,
                    }
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let text = data(stream).await?;
                    let Some(answer) = self.answer(&to, text).await else { return Ok(()) };
                    say(stream, answer).await?;
                }
                "QUIT" => return say(stream, "221 bye").await,
                _ => say(stream, "250 yes").await?,
            }
        }
    }

    fn offers(&self) -> String {
        let state = locked(self.state);
        let tls = match state.line {
            Line::StartTls(_) if !self.is_guarded => "250-STARTTLS\r\n",
            _ => "",
        };
        let login = if state.login.is_some() { "250-AUTH PLAIN\r\n" } else { "" };
        format!("250-here\r\n{tls}{login}250-8BITMIME\r\n250 SMTPUTF8")
    }

    fn may_send(&self) -> bool {
        self.is_logged_in || locked(self.state).login.is_none()
    }

    /// What is answered to `AUTH PLAIN` (RFC 4954, RFC 4616).
    fn login(&mut self, line: &str) -> &'static str {
        let said = line.trim_end().rsplit(' ').next().unwrap_or_default();
        let said = STANDARD.decode(said).unwrap_or_default();
        let login = locked(self.state).login.clone();
        self.is_logged_in = login
            .is_some_and(|(user, password)| said == format!("\0{user}\0{password}").into_bytes());
        if self.is_logged_in { "235 2.7.0 you are" } else { "535 5.7.8 you are not" }
    }

    /// What is answered to a mail's data; nothing, if the line is cut then.
    async fn answer(&self, to: &str, text: String) -> Option<&'static str> {
        let (is_told, answer) = match manner(self.state, to) {
            Manner::Data(refusal) => return Some(refusal),
            Manner::CutAfterData => (false, None),
            Manner::Slow(pause) => {
                tokio::time::sleep(pause).await;
                (true, Some("250 taken"))
            }
            Manner::Late(pause) => {
                tokio::time::sleep(pause).await;
                (false, Some("250 taken"))
            }
            _ => (true, Some("250 taken")),
        };
        let mail = Mail { to: to.to_owned(), text, is_told, is_guarded: self.is_guarded };
        locked(self.state).mails.push(mail);
        answer
    }
}

fn manner(state: &Shared, to: &str) -> Manner {
    let state = locked(state);
    state.towards.get(to).copied().unwrap_or(state.manner)
}

/// The lines up to the one that is a dot.
async fn data<S: AsyncRead + Unpin>(reader: &mut BufReader<S>) -> std::io::Result<String> {
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
