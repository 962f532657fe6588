#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use sqlx::{ConnectOptions as _, PgPool};

use super::*;

/// A signal reaches every test of this process: those that send one, or would end
/// by one, run one after the other.
pub(super) static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Sends SIGTERM to this process; tokio has taken its handling over before.
pub(super) fn terminate() {
    let me = std::process::id().to_string();
    let status = std::process::Command::new("kill").args(["-TERM", &me]).status().unwrap();
    assert!(status.success());
}

struct Notes;

#[derive(Clone, clap::Parser)]
struct Config {
    #[command(flatten)]
    service: ServiceSettings,
}

impl AsRef<ServiceSettings> for Config {
    fn as_ref(&self) -> &ServiceSettings {
        &self.service
    }
}

impl App for Notes {
    const NAME: &'static str = "notes";
    const MIGRATIONS: &sqlx::migrate::Migrator = &sqlx::migrate!("./migrations");
    type Config = Config;

    async fn wire(_config: Config, ctx: Context) -> anyhow::Result<Wired> {
        let soft = ctx.shutdown.soft();
        let task = Box::pin(async move {
            soft.cancelled().await;
            anyhow::Ok(())
        });
        let slow = get(async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            "done"
        });
        Ok(Wired {
            router: Router::new().route("/slow", slow),
            admin: Router::new().route("/notes", get(async || "all of them")).into(),
            subscriptions: Subscriptions::new(Self::NAME),
            tasks: vec![("task", task)],
        })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(utoipa::openapi::OpenApi::default())
    }
}

const SECRET: &str = "a-secret-of-operators-in-tests";

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn status(http: &reqwest::Client, url: &str) -> Option<u16> {
    Some(http.get(url).send().await.ok()?.status().as_u16())
}

async fn until(http: &reqwest::Client, url: &str, wanted: Option<u16>) {
    for _ in 0..200 {
        if status(http, url).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{url} did not become {wanted:?}");
}

/// The whole life of a service with its database and without a broker and an
/// issuer: it starts, is ready, answers, and ends in good order.
//
#[sqlx::test]
async fn a_service_starts_without_broker_and_issuer_and_ends_in_good_order(pool: PgPool) {
    let _guard = ONE_AT_A_TIME.lock().await;
    let tables = include_str!("../../migrations/plumbing.sql");
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    let (port, admin_port) = (free_port(), free_port());
    let args = [
        "notes".to_owned(),
        format!("--database-url={}", pool.connect_options().to_url_lossy()),
        format!("--http-addr=127.0.0.1:{port}"),
        format!("--admin-addr=127.0.0.1:{admin_port}"),
        "--kafka-bootstrap=127.0.0.1:1".to_owned(),
        "--jwks-url=http://127.0.0.1:1/jwks.json".to_owned(),
        format!("--admin-credential=tests:read:{SECRET}"),
    ];
    let config: Config = crate::config::try_load_from(args.map(OsString::from), &[]).unwrap();
    let mut settings = config.service.clone();
    settings.service_name = Notes::NAME;
    let broker = crate::kafka::Broker::try_of(&settings).unwrap();
    let running = start::run::<Notes>(config, settings, broker);
    let (code, ()) = tokio::join!(running, seen_from_outside(port, admin_port));
    let code = code.unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
}

async fn seen_from_outside(port: u16, admin_port: u16) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let admin = format!("http://127.0.0.1:{admin_port}");
    until(&http, &format!("{admin}/readyz"), Some(200)).await;
    assert_eq!(status(&http, &format!("{admin}/livez")).await, Some(200));
    assert_eq!(status(&http, &format!("{base}/actuator/health")).await, Some(200));
    assert_eq!(status(&http, &format!("{base}/openapi.json")).await, Some(200));
    assert_eq!(status(&http, &format!("{base}/livez")).await, Some(404), "not on this port");
    let figures = http.get(format!("{admin}/metrics")).send().await.unwrap();
    assert!(figures.text().await.unwrap().contains("service_info"));

    let notes = http.get(format!("{admin}/admin/notes")).bearer_auth(SECRET).send().await.unwrap();
    assert_eq!(notes.text().await.unwrap(), "all of them");
    assert_eq!(status(&http, &format!("{admin}/admin/notes")).await, Some(401));
    assert_eq!(status(&http, &format!("{base}/admin/notes")).await, Some(404), "not on this port");

    let slow = tokio::spawn(http.get(format!("{base}/slow")).send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    terminate();
    until(&http, &format!("{admin}/readyz"), Some(503)).await;
    let slow = slow.await.unwrap().unwrap();
    assert_eq!(slow.headers()["connection"], "close");
    assert_eq!(slow.text().await.unwrap(), "done");
    until(&http, &format!("{base}/actuator/health"), None).await;
}
