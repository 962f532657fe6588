//! Every setting of this service, with its default and its reason.

use std::time::Duration;

use common::config::{Secret, ServiceSettings};
use common::outbound::{BreakerSettings, OutboundSettings, RetrySettings};
use time::Duration as Span;
use url::Url;

use crate::tasks::{DecidePending, PurgeUnproven};
use crate::usecases::Timing;

/// What the database may take before and after both calls. Nobody asks for a decision
/// by the clock before it has passed too. It is not part of the time for which a
/// replay is told that its request is being answered: should that replay come before
/// the first answer, loan-auth's row still decides for both.
const ANSWER_MARGIN: Span = Span::milliseconds(250);

/// loan-request: requests for new loans and repayments, certified at once.
#[derive(clap::Parser, Clone, Debug)]
#[command(name = "loan-request", version)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
    /// The synchronous call.
    #[command(flatten)]
    pub auth: AuthSettings,
    /// What runs by the clock.
    #[command(flatten)]
    pub background: BackgroundSettings,
}

/// The call to loan-auth.
#[derive(clap::Args, Clone, Debug)]
pub struct AuthSettings {
    /// Where loan-auth is.
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:8291")]
    pub auth_url: Url,

    /// What loan-auth knows this service by. It has no default because a secret in
    /// a default is none.
    #[arg(long, env = "SERVICE_CREDENTIAL", required = true, hide_env_values = true)]
    pub service_credential: Secret,

    /// How long a certification may take in all, retries included, in
    /// milliseconds: what the customers of the old system were used to wait.
    #[arg(long, env = "CERTIFY_TIMEOUT_MS", default_value_t = 610,
          value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub certify_timeout_ms: u64,

    /// How long taking the question back may take, in milliseconds. With the
    /// timeout above it is the longest that a customer waits for an answer.
    #[arg(long, env = "VOID_TIMEOUT_MS", default_value_t = 250,
          value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub void_timeout_ms: u64,

    /// Requests on their way at once at most (the bulkhead), from before their row to
    /// their answer; further ones are answered 503 at once. More than a hundred
    /// concurrent clients, and few enough that a slow loan-auth does not tie up
    /// everything here, and that nobody waits for long where too many come.
    #[arg(long, env = "CERTIFY_CONCURRENCY_MAX", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub certify_concurrency_max: u32,

    /// Voids on their way at once at most: as many as certifications can time out
    /// together.
    #[arg(long, env = "VOID_CONCURRENCY_MAX", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub void_concurrency_max: u32,

    /// The circuit breaker opens after so many failures in a row. Few come by chance where a
    /// loan-auth that is only slow answers some in time …
    #[arg(long, env = "BREAKER_FAILURES_IN_A_ROW", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub breaker_failures_in_a_row: u32,

    /// … and only if they have gone on for so long, in milliseconds: a machine that stands
    /// still for a moment makes all calls late that are on their way, and is no outage.
    #[arg(long, env = "BREAKER_FAILING_FOR_MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub breaker_failing_for_ms: u64,

    /// It also opens when fewer than so many in a hundred calls succeed.
    #[arg(long, env = "BREAKER_SUCCESS_PERCENT_MIN", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub breaker_success_percent_min: u32,

    /// The time over which that is weighed, in seconds.
    #[arg(long, env = "BREAKER_WINDOW_SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    pub breaker_window_seconds: u64,

    /// The calls in that time that are needed to weigh them.
    #[arg(long, env = "BREAKER_CALLS_MIN", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub breaker_calls_min: u32,

    /// How long the breaker stays open at first, in milliseconds; twice as long
    /// after each probe that failed.
    #[arg(long, env = "BREAKER_OPEN_MIN_MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub breaker_open_min_ms: u64,

    /// The longest that it stays open, in milliseconds: how late applying works
    /// again after loan-auth is back.
    #[arg(long, env = "BREAKER_OPEN_MAX_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub breaker_open_max_ms: u64,

    /// Calls at once that may try whether loan-auth is back.
    #[arg(long, env = "BREAKER_PROBES_MAX", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub breaker_probes_max: u32,

    /// How often one call is sent again at most, within its timeout. loan-auth
    /// knows a request by its id, so sending it twice is sending it once.
    #[arg(long, env = "CERTIFY_RETRIES_MAX", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(0..=10))]
    pub certify_retries_max: u32,

    /// What retries may add to the load at most, in percent.
    #[arg(long, env = "CERTIFY_RETRY_PERCENT_MAX", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub certify_retry_percent_max: u32,
}

/// What runs by the clock.
#[derive(clap::Args, Clone, Debug)]
pub struct BackgroundSettings {
    /// How long after its submission an undecided request is asked for by any
    /// instance, in seconds. Longer than the caller of the request waits.
    #[arg(long, env = "DECIDE_AFTER_SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub decide_after_seconds: u32,

    /// How often undecided requests are looked for, in milliseconds.
    #[arg(long, env = "DECIDE_POLL_MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub decide_poll_ms: u64,

    /// The pause after asking in vain, in seconds; it doubles with every attempt.
    #[arg(long, env = "DECIDE_PAUSE_SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub decide_pause_seconds: u32,

    /// The longest pause, in seconds: how late a request is decided after loan-auth
    /// is back.
    #[arg(long, env = "DECIDE_PAUSE_MAX_SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub decide_pause_max_seconds: u32,

    /// Undecided requests that one instance takes at once at most.
    #[arg(long, env = "DECIDE_BATCH_MAX", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub decide_batch_max: u32,

