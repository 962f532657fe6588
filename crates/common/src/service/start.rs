//! From nothing to a running service.

use std::borrow::Cow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::{Next, from_fn};
use http::{HeaderValue, header};
use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::tasks::Life;
use super::{App, Context, Wired};
use crate::admin::{self, AdminApi, Credentials, Readiness};
use crate::clock::Clock;
use crate::config::ServiceSettings;
use crate::consumer::{Consumer, ConsumerSettings, Subscriptions, dead_letter};
use crate::db::{self, Db};
use crate::http::{Edge, ServerLimits, Stack};
use crate::outbox::{Relay, RelaySettings};
use crate::shutdown::Shutdown;
use crate::token::{JwksRefresh, TokenVerifier};
use crate::{kafka, telemetry};

/// The pause between two attempts to reach what the start needs.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The pause between two looks at topics that are not there.
const TOPICS_PAUSE: Duration = Duration::from_secs(5);

/// A connection to another service is made within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// No call to another service takes longer, whatever it is for.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections to other services are closed well before their end closes
/// them: a request must not be sent into a connection that is just going away.
const IDLE_TIMEOUT: Duration = Duration::from_secs(crate::http::HEADER_READ_SECONDS / 2);

/// How long a migration waits for a lock before it begins anew.
const LOCK_WAIT: &str = "3s";

pub(super) async fn run<A: App>(
    config: A::Config,
    settings: ServiceSettings,
    broker: kafka::Broker,
) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::new();
    let readiness = Readiness::new();
    let metrics = telemetry::start(A::NAME)?;
    let mut life = Life::new(shutdown.clone(), readiness.clone(), &settings)?;

    let admin = listen(settings.admin_addr, "ADMIN_ADDR").await?;
    let credentials = Credentials::try_new(settings.admin_credential.as_ref())
        .map_err(|reason| anyhow::anyhow!("ADMIN_CREDENTIAL: {reason}"))?;
    let admin_api = AdminApi::new(credentials);
    let router = admin::router(readiness.clone(), metrics.clone())
        // As a fallback: its routes are known only once the service has started.
        .fallback_service(admin_api.clone().into_router());
    life.until_last("admin", |stop| {
        serve(admin, router, admin::server_limits(), stop, shutdown.hard())
    });

    // Everything up to here is our own; from here on something may be away.
    let Some(started) = life.unless_ended(start::<A>(config, &settings, &shutdown)).await else {
        tracing::info!("ended before the start was over");
        return Ok(ExitCode::SUCCESS);
    };
    let (wired, context) = started?;
    readiness.set_pool(context.db.pool().clone());

    let pool = context.db.pool().clone();
    let authority = broker.clone();
    life.until_last("telemetry", |stop| async move {
        telemetry::sample(metrics, Some(pool), Some(authority), stop).await;
        Ok(())
    });
    let relay_active = work(&mut life, &context, broker, A::NAME, wired.subscriptions).await;
    let plumbing = admin::plumbing::router(context.db.clone(), relay_active);
    let routes = wired.admin.merge(plumbing).merge(admin::log_level::router());
    admin_api.set_routes(routes, |router| crate::http::stack(router, stack_of(&context)));
    for (name, task) in wired.tasks {
        life.work(name, async move |_| task.await);
    }
    let listener = listen(settings.http_addr, "HTTP_ADDR").await?;
    let router = served::<A>(wired.router, &context);
    let handles = crate::http::raise_handles();
    let connections = crate::http::connections_max(settings.http_connections_max, 0, handles);
    // Who calls a service is the gateway, or another service.
    let limits = ServerLimits { connections_max: connections, per_client: None };
    life.requests("http", |stop| serve(listener, router, limits, stop, shutdown.hard()));

    readiness.set_started();
    tracing::info!(http = %settings.http_addr, admin = %settings.admin_addr, "started");
    Ok(life.run().await)
}

/// Starts what every service does beside its requests; says whether this
/// instance is the relay, as that changes.
async fn work(
    life: &mut Life,
    context: &Context,
    broker: kafka::Broker,
    name: &'static str,
    events: Subscriptions,
) -> Arc<AtomicBool> {
    let settings = &context.settings;
    let figures = RelaySettings::from(settings);
    let relay =
        Relay::new(context.db.clone(), broker.clone(), name, figures, context.clock.clone());
    let relay_active = relay.activity();
    life.after_work("outbox", |stop| async move { Ok(relay.run(stop).await?) });

    let keys = JwksRefresh::new(
        context.verifier.clone(),
        settings.jwks_url.clone(),
        context.http.clone(),
        context.db.pool().clone(),
    );
    if let Err(error) = keys.load_cached().await {
        tracing::warn!(error = %db::described(&error), "no kept keys of the issuer");
    }
    life.work("keys", async move |stop| {
        keys.run(stop).await;
        Ok(())
    });

    let (db, figures) = (context.db.clone(), ConsumerSettings::from(settings));
    let clock = context.clock.clone();
    life.work("consumer", async move |stop| {
        let consumer = Consumer::new(db, broker.clone(), events.clone(), figures, clock);
        consume(consumer, broker, events, stop).await
    });
    relay_active
}

