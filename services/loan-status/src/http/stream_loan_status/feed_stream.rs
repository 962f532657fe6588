//! One client's stream: first what it missed, read from the database page by
//! page as the client takes it, then what the hub hands out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures::Stream;
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hub::Seat;
use crate::domain::feed_id::{Epoch, FeedId};
use crate::domain::viewer::Scope;
use crate::http::shapes::StatusEntry;
use crate::store;
use crate::store::entry::Entry;

/// How many entries are read at once while a stream catches up.
const PAGE_ENTRIES_MAX: i64 = 200;

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// Where a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The entries behind this place are sent.
    pub(super) behind: FeedId,
    /// Whether the client is told to forget what it has.
    pub(super) reset: bool,
}

/// What a stream needs.
pub(super) struct FeedStream {
    pub(super) pool: PgPool,
    pub(super) seat: Seat,
    pub(super) scope: Scope,
    pub(super) catch_ups: Arc<Semaphore>,
    /// When the token has expired.
    pub(super) ends_at: Instant,
    pub(super) shutdown: CancellationToken,
}

struct State {
    feed: FeedStream,
    epoch: Epoch,
    /// The last entry that was sent.
    last: i64,
    phase: Phase,
    waiting: VecDeque<Event>,
}

enum Phase {
    /// Reads what there is, until little is left: what was before it came, or what
    /// came while it had no room.
    Behind,
    /// Listens already, and reads the rest up to where that began.
    Closing { up_to: i64, live: mpsc::Receiver<Arc<Entry>> },
    /// Listens.
    Live(mpsc::Receiver<Arc<Entry>>),
}

/// Why a stream ends before its time; the client comes back by itself.
enum Ended {
    /// It lost its place: too slow for too long, or the feed is another one now.
    Cut,
    /// The database is away.
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// The events of one stream. It ends with the token, at the shutdown, or when
/// the client is too slow.
pub(super) fn feed_stream(
    feed: FeedStream,
    start: Start,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // Something goes out at once, so that everybody on the way sees the answer begin.
    let mut waiting = VecDeque::from([Event::default().comment("loanStatus").retry(RETRY)]);
    if start.reset {
        waiting.push_back(reset(&start.behind));
    }
    let state = State {
        feed,
        last: start.behind.number,
        epoch: start.behind.epoch,
        phase: Phase::Behind,
        waiting,
    };
    futures::stream::unfold(state, |mut state| async move {
        let shutdown = state.feed.shutdown.clone();
        let ends_at = state.feed.ends_at;
        let event = tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            () = tokio::time::sleep_until(ends_at) => None,
            event = next(&mut state) => event,
        };
        event.map(|event| (Ok(event), state))
    })
}

async fn next(state: &mut State) -> Option<Event> {
    loop {
        if let Some(event) = state.waiting.pop_front() {
            return Some(event);
        }
        match advance(state).await {
            Ok(()) => {}
            Err(Ended::Cut) => return None,
            Err(Ended::Database(error)) => {
                tracing::warn!(
                    error = common::db::described(&error),
                    "a live stream ends, because the feed cannot be read"
                );
                return None;
            }
        }
    }
}

/// Brings at least one event, or the next phase.
async fn advance(state: &mut State) -> Result<(), Ended> {
    match &mut state.phase {
        Phase::Behind => {
            if state.feed.seat.is_lost() {
                return Err(Ended::Cut);
            }
            if read_page(state, i64::MAX).await? {
                return Ok(());
            }
            let (position, live) = state.feed.seat.listen(state.feed.scope, state.last);
            if position.epoch != state.epoch {
                return Err(Ended::Cut);
            }
            state.phase = Phase::Closing { up_to: position.number, live };
            Ok(())
        }
        Phase::Closing { up_to, .. } => {
            let up_to = *up_to;
            if read_page(state, up_to).await? {
                return Ok(());
            }
            let phase = std::mem::replace(&mut state.phase, Phase::Behind);
            if let Phase::Closing { live, .. } = phase {
                state.phase = Phase::Live(live);
            }
            Ok(())
        }
        Phase::Live(live) => {
            match live.recv().await {
                Some(entry) => push(state, &entry),
                None => state.phase = Phase::Behind,
            }
            Ok(())
        }
    }
}

/// Reads the next page; `false` if it was the last one there is for now.
async fn read_page(state: &mut State, up_to: i64) -> Result<bool, Ended> {
    let turn = Arc::clone(&state.feed.catch_ups).acquire_owned().await;
    let entries = store::entry::between(
        &state.feed.pool,
        state.feed.scope,
        state.last,
        up_to,
        PAGE_ENTRIES_MAX,
    )
    .await?;
    drop(turn);
    let full = i64::try_from(entries.len()).is_ok_and(|read| read == PAGE_ENTRIES_MAX);
    for entry in &entries {
        push(state, entry);
    }
    Ok(full)
}

fn push(state: &mut State, entry: &Entry) {
    state.last = entry.id;
    let place = state.epoch.at(entry.id);
    let event = Event::default()
        .event("loanStatus")
        .id(place.to_string())
        .json_data(StatusEntry::of(entry, &state.epoch));
    match event {
        Ok(event) => state.waiting.push_back(event),
        // It has no maps and no keys of its own; this cannot be.
        Err(error) => tracing::error!(error = %error, entry = %place, "an entry has no JSON form"),
    }
}

fn reset(start: &FeedId) -> Event {
    Event::default().event("reset").id(start.to_string()).data("{}")
}
