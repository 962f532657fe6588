//! What is logged, and changing that while the process runs: who looks for a fault can't
//! restart what has it.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::{EnvFilter, Registry, reload};

/// A filter as it is written has at most this many characters.
const LEVEL_CHARS_MAX: usize = 500;

/// What libraries say is only wanted where it is a warning, whatever our own
/// level; the operator's filter comes after it and has the last word. rdkafka's
/// client repeats each of librdkafka's errors, several times a second while a
/// broker is away, and our own contexts tell them too.
const LIBRARIES: &str = "hyper=warn,hyper_util=warn,h2=warn,sqlx=warn,rdkafka=warn,rdkafka::client=off,\
    librdkafka=warn,reqwest=warn,rustls=warn,tower=warn,tower_http=warn,opentelemetry=warn,\
    opentelemetry_sdk=warn,\
    opentelemetry-otlp=warn,opentelemetry-http=warn,axum_reverse_proxy=warn";

/// The filter in the place where it can be exchanged.
pub(super) type Changeable = reload::Handle<EnvFilter, Registry>;

/// The one of this process, and how it was written.
static CURRENT: OnceLock<(Changeable, Mutex<String>)> = OnceLock::new();

/// Why it can't be what is logged.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// It is no filter.
    #[error("{0}")]
    Filter(#[from] ParseError),
    /// It would be the name of what is to be logged, and of nothing there is.
    #[error(
        "`{0}` is none of error, warn, info, debug, trace and off; each part between the commas is LEVEL or TARGET=LEVEL"
    )]
    NoLevel(String),
    /// It is longer than anybody needs.
    #[error("more than {LEVEL_CHARS_MAX} characters")]
    TooLong,
    /// Logs were not started.
    #[error("there are no logs")]
    NoLogs(#[from] reload::Error),
}

/// An operator's filter, after what we think of libraries.
pub(super) fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    if level.chars().count() > LEVEL_CHARS_MAX {
        return Err(LevelError::TooLong);
    }
    // To the filter a mistyped level is the name of a part of the program: it alone would be logged,
    // and there would be silence.
    for directive in level.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
        if level.is_empty() || level.parse::<LevelFilter>().is_err() {
            return Err(LevelError::NoLevel(level.to_owned()));
        }
    }
    Ok(EnvFilter::try_new(format!("{LIBRARIES},{level}"))?)
}

/// Remembers where it is.
pub(super) fn keep(level: &str, changeable: Changeable) {
    // The first is the only one: logs are started once.
    let _ = CURRENT.set((changeable, Mutex::new(level.to_owned())));
}

/// What is logged now, as `LOG_LEVEL` is written; empty without logs.
#[must_use]
pub fn level() -> String {
    let Some((_, level)) = CURRENT.get() else { return String::new() };
    level.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Logs this from now on, until the process ends.
///
/// # Errors
///
/// [`LevelError`]; what is logged stays as it was.
pub fn set_level(level: &str) -> Result<(), LevelError> {
    let filter = filter(level)?;
    let Some((changeable, current)) = CURRENT.get() else { return Ok(()) };
    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
    changeable.reload(filter)?;
    level.clone_into(&mut current);
    Ok(())
}
