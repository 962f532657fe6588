//! What the gateway adds: alone in front of an upstream that does nothing, beside nginx in
//! front of the same.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use journeys::client::Credentials;
use standalone::{Service, StackBuilder};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::Figure;
use crate::costs::Costs;

/// Connections at once: one for what is added to a request, many for the rate.
const CONNECTIONS: [u32; 2] = [1, 64];

/// The two: what does nothing, and nginx before it.
pub(crate) struct Nginx {
    _running: [Child; 2],
    folder: TempDir,
    upstream: u16,
    proxy: u16,
}

/// What wrk says.
struct Rate {
    each_second: f64,
    p50: Duration,
    p99: Duration,
    /// Processor time of one request in milliseconds, of nginx and of the gateway.
    nginx_ms: f64,
    gateway_ms: f64,
}

impl Nginx {
    pub(crate) async fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("online-loan-edge-")?;
        let (upstream, proxy) = (free_port()?, free_port()?);
        let does_nothing = "default_type application/json; return 201 '{\"done\": true}';";
        let passes_on =
            "proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection \"\";";
        let running = [
            nginx(folder.path(), "upstream", upstream, does_nothing, upstream)?,
            nginx(folder.path(), "proxy", proxy, passes_on, upstream)?,
        ];
        for port in [upstream, proxy] {
            let until = Instant::now() + Duration::from_secs(10);
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                ensure!(Instant::now() < until, "nginx does not listen");
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(Self { _running: running, folder, upstream, proxy })
    }

    /// The gateway leads there.
    pub(crate) fn settings(&self, builder: StackBuilder) -> StackBuilder {
        let url = format!("http://127.0.0.1:{}", self.upstream);
        // All of it comes from one address.
        builder.env(Service::Gateway, "REQUEST_URL", &url).env(
            Service::Gateway,
            "RATE_LIMIT_PER_SECOND",
            "1000000",
        )
    }

    pub(crate) async fn measure(&self, gateway: &str, seconds: u32) -> Result<Vec<Figure>> {
        let body = Credentials::demo().application(10_000).to_string();
        let script = self.folder.path().join("post.lua");
        std::fs::write(
            &script,
            format!(
                "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [[{body}]]\n"
            ),
        )?;
        let nginx = format!("http://127.0.0.1:{}", self.proxy);
        let mut figures = Vec::new();
        for connections in CONNECTIONS {
            let ours = wrk(gateway, &script, connections, seconds).await?;
            let theirs = wrk(&nginx, &script, connections, seconds).await?;
            // In front of the gateway nginx is the upstream alone; before itself it is both.
            let theirs_ms = (theirs.nginx_ms - ours.nginx_ms).max(0.0);
            figures.push(told(connections, &ours, &theirs, theirs_ms));
        }
        Ok(figures)
    }
}

fn told(connections: u32, ours: &Rate, theirs: &Rate, theirs_ms: f64) -> Figure {
    let added = ours.p50.saturating_sub(theirs.p50);
    let share = theirs_ms / ours.gateway_ms.max(f64::MIN_POSITIVE);
    let tell = |rate: &Rate| {
        let (p50, p99) = (rate.p50.as_micros(), rate.p99.as_micros());
        format!("{:.0}/s, p50 {p50} µs, p99 {p99} µs", rate.each_second)
    };
    let measured = format!(
        "gateway {}, {:.3} ms of processor a request; nginx {}, {theirs_ms:.3} ms; \
         the gateway's p50 is {} µs above nginx's, and it has {share:.2} of nginx's requests for a processor second",
        tell(ours),
        ours.gateway_ms,
        tell(theirs),
        added.as_micros(),
    );
    if connections == 1 {
        let goal = "p50 at most 150 µs above nginx's";
        let met = added <= Duration::from_micros(150);
        Figure { name: "the gateway beside nginx, one connection", measured, goal, met }
    } else {
        let goal = "≥ 0.5 of nginx's requests for a processor second";
        Figure {
            name: "the gateway beside nginx, 64 connections",
            measured,
            goal,
            met: share >= 0.5,
        }
    }
}

async fn wrk(url: &str, script: &Path, connections: u32, seconds: u32) -> Result<Rate> {
    println!("wrk -c{connections} -d{seconds}s {url} …");
    let before = Costs::now()?;
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--latency", "-s"])
        .arg(script)
        .arg(format!("{url}/loanRequests"))
        .output()
        .await
        .context("wrk is not installed; it is Debian's package `wrk`")?;
    let costs = Costs::now()?.since(&before);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!text.contains("Non-2xx"), "not all were answered well: {text}");
    let word = |label: &str| -> Result<String> {
        let line = text.lines().find(|line| line.trim_start().starts_with(label));
        let line = line.with_context(|| format!("wrk says no {label}: {text}"))?;
        Ok(line.split_whitespace().nth(1).unwrap_or_default().to_owned())
    };
    let each_second: f64 = word("Requests/sec:")?.parse()?;
    let requests = each_second * f64::from(seconds);
    let of_one = |part| costs.of(part).as_secs_f64() * 1_000.0 / requests.max(1.0);
    Ok(Rate {
        each_second,
        p50: time(&word("50%")?)?,
        p99: time(&word("99%")?)?,
        nginx_ms: of_one("nginx"),
        gateway_ms: of_one("gateway"),
    })
}

/// A time as wrk writes it: `350.00us`, `1.20ms`, `2.00s`.
fn time(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: f64 = digits.parse().with_context(|| format!("no time: {text}"))?;
    let seconds = match &text[digits.len()..] {
        "us" => number / 1_000_000.0,
        "ms" => number / 1_000.0,
        _ => number,
    };
    Ok(Duration::from_secs_f64(seconds))
}

/// One process that serves one place.
fn nginx(folder: &Path, name: &str, port: u16, location: &str, upstream: u16) -> Result<Child> {
    let home = folder.join(name);
    std::fs::create_dir_all(&home)?;
    let at = home.display();
    let settings = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\n\
           access_log off; keepalive_requests 1000000000;\n\
           client_body_temp_path {at}/body; proxy_temp_path {at}/proxied; fastcgi_temp_path {at}/fastcgi;\n\
           uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
           upstream upstream {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000000; }}\n\
           server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}\n\
         }}\n"
    );
    let file = home.join("nginx.conf");
    std::fs::write(&file, settings)?;
    Command::new("nginx")
        .arg("-c")
        .arg(&file)
        .args(["-p"])
        .arg(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("nginx is not installed; it is Debian's package `nginx-light`")
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
