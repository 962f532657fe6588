//! How much of something is taken at once: by all clients, and by one, because one that
//! holds on to its places must not take those of the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A place that is asked for where none is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// For this client.
    OfClient,
    /// For anybody.
    OfAll,
}

/// Those who are here.
pub struct Crowd {
    all_max: usize,
    client_max: usize,
    here: Arc<Mutex<Here>>,
}

#[derive(Default)]
struct Here {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// A place among them; it is free again when this value goes.
pub struct Place {
    client: IpAddr,
    size: usize,
    here: Arc<Mutex<Here>>,
}

impl Crowd {
    /// At most so many places, and so many of one client.
    #[must_use]
    pub fn new(all_max: usize, client_max: usize) -> Self {
        Self { all_max, client_max, here: Arc::default() }
    }

    /// Takes one more place.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(&self, client: IpAddr) -> Result<Place, Full> {
        self.enter_with(client, 1)
    }

    /// Takes so many places at once.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter_with(&self, client: IpAddr, size: usize) -> Result<Place, Full> {
        let client = subscriber(client);
        let mut here = lock(&self.here);
        let own = here.by_client.get(&client).copied().unwrap_or(0).saturating_add(size);
        if own > self.client_max {
            return Err(Full::OfClient);
        }
        let all = here.all.saturating_add(size);
        if all > self.all_max {
            return Err(Full::OfAll);
        }
        here.all = all;
        here.by_client.insert(client, own);
        Ok(Place { client, size, here: Arc::clone(&self.here) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut here = lock(&self.here);
        here.all -= self.size;
        if let Some(own) = here.by_client.get_mut(&self.client) {
            *own -= self.size;
            if *own == 0 {
                here.by_client.remove(&self.client);
            }
        }
    }
}

/// Who is one client: a subscriber has a whole /64 of IPv6.
#[must_use]
pub fn subscriber(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

/// The numbers are right after every statement, so a panic elsewhere spoils nothing.
fn lock(here: &Mutex<Here>) -> MutexGuard<'_, Here> {
    here.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_client_has_so_many_and_all_have_so_many() {
        let crowd = Crowd::new(3, 2);
        let client = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = crowd.enter(client("2001:db8::1")).unwrap();
        let _two = crowd.enter(client("2001:db8::2")).unwrap();
        let third = crowd.enter(client("2001:db8::3")).err();
        assert_eq!(third, Some(Full::OfClient), "a /64 is one client");
        let _three = crowd.enter(client("198.51.100.1")).unwrap();
        let fourth = crowd.enter(client("198.51.100.2")).err();
        assert_eq!(fourth, Some(Full::OfAll), "three are all");
        drop(one);
        let _four = crowd.enter(client("::ffff:198.51.100.1")).unwrap();
        assert_eq!(lock(&crowd.here).by_client.len(), 2, "the same in both notations");
    }
}
