//! The wiring.

use common::db::Db;
use common::kafka::Broker;
use common::service::{Context, Wired};

use crate::config::Config;
use crate::http::stream_loan_status::follow_feed::{FollowFeed, follow_feed};
use crate::http::stream_loan_status::hub::Hub;
use crate::http::until_shown::waiting_room::WaitingRoom;
use crate::http::until_shown::watch_versions::{WatchVersions, watch_versions};
use crate::tasks::rebuild_read_model::{Rebuilder, rebuild_read_model};
use crate::usecases::begin_generation::{Generation, begin_generation};
use crate::usecases::order_rebuild::orders;
use crate::{admin, events, http, store};

/// The service, for `common::service::run`.
pub struct App;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl common::service::App for App {
    const NAME: &'static str = "loan-status";
    const HTTP_PORT: u16 = 8294;
    type Config = Config;
    const MIGRATIONS: &sqlx::migrate::Migrator = &MIGRATIONS;

    async fn wire(config: Config, ctx: Context) -> anyhow::Result<Wired> {
        settle_generation(&ctx.db, config.read_model_generation).await?;
        let position = store::feed_counter::position(ctx.db.pool()).await?;
        let hub = Hub::new(config.stream.limits(), position);
        let follower = FollowFeed {
            pool: ctx.db.pool().clone(),
            hub: hub.clone(),
            clock: ctx.clock.clone(),
            commits: ctx.db.commits(),
            poll: config.stream.feed_poll(),
        };
        let soft = ctx.shutdown.soft();
        let stop = soft.clone();
        let following = Box::pin(async move {
            follow_feed(follower, stop).await;
            Ok(())
        });
        let (orders, placed) = orders();
        let admin = admin::router(admin::Admin { db: ctx.db.clone(), orders });
        let subscriptions = events::subscriptions(events::group_of(config.read_model_generation));
        let rebuilder = Rebuilder {
            db: ctx.db.clone(),
            clock: ctx.clock.clone(),
            broker: Broker::try_of(&ctx.settings)?,
            subscriptions: subscriptions.clone(),
        };
        let stop = soft.clone();
        let rebuilding = Box::pin(async move {
            rebuild_read_model(rebuilder, placed, stop).await;
            Ok(())
        });
        let versions = &config.versions;
        let room = WaitingRoom::new(versions.waits_max());
        let watcher = WatchVersions {
            pool: ctx.db.pool().clone(),
            room: room.clone(),
            commits: ctx.db.commits(),
            poll: versions.poll(),
        };
        let stop = soft.clone();
        let watching = Box::pin(async move {
            watch_versions(watcher, stop).await;
            Ok(())
        });
        let api = http::Api::new(ctx.db, ctx.clock, hub, &config.stream, room, versions, soft);
        let (router, _) = http::router(api).split_for_parts();
        Ok(Wired {
            router,
            admin: admin.into(),
            subscriptions,
            tasks: vec![
                ("follow_feed", following),
                ("watch_versions", watching),
                ("rebuild_read_model", rebuilding),
            ],
        })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(crate::openapi())
    }
}

/// Empties the read model if the setting asks for another one.
async fn settle_generation(db: &Db, wanted: i32) -> anyhow::Result<()> {
    match db.in_tx("begin_generation", async |tx| begin_generation(tx, wanted).await).await? {
        Generation::Same => {}
        Generation::Begun => {
            tracing::warn!(
                generation = wanted,
                "the read model was emptied and is made anew from offset 0"
            );
        }
        Generation::Later(present) => anyhow::bail!(
            "the read model is of generation {present}, and READ_MODEL_GENERATION is {wanted}: it is never lowered"
        ),
    }
    Ok(())
}
