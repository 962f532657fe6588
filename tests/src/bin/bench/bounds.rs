//! Whether a bound that follows what is measured could do better than the fixed one: the best
//! that any could do under a steady load is the best of all fixed ones.

use std::time::Duration;

use anyhow::{Result, ensure};
use journeys::client::Client;
use journeys::siege;
use standalone::{Service, Stack, StackBuilder};

use crate::Figure;
use crate::overload::{self, offer};

/// What bounds loan-request: requests on their way at once, from the row to the answer.
const SETTING: &str = "CERTIFY_CONCURRENCY_MAX";

/// The bound as it is set.
const USUAL: u32 = 128;

/// Those beside it.
const BOUNDS: [u32; 5] = [16, 32, 64, USUAL, 256];

/// The gateway's bounds are not to be what is seen.
pub(crate) fn settings(builder: StackBuilder) -> StackBuilder {
    let high = "65536";
    overload::settings(builder).env(Service::Gateway, "UPSTREAM_CONCURRENCY_MAX", high).env(
        Service::LoanRequest,
        "HTTP_REQUESTS_MAX",
        high,
    )
}

/// Each is seen so often, in turns, and its middle counts: a machine is faster at some times.
const ROUNDS: usize = 3;

pub(crate) async fn measure(
    stack: &mut Stack,
    client: &Client,
    seconds: u32,
) -> Result<Vec<Figure>> {
    let gateway = stack.gateway_url();
    println!("siege -c100 -t{seconds}S, for what can be served …");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let rate = siege::run(&gateway, 100, seconds).await?.rate as u32 * 2;
    let mut seen = BOUNDS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (bound, runs) in BOUNDS.into_iter().zip(&mut seen) {
            let process = stack.service_mut(Service::LoanRequest);
            process.set_env(SETTING, &bound.to_string());
            process.terminate().await?;
            process.start_again().await?;
            crate::settle(client).await?;
            println!("{SETTING}={bound}");
            let mut answers = offer(client, rate, seconds).await?;
            ensure!(answers.other == 0, "{} were neither served nor refused", answers.other);
            runs.push((answers.served_each_second(seconds), answers.served_p99()));
        }
    }
    let middle: Vec<(f64, Duration)> = seen
        .iter_mut()
        .map(|runs| {
            runs.sort_by(|one, other| one.0.total_cmp(&other.0));
            runs[ROUNDS / 2]
        })
        .collect();
    // Who is served after more than a second is not served well.
    let good = middle.iter().filter(|(_, p99)| *p99 < Duration::from_secs(1));
    let best = good.map(|(served, _)| *served).fold(0.0, f64::max);
    let rows: Vec<String> = BOUNDS
        .iter()
        .zip(&middle)
        .map(|(bound, (served, p99))| {
            format!("{bound}: {served:.0}/s, p99 {:.2} s", p99.as_secs_f64())
        })
        .collect();
    let at = BOUNDS.iter().position(|bound| *bound == USUAL).unwrap_or_default();
    let share = middle[at].0 / best.max(f64::MIN_POSITIVE);
    Ok(vec![Figure {
        name: "a fixed bound beside the best of all",
        measured: format!(
            "{rate}/s offered, served by {SETTING}: {}; with {USUAL} it is {share:.2} of the best",
            rows.join("; ")
        ),
        goal: "≥ 0.9 of the best with p99 < 1 s, and that p99",
        met: share >= 0.9 && middle[at].1 < Duration::from_secs(1),
    }])
}