/// What needs the database: it is waited for, however long it takes.
async fn start<A: App>(
    config: A::Config,
    settings: &ServiceSettings,
    shutdown: &Shutdown,
) -> anyhow::Result<(Wired, Context)> {
    let db = connected(settings).await;
    migrated(settings, A::MIGRATIONS).await?;
    let clock = Clock::system();
    let context = Context {
        settings: settings.clone(),
        db,
        clock: clock.clone(),
        shutdown: shutdown.clone(),
        http: http_client()?,
        verifier: TokenVerifier::new(&settings.token_issuer, &settings.token_audience, clock),
    };
    let wired = A::wire(config, context.clone()).await?;
    Ok((wired, context))
}

/// Brings the tables up to date, and nothing else.
pub(super) async fn migrate_only<A: App>(settings: &ServiceSettings) -> anyhow::Result<ExitCode> {
    drop(connected(settings).await);
    migrated(settings, A::MIGRATIONS).await?;
    tracing::info!("the tables are up to date");
    Ok(ExitCode::SUCCESS)
}

async fn connected(settings: &ServiceSettings) -> Db {
    loop {
        match Db::connect(settings).await {
            Ok(db) => return db,
            Err(error) => {
                tracing::warn!(error = %db::described(&error), "waiting for the database");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// Brings the tables up to date. Several instances may start at once: sqlx lets
/// one of them work at a time.
async fn migrated(settings: &ServiceSettings, migrations: &Migrator) -> anyhow::Result<()> {
    // A migration may take longer than a request. It waits for a lock only shortly, and
    // then again: whoever stands behind it in the queue for a table waits as well.
    // And it may have to read whole tables.
    let planning = db::PLANNING.iter().map(|(name, _)| (*name, "on"));
    let options = db::connect_options(settings)?
        .options([("statement_timeout", "0"), ("lock_timeout", LOCK_WAIT)])
        .options(planning);
    // A newer version has been here, and goes back or stands beside this one: its
    // migrations only add (expand, then contract), and are none of our business.
    let migrations = Migrator {
        migrations: Cow::Owned(migrations.migrations.to_vec()),
        ignore_missing: true,
        ..Migrator::DEFAULT
    };
    loop {
        let outcome = async {
            let mut connection = options.connect().await?;
            migrations.run(&mut connection).await
        };
        match outcome.await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                if db::is_infrastructure(&error) =>
            {
                tracing::warn!(error = %db::described(&error), "the migration starts again");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error).context("the tables could not be brought up to date"),
        }
    }
}

fn http_client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .context("the HTTP client cannot be made")
}

async fn listen(address: std::net::SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{setting} {address} cannot be listened on"))
}

async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    stop: CancellationToken,
    abort: CancellationToken,
) -> anyhow::Result<()> {
    crate::http::serve(listener, router, limits, stop, abort).await;
    Ok(())
}

fn stack_of(context: &Context) -> Stack {
    Stack {
        edge: Edge::of(&context.settings),
        verifier: context.verifier.clone(),
        clock: context.clock.clone(),
        requests_max: usize::try_from(context.settings.http_requests_max).unwrap_or(usize::MAX),
    }
}

/// The service's router with what every service answers, in the stack.
fn served<A: App>(router: Router, context: &Context) -> Router {
    let mut router = router.merge(admin::health_router());
    if let Some(document) = A::openapi().and_then(|api| api.to_json().ok()) {
        let json = [(header::CONTENT_TYPE, "application/json")];
        let answer = axum::routing::get(async move || (json, document.clone()));
        router = router.route("/openapi.json", answer);
    }
    let parts = stack_of(context);
    let ending = context.shutdown.soft();
    let close_if_ending = move |request: axum::extract::Request, next: Next| {
        let ending = ending.clone();
        async move {
            let mut response = next.run(request).await;
            // While we are ending, whoever keeps connections is to open its next
            // one elsewhere.
            if ending.is_cancelled() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            response
        }
    };
    crate::http::stack(router, parts).layer(from_fn(close_if_ending))
}

/// Reads events once the topics are there. Neither a broker that is away nor a
/// topic that is missing keeps the service from answering requests. Without a topic
/// for dead letters events are read all the same, and it is said until it is there:
/// the first letter would have to wait, and all that is behind it.
async fn consume(
    consumer: Consumer,
    broker: kafka::Broker,
    subscriptions: Subscriptions,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let topics: Vec<String> = subscriptions.topics().iter().map(ToString::to_string).collect();
    let letters = topics.iter().map(|topic| dead_letter::topic_of(topic)).collect();
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = all_there(&broker, topics, "events", "topics are missing") => {}
    }
    let looking = all_there(&broker, letters, "letters", "topics for dead letters are missing");
    let consumer = consumer.run(stop);
    tokio::pin!(consumer);
    tokio::select! {
        ended = &mut consumer => return Ok(ended?),
        () = looking => {}
    }
    Ok(consumer.await?)
}

/// Waits until the broker has all of these topics, and says which it lacks.
async fn all_there(
    broker: &kafka::Broker,
    topics: Vec<String>,
    kind: &'static str,
    lacking: &'static str,
) {
    let missing_now = metrics::gauge!("kafka_topics_missing", "kind" => kind);
    while !topics.is_empty() {
        match kafka::missing_topics(broker, topics.clone(), TOPICS_PAUSE).await {
            Ok(missing) if missing.is_empty() => break,
            Ok(missing) => {
                missing_now.set(u32::try_from(missing.len()).unwrap_or(u32::MAX));
                tracing::warn!(topics = missing.join(" "), "{lacking}");
            }
            Err(error) => tracing::warn!(%error, "waiting for Kafka"),
        }
        tokio::time::sleep(TOPICS_PAUSE).await;
    }
    missing_now.set(0);
}
