//! The wiring.

use anyhow::Context as _;
use common::service::{Context, Wired};

use crate::config::Config;
use crate::http::{Api, Services};
use crate::usecases::{
    Certifier, Hasher, Prover, Registrar, TokenSigner, has_demo_data, seed_demo_data,
};
use crate::{admin, events, http, tasks};

/// The service, for `common::service::run`.
pub struct App;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl common::service::App for App {
    const NAME: &'static str = events::GROUP;
    const HTTP_PORT: u16 = 8291;
    type Config = Config;
    const MIGRATIONS: &sqlx::migrate::Migrator = &MIGRATIONS;

    async fn wire(config: Config, ctx: Context) -> anyhow::Result<Wired> {
        let services = Services::new(&config.keys.service_credentials());
        let signer = TokenSigner::try_new(
            &config.keys.token_signing_keys,
            &ctx.settings.token_issuer,
            &ctx.settings.token_audience,
            config.credentials.access_lifetimes(),
            ctx.clock.clone(),
        )
        .context("TOKEN_SIGNING_KEYS")?;
        // Our own tokens are good from the first request on.
        ctx.verifier.install(signer.jwks());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hasher = Hasher::try_new(config.credentials.places(cores))?;
        let prover =
            Prover::try_new(ctx.db.clone(), ctx.clock.clone(), hasher.clone(), config.prover())?;
        if config.background.demo_data {
            seed_demo_data(&ctx.db, &ctx.clock, &hasher).await.context("DEMO_DATA")?;
        } else if has_demo_data(&ctx.db, &hasher).await.context("DEMO_DATA")? {
            // Else a system that was tried would be made a real one with an officer whom anybody can be.
            anyhow::bail!(
                "DEMO_DATA is off, and the demo's accounts are in the database, with passwords that everybody \
                 knows: begin with an empty database, or set DEMO_DATA"
            );
        }
        let api = Api {
            db: ctx.db.clone(),
            clock: ctx.clock.clone(),
            verifier: ctx.verifier.clone(),
            services,
            signer,
            registrar: Registrar::new(
                ctx.db.clone(),
                ctx.clock.clone(),
                hasher.clone(),
                config.failures.bounds(),
            ),
            hasher,
            prover,
            certifier: Certifier::new(ctx.db.clone(), ctx.clock.clone()),
            sessions: config.credentials.sessions(),
            certify_delay: config.background.certify_delay_ms,
            // The other third is loan-request's.
            public_requests_max: usize::try_from(ctx.settings.http_requests_max / 3 * 2)?.max(1),
        };
        let admin = admin::router(admin::Admin {
            db: ctx.db.clone(),
            clock: ctx.clock.clone(),
            hasher: api.hasher.clone(),
        });
        let (router, _) = http::router(api).split_for_parts();
        let purge =
            tasks::purge_expired(ctx.db, ctx.clock.clone(), config.purge_expired(), ctx.shutdown);
        Ok(Wired {
            router,
            admin,
            subscriptions: events::subscriptions(&ctx.clock),
            tasks: vec![("purge", Box::pin(purge))],
        })
    }

    fn openapi() -> Option<utoipa::openapi::OpenApi> {
        Some(crate::openapi())
    }
}
