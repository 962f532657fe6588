//! A rebuild of the read model is asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::event::ReceivedEvent;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Orders that wait to be looked at. One is worked on; the others are told so.
const ORDERS_MAX: usize = 8;

/// What is to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Compare only.
    pub verify_only: bool,
    /// Begin with the events that loan-manager has kept, which will be handed in.
    pub from_owner: bool,
    /// What no event tells of may go. It never does where not all events are known,
    /// nor where one of them could not be worked on.
    pub drop_surplus: bool,
}

/// A rebuild that somebody asks for.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub plan: Plan,
    /// Where to say whether it has begun.
    pub answer: oneshot::Sender<Result<Uuid, Refused>>,
}

/// Events that loan-manager has kept.
#[derive(Debug)]
pub struct History {
    /// For which rebuild.
    pub rebuild_id: Uuid,
    /// The events.
    pub events: Vec<ReceivedEvent>,
    /// Whether these are the last.
    pub is_last: bool,
    /// Where to say that they were taken.
    pub taken: oneshot::Sender<()>,
}

/// Why a rebuild does not begin, or does not take what it is given.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another one is under way, here or on another instance.
    #[error("a rebuild is under way")]
    UnderWay,
    /// No rebuild of this instance waits for that.
    #[error("no such rebuild waits for it here")]
    NotWanted,
    /// This instance is about to end.
    #[error("shutting down")]
    Ending,
    /// The database did not let it.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

/// Where orders are placed.
#[derive(Clone, Debug)]
pub struct Orders {
    orders: mpsc::Sender<Order>,
    history: mpsc::Sender<History>,
    awaited: Awaited,
}

/// For which rebuild history is waited for, if for any.
#[derive(Clone, Debug, Default)]
struct Awaited(Arc<Mutex<Option<Uuid>>>);

impl Awaited {
    fn lock(&self) -> MutexGuard<'_, Option<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is handed in comes out here.
#[derive(Debug)]
pub struct Handed {
    pages: mpsc::Receiver<History>,
    awaited: Awaited,
}

impl Handed {
    /// From now on this rebuild's history is waited for, or nobody's. A page that is
    /// still there was for an earlier one, and whoever handed it in is told so.
    pub fn expect(&mut self, rebuild_id: Option<Uuid>) {
        let mut awaited = self.awaited.lock();
        *awaited = rebuild_id;
        while self.pages.try_recv().is_ok() {}
    }

    /// The next page; none when nobody can hand in any more.
    pub async fn next(&mut self) -> Option<History> {
        self.pages.recv().await
    }
}

/// Where orders come out.
#[derive(Debug)]
pub struct Placed {
    /// The orders.
    pub orders: mpsc::Receiver<Order>,
    /// What is handed in for the one that is worked on.
    pub history: Handed,
}

/// Where orders are placed, and where they come out.
#[must_use]
pub fn orders() -> (Orders, Placed) {
    let (orders, placed_orders) = mpsc::channel(ORDERS_MAX);
    let (history, pages) = mpsc::channel(1);
    let awaited = Awaited::default();
    let handed = Handed { pages, awaited: awaited.clone() };
    (Orders { orders, history, awaited }, Placed { orders: placed_orders, history: handed })
}

/// Has a rebuild begin; says which it is.
///
/// # Errors
/// [`Refused`].
pub async fn order_rebuild(orders: &Orders, plan: Plan) -> Result<Uuid, Refused> {
    let (answer, answered) = oneshot::channel();
    match orders.orders.try_send(Order { plan, answer }) {
        Ok(()) => answered.await.unwrap_or(Err(Refused::Ending)),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Refused::UnderWay),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(Refused::Ending),
    }
}

/// Hands in events that loan-manager has kept, in any order and as often as one
/// likes; returns when they were applied.
///
/// # Errors
/// [`Refused`].
pub async fn hand_in_history(
    orders: &Orders,
    rebuild_id: Uuid,
    events: Vec<ReceivedEvent>,
    is_last: bool,
) -> Result<(), Refused> {
    let (taken, was_taken) = oneshot::channel();
    let history = History { rebuild_id, events, is_last, taken };
    {
        // Held until the page is there, so that none comes after the last look.
        let awaited = orders.awaited.lock();
        if *awaited != Some(rebuild_id) {
            return Err(Refused::NotWanted);
        }
        orders.history.try_send(history).map_err(|_| Refused::NotWanted)?;
    }
    was_taken.await.map_err(|_| Refused::NotWanted)
}
