//! Whether somebody is who they say: login name, name and password.
//!
//! The order is: what has failed before (one statement, which also finds the
//! person), then whether the password was right a moment ago, and only then
//! argon2. An unknown login name takes the same way, the same time and gets the
//! same answer.
//!
//! Attempts on one account from one address are checked one after the other, so
//! that a hundred guesses at once are not a hundred guesses beyond the bound; a
//! hundred right ones at once are one hash, because the others find its outcome.
//! The other bounds are looked at again with the place for hashing in hand, and
//! so are exceeded by no more guesses than can be hashed at the same time.

use std::sync::Arc;
use std::time::Duration;

use ::events::CustomerId;
use aws_lc_rs::{digest, hmac};
use common::clock::Clock;
use common::config::Secret;
use common::db::{Db, Gather};
use common::http::caller_waits_until;
use moka::sync::Cache;
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::hash_password::{Hasher, normalised};
use super::{Origin, Purpose, user_key};
use crate::domain::brute_force::Bounds;
use crate::domain::person::Person;
use crate::error::Error;
use crate::store;
use crate::store::person::{Attempted, Candidate};

/// How long a right password from an address need not be noted again.
const NOTED_FOR: time::Duration = time::Duration::days(1);

/// The figures of proving.
#[derive(Clone, Copy, Debug)]
pub struct ProverSettings {
    /// How many failures are borne.
    pub bounds: Bounds,
    /// How long a right password is remembered.
    pub remembered: Duration,
    /// People whose password is remembered at most.
    pub remembered_max: u64,
}

/// What somebody says.
#[derive(Clone)]
pub struct Attempt {
    /// What for: whose places for hashing it takes.
    pub purpose: Purpose,
    /// The login name.
    pub user_id: String,
    /// The name, where it is asked for, in any form.
    pub user_name: Option<String>,
    /// The password.
    pub password: Secret,
    /// From where.
    pub origin: Origin,
}

