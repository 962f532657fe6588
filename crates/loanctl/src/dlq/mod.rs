//! `loanctl dlq`: what could not be worked on, and what becomes of it.
//!
//! A letter lies at its place in the dead-letter topic for as long as the topic keeps
//! it: Kafka only appends. So whoever deals with one appends, in the same partition, a
//! *marker* that names the letter's offset and says what became of it; a letter with a
//! marker behind it is not open any more. Letters can be dealt with in any order, by
//! several operators, and the record of it is kept beside them. What a consumer group
//! has committed could say none of that: it is one number for everything before it.

mod letter;
mod read;
mod write;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use events::topics;
use uuid::Uuid;

use self::letter::{Letter, Place};
use self::read::{Keep, Letters, open_letters};
use self::write::{Outcome, Post};
use crate::api::{AdminApi, IDS_MAX, Services};

/// What it can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The open letters; never what is in them.
    List {
        #[command(flatten)]
        filter: Filter,
        /// JSON, one letter a line.
        #[arg(long)]
        json: bool,
    },
    /// One letter with its headers.
    Show {
        /// Which: as `list` names it, for example `loan.manager/0/12`.
        id: Place,
        /// And its content, which may hold personal data.
        #[arg(long)]
        payload: bool,
    },
    /// Put letters back on their topic, for the one service that could not work on
    /// them. Each keeps the id of its event: where it has had its effect, it has none.
    Redrive {
        #[command(flatten)]
        which: Which,
    },
    /// Close letters: they will not be worked on.
    Discard {
        #[command(flatten)]
        which: Which,
    },
}

/// Which letters are looked at.
#[derive(Args, Clone)]
struct Filter {
    /// Of this topic only.
    #[arg(long)]
    topic: Option<String>,
    /// Of this consumer group only.
    #[arg(long)]
    group: Option<String>,
}

/// Which letters are dealt with.
#[derive(Args)]
struct Which {
    #[command(flatten)]
    filter: Filter,
    /// This one; repeatable.
    #[arg(long = "id", conflicts_with_all = ["topic", "group"])]
    ids: Vec<Place>,
    /// All that are open, of the topic and the group if those are said.
    #[arg(long, conflicts_with = "ids", required_unless_present = "ids")]
    all: bool,
    /// Who does it, for the record beside the letter.
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
}

impl Filter {
    fn topics(&self) -> anyhow::Result<Vec<&'static str>> {
        let wanted = topics::ALL.iter().map(|topic| topic.name);
        let wanted: Vec<_> =
            wanted.filter(|name| self.topic.as_deref().is_none_or(|one| one == *name)).collect();
        if wanted.is_empty() {
            let known: Vec<_> = topics::ALL.iter().map(|topic| topic.name).collect();
            bail!("there is no such topic; there are {}", known.join(", "));
        }
        Ok(wanted)
    }

    /// Those of one topic.
    async fn open(&self, services: &Services, topic: &str, keep: Keep) -> anyhow::Result<Letters> {
        let filter = self.clone();
        open_letters(&services.kafka, topic, keep, move |letter| filter.takes(letter)).await
    }

    fn takes(&self, letter: &Letter) -> bool {
        self.group.as_deref().is_none_or(|group| group == letter.group())
    }
}

