//! The wiring.

use common::service::{Context, Wired};
use sqlx::migrate::Migrator;

use crate::clients::loan_auth::LoanAuth;
use crate::config::Config;
use crate::tasks::{decide_pending, purge_unproven};
use crate::usecases::{Desk, OUTCOMES};
use crate::{admin, events, http};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The service.
pub struct App;

impl common::service::App for App {
    const NAME: &'static str = "loan-request";
    const HTTP_PORT: u16 = 8290;
    type Config = Config;
    const MIGRATIONS: &Migrator = &MIGRATIONS;

    async fn wire(config: Config, ctx: Context) -> anyhow::Result<Wired> {
        let auth = LoanAuth::new(
            &config.auth.auth_url,
            config.auth.service_credential.clone(),
            config.auth.certify(),
            config.auth.void(),
            &ctx.http,
        );
        for outcome in OUTCOMES {
            // There from the start, so that none of them is not the same as nothing known.
            let _ = metrics::histogram!("loan_request_done_seconds", "outcome" => outcome);
        }
        let desk = Desk::new(ctx.db.clone(), ctx.clock.clone(), auth, config.timing());
        let deciding =
            decide_pending(desk.clone(), config.background.decide_pending(), ctx.shutdown.clone());
        let purging =
            purge_unproven(desk.clone(), config.background.purge_unproven(), ctx.shutdown.clone());
        let admin = admin::router(admin::Admin { db: desk.db.clone(), clock: desk.clock.clone() });
        Ok(Wired {
            router: http::router(desk).into(),
            admin: admin.into(),
            subscriptions: events::subscriptions(ctx.clock),
            tasks: vec![
                ("decide_pending", Box::pin(deciding)),
                ("purge_unproven", Box::pin(purging)),
            ],
        })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(crate::openapi())
    }
}