/// What came of it.
#[derive(Debug)]
pub enum Proof {
    /// It is this person.
    Proven(Proven),
    /// It is not, or there is no such person.
    Wrong,
    /// Too many failures before; nothing was looked at.
    Throttled {
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

/// A person who is who they say.
#[derive(Clone, Debug)]
pub struct Proven {
    /// Who.
    pub person: Person,
    /// The address to note as the person's own: at most once a day.
    pub note: Option<Origin>,
}

/// Checks who somebody is. Cloning is cheap; clones share what they remember.
#[derive(Clone)]
pub struct Prover(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    hasher: Hasher,
    bounds: Bounds,
    /// Looks at people, those that are taken at the same time together.
    people: Gather<Attempted, Candidate>,
    remembered: Cache<CustomerId, Remembered>,
    /// New with every process: what is remembered is of no use anywhere else.
    key: hmac::Key,
    /// One attempt at a time for an account from an address.
    turns: Cache<Turn, Arc<Mutex<()>>>,
    /// How often somebody came too early.
    refusals: Cache<Turn, u32>,
}

/// One attempt after the other, of one account from one address for one purpose: who logs in
/// holds up nobody's certification.
type Turn = ([u8; 32], Origin, Purpose);

/// That a password was right.
#[derive(Clone)]
struct Remembered {
    credential_version: i64,
    tag: hmac::Tag,
}

/// Attempts on different accounts that are kept apart at most; beyond that an old
/// one is forgotten, which costs a hash or a second's growth.
const TURNS_MAX: u64 = 100_000;

/// What a hash and the writing of what comes of it take at most, on a busy machine.
const HASHED_WITHIN: Duration = Duration::from_millis(100);

/// How long the growth of `Retry-After` is remembered after the last attempt.
const REFUSALS_REMEMBERED: Duration = Duration::from_secs(300);

impl Prover {
    /// A prover with these figures.
    ///
    /// # Errors
    /// [`Error::Internal`] if the computer has no randomness.
    pub fn try_new(
        db: Db,
        clock: Clock,
        hasher: Hasher,
        settings: ProverSettings,
    ) -> Result<Self, Error> {
        let mut secret = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| Error::Internal)?;
        let (pool, now, bounds) = (db.pool().clone(), clock.clone(), settings.bounds);
        let people = Gather::new("look_at_people", move |attempts: &[Attempted]| {
            let (pool, now) = (pool.clone(), now.now());
            Box::pin(async move { store::person::candidates(&pool, attempts, &bounds, now).await })
        });
        Ok(Self(Arc::new(Inner {
            db,
            clock,
            hasher,
            bounds,
            people,
            remembered: Cache::builder()
                .max_capacity(settings.remembered_max)
                .time_to_live(settings.remembered)
                .build(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            turns: Cache::builder()
                .max_capacity(TURNS_MAX)
                .time_to_idle(REFUSALS_REMEMBERED)
                .build(),
            refusals: Cache::builder()
                .max_capacity(TURNS_MAX)
                .time_to_idle(REFUSALS_REMEMBERED)
                .build(),
        })))
    }

    /// Forgets that a person's password was right: it has changed, or they are gone.
    pub fn forget(&self, id: CustomerId) {
        self.0.remembered.invalidate(&id);
    }

    /// Checks an attempt, and counts it if it fails.
    ///
    /// # Errors
    /// [`Error::Busy`] if too many passwords are being checked; the database's.
    pub async fn prove_person(&self, attempt: Attempt) -> Result<Proof, Error> {
        let claim = Claim::of(attempt);
        let candidate = self.0.look(&claim).await?;
        let proof = match self.0.without_hash(&claim, &candidate) {
            Some(proof) => proof,
            None => self.clone().with_hash(claim, candidate).await?,
        };
        let outcome = match &proof {
            Proof::Proven(_) => "proven",
            Proof::Wrong => "wrong",
            Proof::Throttled { .. } => "throttled",
        };
        metrics::counter!("auth_proofs_total", "outcome" => outcome).increment(1);
        Ok(proof)
    }

    /// The way with a hash. It goes on to its end when the caller has gone, so that
    /// no failure stays uncounted by hanging up.
    async fn with_hash(self, claim: Claim, before: Candidate) -> Result<Proof, Error> {
        let own = self.0.hasher.deadline();
        // A place that comes too late for the caller is not waited for: the hash, which is the
        // dearest that there is, would be nobody's.
        let deadline = caller_waits_until()
            .and_then(|until| until.checked_sub(HASHED_WITHIN))
            .map_or(own, |until| own.min(until));
        let work = async move { self.0.hash(&claim, &before, deadline).await };
        tokio::spawn(work.in_current_span()).await.map_err(|error| {
            tracing::error!(is_panic = error.is_panic(), "proving a person did not end");
            Error::Internal
        })?
    }
}

/// An attempt in the forms that are compared.
struct Claim {
    purpose: Purpose,
    user_key: String,
    account: [u8; 32],
    user_name: Option<String>,
    password: Secret,
    origin: Origin,
}

impl Claim {
    fn of(attempt: Attempt) -> Self {
        let user_key = user_key(&attempt.user_id);
        let mut account = [0; 32];
        account.copy_from_slice(digest::digest(&digest::SHA256, user_key.as_bytes()).as_ref());
        Self {
            purpose: attempt.purpose,
            user_key,
            account,
            user_name: attempt.user_name.as_deref().map(super::nfc),
            password: normalised(&attempt.password),
            origin: attempt.origin,
        }
    }

    fn turn(&self) -> Turn {
        (self.account, self.origin.clone(), self.purpose)
    }

    /// Whether the person is named as claimed; a login does not claim a name.
    fn names(&self, person: &Person) -> bool {
        self.user_name.as_deref().is_none_or(|claimed| person.is_named(claimed))
    }
}

impl Inner {
    async fn look(&self, claim: &Claim) -> Result<Candidate, Error> {
        let attempted = Attempted {
            user_key: claim.user_key.clone(),
            account: claim.account.to_vec(),
            address: claim.origin.as_str().to_owned(),
        };
        if let Some(found) = self.people.run(attempted.clone()).await? {
            return Ok(found);
        }
        let (pool, now) = (self.db.pool(), self.clock.now());
        let mut found = store::person::candidates(pool, &[attempted], &self.bounds, now).await?;
        Ok(found.pop().ok_or(sqlx::Error::RowNotFound)?)
    }

    /// What can be said without a hash.
    fn without_hash(&self, claim: &Claim, candidate: &Candidate) -> Option<Proof> {
        let now = self.clock.now();
        if let Some(blocked_for) = self.bounds.blocked_for(&candidate.counters, now) {
            return Some(self.throttled(claim, blocked_for));
        }
        // A wrong name goes the long way even with the right password, or the quick
        // answer would tell that the password is right.
        let (person, _) = candidate.person.as_ref()?;
        let is_known = claim.names(person) && self.remembers(person, &claim.password);
        is_known.then(|| proven(person.clone(), claim, candidate.counters.known_since, now))
    }

    async fn hash(
        &self,
        claim: &Claim,
        before: &Candidate,
        deadline: Instant,
    ) -> Result<Proof, Error> {
        let turn = self.turns.get_with(claim.turn(), Arc::default);
        let turn_comes =
            async || tokio::time::timeout_at(deadline, turn.lock()).await.map_err(|_| Error::Busy);
        let mut own_turn = turn_comes().await?;
        let is_proven = before.person.as_ref().is_some_and(|(person, _)| {
            claim.names(person) && self.remembers(person, &claim.password)
        });
        if is_proven {
            // The one before has proven it, so all that wait may look at once, and none has to
            // wait for the others' look.
            drop(own_turn);
            if let Some(proof) = self.without_hash(claim, &self.look(claim).await?) {
                return Ok(proof);
            }
            own_turn = turn_comes().await?;
        }
        let _turn = own_turn;
        let place = self.hasher.place(claim.purpose, &claim.origin, deadline).await?;
        // Others may have failed, or proven it, while this one waited.
        let candidate = self.look(claim).await?;
        if let Some(proof) = self.without_hash(claim, &candidate) {
            return Ok(proof);
        }
        let (person, hash) = candidate.person.unzip();
        let is_right = self.hasher.is_right(place, &claim.password, hash).await?;
        let now = self.clock.now();
        match person {
            Some(person) if is_right && claim.names(&person) => {
                self.remember(&person, &claim.password);
                Ok(proven(person, claim, candidate.counters.known_since, now))
            }
            _ => {
                self.db
                    .in_tx("count_login_failure", async |tx| {
                        store::login_failure::add(tx, &claim.account, claim.origin.as_str(), now)
                            .await
                    })
                    .await?;
                Ok(Proof::Wrong)
            }
        }
    }

    fn throttled(&self, claim: &Claim, blocked_for: time::Duration) -> Proof {
        let turn = claim.turn();
        let before = self.refusals.get(&turn).unwrap_or(0);
        self.refusals.insert(turn, before.saturating_add(1));
        let retry_after = self.bounds.retry_after(blocked_for, before).unsigned_abs();
        Proof::Throttled { retry_after }
    }

    fn remembers(&self, person: &Person, password: &Secret) -> bool {
        self.remembered.get(&person.id).is_some_and(|remembered| {
            let password = password.expose_secret().as_bytes();
            remembered.credential_version == person.credential_version
                && hmac::verify(&self.key, password, remembered.tag.as_ref()).is_ok()
        })
    }

    fn remember(&self, person: &Person, password: &Secret) {
        let tag = hmac::sign(&self.key, password.expose_secret().as_bytes());
        let credential_version = person.credential_version;
        self.remembered.insert(person.id, Remembered { credential_version, tag });
    }
}

fn proven(
    person: Person,
    claim: &Claim,
    known_since: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Proof {
    let is_noted = known_since.is_some_and(|at| at > now - NOTED_FOR);
    let note = (!is_noted).then(|| claim.origin.clone());
    Proof::Proven(Proven { person, note })
}
