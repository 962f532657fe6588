//! The wiring.

use common::service::{Context, Wired};

use crate::config::Config;
use crate::{admin, events, http};

/// loan-manager, for `common::service::run`.
pub struct App;

impl common::service::App for App {
    const NAME: &'static str = events::GROUP;
    const HTTP_PORT: u16 = 8292;
    type Config = Config;
    const MIGRATIONS: &sqlx::migrate::Migrator = &sqlx::migrate!("./migrations");

    async fn wire(_config: Config, ctx: Context) -> anyhow::Result<Wired> {
        let subscriptions = events::subscriptions(&ctx.clock);
        let admin = admin::router(admin::Admin { db: ctx.db.clone() }).into();
        let (router, _) =
            http::router(http::AppState { db: ctx.db, clock: ctx.clock }).split_for_parts();
        Ok(Wired { router, admin, subscriptions, tasks: Vec::new() })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(crate::openapi())
    }
}