    /// Of those, how many are asked for at the same time.
    #[arg(long, env = "DECIDE_CONCURRENCY_MAX", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub decide_concurrency_max: u32,

    /// How long refused requests are kept for officers and audit, in days.
    #[arg(long, env = "REFUSED_KEEP_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub refused_keep_days: u32,

    /// How long requests are kept for audit that were withdrawn before anyone was
    /// certified (loan-auth was not reached, or did not answer in time), in days.
    #[arg(long, env = "WITHDRAWN_KEEP_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub withdrawn_keep_days: u32,

    /// How often old refused and withdrawn requests are looked for, in seconds.
    #[arg(long, env = "PURGE_SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub purge_seconds: u64,

    /// Rows that one statement purges at most, so that none takes long.
    #[arg(long, env = "PURGE_BATCH_MAX", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub purge_batch_max: u32,
}

impl Config {
    /// How long things may take.
    #[must_use]
    pub fn timing(&self) -> Timing {
        let calls = self.auth.certify_timeout_ms + self.auth.void_timeout_ms;
        let window = Span::try_from(Duration::from_millis(calls)).unwrap_or(Span::MAX);
        let decide_after = Span::seconds(self.background.decide_after_seconds.into());
        Timing {
            answer_window: window,
            decide_after: decide_after.max(window.saturating_add(ANSWER_MARGIN)),
        }
    }
}

impl AuthSettings {
    /// The figures of certifying.
    #[must_use]
    pub fn certify(&self) -> OutboundSettings {
        self.outbound(self.certify_timeout_ms, self.certify_concurrency_max)
    }

    /// The figures of voiding.
    #[must_use]
    pub fn void(&self) -> OutboundSettings {
        self.outbound(self.void_timeout_ms, self.void_concurrency_max)
    }

    fn outbound(&self, timeout_ms: u64, concurrency_max: u32) -> OutboundSettings {
        #[expect(clippy::cast_precision_loss, reason = "a percentage has no last digit to lose")]
        let share_max = self.certify_retry_percent_max as f32 / 100.0;
        OutboundSettings {
            timeout: Duration::from_millis(timeout_ms),
            concurrency_max: concurrency_max as usize,
            breaker: BreakerSettings {
                failures_in_a_row: self.breaker_failures_in_a_row,
                failing_for_min: Duration::from_millis(self.breaker_failing_for_ms),
                success_share_min: f64::from(self.breaker_success_percent_min) / 100.0,
                window: Duration::from_secs(self.breaker_window_seconds),
                calls_min: self.breaker_calls_min,
                open_min: Duration::from_millis(self.breaker_open_min_ms),
                open_max: Duration::from_millis(
                    self.breaker_open_max_ms.max(self.breaker_open_min_ms),
                ),
                probes_max: self.breaker_probes_max,
            },
            retry: RetrySettings {
                retries_max: self.certify_retries_max,
                share_max,
                ..RetrySettings::default()
            },
        }
    }
}

impl BackgroundSettings {
    /// The figures of asking on.
    #[must_use]
    pub fn decide_pending(&self) -> DecidePending {
        let pause = Span::seconds(self.decide_pause_seconds.into());
        DecidePending {
            poll: Duration::from_millis(self.decide_poll_ms),
            pause,
            pause_max: Span::seconds(self.decide_pause_max_seconds.into()).max(pause),
            batch_max: self.decide_batch_max,
            concurrency_max: self.decide_concurrency_max as usize,
        }
    }

    /// The figures of purging.
    #[must_use]
    pub fn purge_unproven(&self) -> PurgeUnproven {
        PurgeUnproven {
            keep_refused: Span::days(self.refused_keep_days.into()),
            keep_withdrawn: Span::days(self.withdrawn_keep_days.into()),
            every: Duration::from_secs(self.purge_seconds),
            batch_max: self.purge_batch_max,
        }
    }
}

impl AsRef<ServiceSettings> for Config {
    fn as_ref(&self) -> &ServiceSettings {
        &self.service
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use common::config::{ConfigError, try_load_from};

    use super::*;

    fn config(settings: &[&str]) -> Result<Config, ConfigError> {
        let args = ["loan-request", "--database-url=postgres://db", "--service-credential=s"];
        try_load_from(args.iter().chain(settings).map(Into::into), &[])
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        //
        let config = config(&[]).unwrap();
        assert_eq!(config.auth.certify().timeout, Duration::from_millis(610));
        assert_eq!(config.auth.void().timeout, Duration::from_millis(250));
        assert_eq!(config.timing().decide_after, Span::seconds(5));
        assert_eq!(config.timing().answer_window, Span::milliseconds(860));
        let purging = config.background.purge_unproven();
        assert_eq!(
            (purging.keep_refused, purging.keep_withdrawn),
            (Span::days(30), Span::days(30))
        );
    }

    #[test]
    fn nobody_voids_what_is_still_being_asked() {
        let slow = config(&["--certify-timeout-ms=9000", "--decide-after-seconds=1"]).unwrap();
        let timing = slow.timing();
        assert_eq!(timing.answer_window, Span::milliseconds(9_250));
        assert!(timing.decide_after > timing.answer_window);
    }

    #[test]
    fn a_wrong_setting_is_said_in_one_line() {
        //
        for wrong in ["--certify-timeout-ms=0", "--breaker-success-percent-min=101", "--auth-url=x"]
        {
            let error = config(&[wrong]).unwrap_err();
            assert!(matches!(&error, ConfigError::Wrong(line) if !line.contains('\n')), "{error}");
        }
        let without = ["loan-request", "--database-url=postgres://db"].map(Into::into);
        let error = try_load_from::<Config>(without, &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Wrong(_)), "{error}");
    }
}
