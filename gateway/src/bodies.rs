//! How many bodies are on their way at once: of all clients, because each takes memory, and of one
//! client, because one that sends slowly must not take the room of the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::rate::key_of;
use crate::rescue::Failure;

/// When to come back: a body that is not slow has come by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bodies that are being read.
pub(crate) struct Bodies {
    all_max: usize,
    client_max: usize,
    reading: Arc<Mutex<Reading>>,
}

#[derive(Default)]
struct Reading {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// One of them; it ends with this value.
pub(crate) struct One {
    client: IpAddr,
    reading: Arc<Mutex<Reading>>,
}

impl Bodies {
    pub(crate) fn new(all_max: usize, client_max: usize) -> Bodies {
        Bodies { all_max, client_max, reading: Arc::default() }
    }

    /// Begins one more.
    ///
    /// # Errors
    /// [`Failure::RateLimited`] where there are as many as there may be.
    pub(crate) fn begin(&self, client: IpAddr) -> Result<One, Failure> {
        let client = key_of(client);
        let mut reading = lock(&self.reading);
        let own = reading.by_client.get(&client).copied().unwrap_or(0);
        if reading.all >= self.all_max || own >= self.client_max {
            return Err(Failure::RateLimited { retry_after: RETRY_AFTER });
        }
        reading.all += 1;
        reading.by_client.insert(client, own + 1);
        Ok(One { client, reading: Arc::clone(&self.reading) })
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let mut reading = lock(&self.reading);
        reading.all -= 1;
        if let Some(own) = reading.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                reading.by_client.remove(&self.client);
            }
        }
    }
}

/// The numbers are right after every statement, so a panic elsewhere spoils nothing.
fn lock(reading: &Mutex<Reading>) -> MutexGuard<'_, Reading> {
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_client_has_so_many_and_all_have_so_many() {
        let bodies = Bodies::new(3, 2);
        let client = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = bodies.begin(client("2001:db8::1")).unwrap();
        let _two = bodies.begin(client("2001:db8::2")).unwrap();
        assert!(bodies.begin(client("2001:db8::3")).is_err(), "a /64 is one client");
        let _three = bodies.begin(client("198.51.100.1")).unwrap();
        assert!(bodies.begin(client("198.51.100.2")).is_err(), "three are all");
        drop(one);
        let _four = bodies.begin(client("2001:db8::3")).unwrap();
        assert_eq!(lock(&bodies.reading).by_client.len(), 2);
    }
}