/// Does it.
pub(crate) async fn dlq(services: &Services, arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::List { filter, json } => list(services, &filter, json).await?,
        Command::Show { id, payload } => show(services, &id, payload).await?,
        Command::Redrive { which } => settle(services, &which, Outcome::Redriven).await?,
        Command::Discard { which } => settle(services, &which, Outcome::Discarded).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(services: &Services, filter: &Filter, as_json: bool) -> anyhow::Result<()> {
    let mut count = 0_u64;
    for topic in filter.topics()? {
        let Letters { open, are_more } = filter.open(services, topic, Keep::Heads).await?;
        if are_more {
            say_more(topic, open.len())?;
        }
        let mut out = std::io::stdout().lock();
        for letter in &open {
            count += 1;
            if as_json {
                writeln!(out, "{}", letter.to_json())?;
            } else {
                writeln!(out, "{}", letter.to_line())?;
            }
        }
    }
    if !as_json {
        writeln!(std::io::stdout(), "{count} open")?;
    }
    Ok(())
}

async fn show(services: &Services, place: &Place, with_payload: bool) -> anyhow::Result<()> {
    let letter = find(services, place).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", letter.to_line())?;
    for (name, value) in letter.headers() {
        writeln!(out, "  {name}: {value}")?;
    }
    writeln!(out, "  key: {}", letter.key())?;
    if with_payload {
        writeln!(out, "{}", letter.payload())?;
    } else {
        writeln!(out, "  {} bytes; --payload shows them", letter.payload().len())?;
    }
    Ok(())
}

async fn find(services: &Services, place: &Place) -> anyhow::Result<Letter> {
    let wanted = place.clone();
    let takes = move |letter: &Letter| letter.place == wanted;
    let found = open_letters(&services.kafka, &place.topic, Keep::Whole, takes).await?.open;
    found.into_iter().next().with_context(|| format!("there is no open letter {place}"))
}

/// Says that there is more than is looked at.
fn say_more(topic: &str, count: usize) -> anyhow::Result<()> {
    let line = format!("{topic}: these are {count} of more; narrow it down, or say it again");
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

/// Deals with letters, one after the other: what is done is marked before the next.
async fn settle(services: &Services, which: &Which, outcome: Outcome) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    if which.all {
        for topic in which.filter.topics()? {
            let Letters { open, are_more } =
                which.filter.open(services, topic, Keep::Whole).await?;
            if are_more {
                say_more(topic, open.len())?;
            }
            letters.extend(open);
        }
    }
    for place in &which.ids {
        ensure!(!letters.iter().any(|one: &Letter| one.place == *place), "{place} is said twice");
        letters.push(find(services, place).await?);
    }
    let open = match outcome {
        Outcome::Redriven => Some(still_open(services, &letters).await?),
        Outcome::Discarded => None,
    };
    let post = Post::try_new(&services.kafka)?;
    let mut done = 0_u64;
    for letter in &letters {
        match &open {
            Some(open) => match why_not(services, letter, open) {
                None => post.redrive(letter).await?,
                // One that must be discarded does not hold up the others.
                Some(why) if which.all => {
                    writeln!(std::io::stderr(), "{} {why}; discard it", letter.place)?;
                    continue;
                }
                Some(why) => bail!("{} {why}; discard it", letter.place),
            },
            None => close(services, letter).await?,
        }
        post.mark(letter, outcome, &which.by).await?;
        writeln!(std::io::stdout(), "{} {}", outcome.word(), letter.place)?;
        done += 1;
    }
    writeln!(std::io::stdout(), "{done} {}", outcome.word())?;
    Ok(())
}

/// What its service says that it still has set aside, an event of a service.
type Open = BTreeSet<(&'static str, Uuid)>;

/// Asks the services that are to work on these letters which events they have set aside: whoever
/// can write to Kafka can lay a letter there. They say so to who may repair alone.
async fn still_open(services: &Services, letters: &[Letter]) -> anyhow::Result<Open> {
    #[derive(serde::Deserialize)]
    struct Told {
        ids: Vec<Uuid>,
    }
    let mut open = Open::new();
    for api in services.all() {
        let mine = |letter: &&Letter| {
            service_of(services, letter.group()).is_some_and(|one| one.service == api.service)
        };
        let events = letters.iter().filter(mine).filter_map(Letter::event_id);
        let events: Vec<Uuid> = events.collect::<BTreeSet<_>>().into_iter().collect();
        for ids in events.chunks(IDS_MAX) {
            let asked = serde_json::json!({ "ids": ids });
            let told: Told = api.post("/admin/dead-letters/check", &asked).await?;
            open.extend(told.ids.into_iter().map(|id| (api.service, id)));
        }
    }
    Ok(open)
}

/// Why a letter is not put back, if anything speaks against it.
fn why_not(services: &Services, letter: &Letter, open: &Open) -> Option<String> {
    let Some(event) = letter.event_id() else { return Some("has no event id".to_owned()) };
    let Some(api) = service_of(services, letter.group()) else {
        return Some("is for no group of these services".to_owned());
    };
    let is_open = open.contains(&(api.service, event));
    (!is_open).then(|| format!("is of no event that {} still has set aside", api.service))
}

/// The service that set a letter aside counts it no longer among its open ones.
async fn close(services: &Services, letter: &Letter) -> anyhow::Result<()> {
    // What is no event was never counted.
    let Some(event) = letter.event_id() else { return Ok(()) };
    let Some(api) = service_of(services, letter.group()) else { return Ok(()) };
    api.post_ids("/admin/dead-letters/settle", &[event]).await
}

/// The service that a consumer group belongs to: they have the same name, but for
/// the number of a rebuilt read model.
fn service_of<'a>(services: &'a Services, group: &str) -> Option<&'a AdminApi> {
    services.all().into_iter().find(|api| {
        let rest = group.strip_prefix(api.service);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}
