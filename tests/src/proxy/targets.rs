//! Where a proxy leads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpStream;

/// So many connections that were not taken are told.
const REFUSED_MAX: usize = 20;

/// Where a proxy leads: to one of these, in turn.
#[derive(Debug, Default)]
pub(super) struct Targets {
    addresses: Mutex<Vec<String>>,
    next: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

impl Targets {
    pub(super) fn set(&self, addresses: Vec<String>) {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// A connection to the one whose turn it is, or to the next that takes one.
    pub(super) async fn connect(&self) -> Option<TcpStream> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        for step in 0..addresses.len() {
            let address = &addresses[(turn + step) % addresses.len()];
            match TcpStream::connect(address).await {
                Ok(stream) => return Some(stream),
                Err(error) => {
                    let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    if refused.len() < REFUSED_MAX {
                        refused.push(format!("{address}: {error}"));
                    }
                }
            }
        }
        None
    }

    /// The connections that were not taken, and why.
    pub(super) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
