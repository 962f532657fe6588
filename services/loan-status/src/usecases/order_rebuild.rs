//! A rebuild of the read model is asked for.

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Orders that wait to be looked at. One is worked on; the others are told so.
const ORDERS_MAX: usize = 8;

/// A rebuild that somebody asks for.
#[derive(Debug)]
pub struct Order {
    /// Compare only.
    pub verify_only: bool,
    /// Where to say whether it has begun.
    pub answer: oneshot::Sender<Result<Uuid, Refused>>,
}

/// Why a rebuild does not begin.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another one is under way, here or on another instance.
    #[error("a rebuild is under way")]
    UnderWay,
    /// This instance is about to end.
    #[error("shutting down")]
    Ending,
    /// The database did not let it.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

/// Where orders are placed.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Order>);

/// Where orders are placed, and where they come out.
#[must_use]
pub fn orders() -> (Orders, mpsc::Receiver<Order>) {
    let (sender, receiver) = mpsc::channel(ORDERS_MAX);
    (Orders(sender), receiver)
}

/// Has a rebuild begin; says which it is.
///
/// # Errors
/// [`Refused`].
pub async fn order_rebuild(orders: &Orders, verify_only: bool) -> Result<Uuid, Refused> {
    let (answer, answered) = oneshot::channel();
    let order = Order { verify_only, answer };
    match orders.0.try_send(order) {
        Ok(()) => answered.await.unwrap_or(Err(Refused::Ending)),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Refused::UnderWay),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(Refused::Ending),
    }
}
