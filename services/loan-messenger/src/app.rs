//! The wiring.

use std::sync::Arc;

use ::events::codes::Channel;
use common::service::{Context, Wired};

use crate::config::Config;
use crate::tasks::{deliver, send_codes, watch_queue};
use crate::usecases::Office;
use crate::{admin, events, http};

/// The service, for `common::service::run`.
pub struct App;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl common::service::App for App {
    const NAME: &'static str = events::GROUP;
    const HTTP_PORT: u16 = 8293;
    type Config = Config;
    const MIGRATIONS: &sqlx::migrate::Migrator = &MIGRATIONS;

    async fn wire(config: Config, ctx: Context) -> anyhow::Result<Wired> {
        let ways = config.ways(&ctx.clock)?;
        let rules = config.rules(&ways);
        let office = Office {
            db: ctx.db.clone(),
            clock: ctx.clock.clone(),
            rules,
            ways: Arc::new(ways),
            circuits: config.delivery.circuits(),
            code_circuits: config.delivery.circuits(),
            shutdown: ctx.shutdown,
        };
        let figures = config.deliver();
        let codes = |channel| Box::pin(send_codes(office.clone(), channel, figures.poll));
        let lane = |channel| Box::pin(deliver(office.clone(), channel, figures));
        let admin = admin::Admin { db: ctx.db.clone(), clock: ctx.clock.clone(), rules };
        let api = http::Api { db: ctx.db, clock: ctx.clock.clone(), rules };
        let (router, _) = http::router(api).split_for_parts();
        Ok(Wired {
            router,
            admin: admin::router(admin).into(),
            subscriptions: events::subscriptions(&ctx.clock, &rules),
            tasks: vec![
                ("deliver_mail", lane(Channel::Mail)),
                ("deliver_sms", lane(Channel::Sms)),
                ("deliver_webhook", lane(Channel::Webhook)),
                ("send_mail_codes", codes(Channel::Mail)),
                ("send_sms_codes", codes(Channel::Sms)),
                ("send_webhook_codes", codes(Channel::Webhook)),
                ("watch_queue", Box::pin(watch_queue(office, config.watch_queue()))),
            ],
        })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(crate::openapi())
    }
}
