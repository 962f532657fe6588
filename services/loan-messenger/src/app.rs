//! The wiring.

use common::service::{Context, Wired};

use crate::config::Config;
use crate::{admin, events, http};

/// The service, for `common::service::run`.
pub struct App;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl common::service::App for App {
    const NAME: &'static str = events::GROUP;
    const HTTP_PORT: u16 = 8293;
    type Config = Config;
    const MIGRATIONS: &sqlx::migrate::Migrator = &MIGRATIONS;

    async fn wire(_config: Config, ctx: Context) -> anyhow::Result<Wired> {
        let admin = admin::router(admin::Admin { db: ctx.db.clone() }).into();
        let (router, _) = http::router(http::Api { db: ctx.db }).split_for_parts();
        let subscriptions = events::subscriptions(&ctx.clock);
        Ok(Wired { router, admin, subscriptions, tasks: Vec::new() })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(crate::openapi())
    }
}
