//! The supervisor as a process: `up` and its companions, with PostgreSQL and
//! the broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standalone::net::{PortBlock, is_free};
use standalone::process::Identity;
use standalone::supervisor::{DataDir, State};
use tempfile::TempDir;

/// A system in a folder with a space in its name, on ports of its own.
struct System {
    folder: TempDir,
    base: u16,
    _ports: PortBlock,
}

impl System {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("online loan ").tempdir().unwrap();
        let mut ports = PortBlock::take().unwrap();
        let base = ports.port().unwrap();
        Self { folder, base, _ports: ports }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(".dev")
    }

    fn state(&self) -> Option<State> {
        DataDir::new(&self.data()).unwrap().state()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
        command.args(arguments).arg("--data").arg(self.data()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Output, String) {
        let output = self.command(arguments).output().unwrap();
        let text = [output.stdout.clone(), output.stderr.clone()].concat();
        (output, String::from_utf8(text).unwrap())
    }

    fn up_arguments(&self) -> Vec<String> {
        let base = self.base.to_string();
        ["up", "--only", "postgres,broker", "--port-base", &base].map(str::to_owned).to_vec()
    }

    /// Starts it in the foreground and waits until it is ready.
    fn up(&self) -> Foreground {
        let said = self.folder.path().join("said");
        let output = File::create(&said).unwrap();
        let arguments = self.up_arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let child = self
            .command(&arguments)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let foreground = Foreground { child, said };
        foreground.wait_for("Ctrl-C stops all.");
        foreground
    }

    fn child(&self, name: &str) -> Identity {
        self.state().unwrap().children[name].identity.clone()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        drop(self.command(&["reset"]).output());
    }
}

struct Foreground {
    child: Child,
    said: PathBuf,
}

impl Foreground {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "there is no runtime in these tests")]
    fn wait_for(&self, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.said().contains(words) {
            assert!(Instant::now() < deadline, "`{words}` was not said: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What below the folder others may enter or read.
fn open_to_others(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // PostgreSQL makes and removes files all the time.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        if mode != expected && !metadata.is_symlink() {
            found.push(PathBuf::from(format!("{} {mode:o}", path.display())));
        }
        if metadata.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[test]
fn nobody_else_may_enter_or_read_the_data_whatever_the_umask() {
    for umask in ["000", "777"] {
        let system = System::new();
        let mut arguments = system.up_arguments();
        arguments.push("--detach".to_owned());
        let mut command = Command::new("sh");
        let output = command
            .args(["-c", "umask \"$0\"; exec \"$@\"", umask, env!("CARGO_BIN_EXE_standalone")])
            .args(&arguments)
            .arg("--data")
            .arg(system.data())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{umask}: {output:?}");
        let postgres = standalone::postgres::folder_for(&system.data()).unwrap();
        let mut found = Vec::new();
        for folder in [system.data(), postgres] {
            let mode = std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o700, "{umask}: {}", folder.display());
            open_to_others(&folder, &mut found);
        }
        assert!(found.is_empty(), "{umask}: {found:?}");
    }
}

#[test]
fn a_folder_that_was_open_is_closed_at_the_next_start() {
    let system = System::new();
    drop(system.up());
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&system.data(), 0o755);
    open(&system.data().join("secrets.json"), 0o644);
    open(&system.data().join("broker/broker.db"), 0o644);
    let _again = system.up();
    let mut found = Vec::new();
    open_to_others(&system.data(), &mut found);
    assert!(found.is_empty(), "{found:?}");
    let mode = std::fs::metadata(system.data()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}

fn position(text: &str, words: &str) -> usize {
    text.find(words).unwrap_or_else(|| panic!("`{words}` was not said: {text}"))
}

#[test]
fn ctrl_c_stops_all_in_order_and_the_next_start_has_the_data() {
    let system = System::new();
    for round in 0..2 {
        let mut up = system.up();
        assert_eq!(up.said().contains("makes its data"), round == 0, "{}", up.said());
        let children = [system.child("postgres"), system.child("broker")];
        assert!(children.iter().all(Identity::is_alive));
        up.signal(Signal::SIGINT);
        assert!(up.child.wait().unwrap().success());
        let said = up.said();
        let order = ["stopping", "broker         stopped", "postgres       stopped"];
        assert!(order.map(|words| position(&said, words)).is_sorted(), "{said}");
        assert!(!children.iter().any(Identity::is_alive));
        assert!(system.state().is_none());
    }
    assert!(system.data().join("broker/broker.db").exists());
}

#[test]
fn a_second_ctrl_c_ends_all_at_once() {
    let system = System::new();
    let mut up = system.up();
    let postgres = system.child("postgres");
    // It cannot end in order while it is stopped.
    let broker = system.child("broker");
    broker.signal(Signal::SIGSTOP).unwrap();
    up.signal(Signal::SIGINT);
    up.wait_for("once more");
    up.signal(Signal::SIGINT);
    let start = Instant::now();
    assert_eq!(up.child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!broker.is_alive() && !postgres.is_alive());
}

#[test]
fn after_a_supervisor_was_killed_nothing_stays_and_it_can_be_started_again() {
    let system = System::new();
    let up = system.up();
    let children = [system.child("postgres"), system.child("broker")];
    up.signal(Signal::SIGKILL);
    drop(up);
    // At once: those of the first may still be ending.
    let again = system.up();
    assert!(!children.iter().any(Identity::is_alive), "{}", again.said());
    assert!(system.child("postgres").is_alive());
}

#[test]
fn a_crashed_process_is_named_and_started_again() {
    let system = System::new();
    let up = system.up();
    for name in ["broker", "postgres"] {
        let before = system.child(name);
        let signal = if name == "broker" { Signal::SIGKILL } else { Signal::SIGQUIT };
        before.signal(signal).unwrap();
        up.wait_for(&format!("{name} is started again"));
        position(&up.said(), &format!("{name} ended ("));
        let after = system.child(name);
        assert!(after != before && after.is_alive());
    }
    // What was just started answers a moment later.
    let start = Instant::now();
    let ready = || {
        let (output, shown) = system.run(&["status"]);
        assert!(start.elapsed() < Duration::from_secs(20), "{shown}");
        output.status.success().then_some(shown)
    };
    let shown = std::iter::repeat_with(ready).find_map(|shown| shown).unwrap();
    assert!(shown.contains("restarts"), "{shown}");
    // One that stands still is not ready, although the kernel takes connections for it.
    let postgres = system.child("postgres");
    postgres.signal(Signal::SIGSTOP).unwrap();
    let (output, shown) = system.run(&["status"]);
    postgres.signal(Signal::SIGCONT).unwrap();
    assert!(!output.status.success() && shown.contains("silent"), "{shown}");
}

#[test]
fn it_runs_in_the_background_once_until_it_is_told_to_stop() {
    let system = System::new();
    let mut arguments = system.up_arguments();
    arguments.push("--detach".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (output, said) = system.run(&arguments);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Ready after") && said.contains("./dev down"), "{said}");
    let children = [system.child("postgres"), system.child("broker")];

    let (output, said) = system.run(&arguments);
    assert!(!output.status.success());
    assert!(said.contains("it runs already"), "{said}");
    let (_, logs) = system.run(&["logs", "broker"]);
    assert!(logs.contains("topic made"), "{logs}");
    let (output, _) = system.run(&["status"]);
    assert!(output.status.success());

    let (output, said) = system.run(&["down"]);
    assert!(output.status.success(), "{said}");
    assert!(!children.iter().any(Identity::is_alive));
    let (output, said) = system.run(&["status"]);
    assert_eq!(output.status.code(), Some(3), "{said}");
    // What is somebody else's is not removed with the rest.
    let stranger = system.data().join("thesis.txt");
    std::fs::write(&stranger, "years of work").unwrap();
    let (output, said) = system.run(&["reset"]);
    assert!(!output.status.success() && said.contains("thesis.txt"), "{said}");
    assert!(stranger.exists());
    std::fs::remove_file(stranger).unwrap();
    let (output, said) = system.run(&["reset"]);
    assert!(output.status.success(), "{said}");
    assert!(!system.data().exists());
}

#[test]
fn a_taken_port_is_one_line_and_nothing_is_started() {
    let system = System::new();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, system.base + 20)).unwrap();
    let arguments = system.up_arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (output, said) = system.run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "port {} (the broker) is taken by another program: choose others with `./dev up --port-base 18000`\n",
        system.base + 20
    );
    assert_eq!(said, expected);
    assert!(is_free(system.base + 21));
}

#[test]
fn a_folder_that_was_removed_by_hand_is_a_new_system() {
    let system = System::new();
    drop(system.up());
    std::fs::remove_dir_all(system.data()).unwrap();
    let again = system.up();
    let said = again.said();
    position(&said, "makes its data");
    // As root the database lies elsewhere, and is nobody's to throw away.
    if let Some(aside) = said.lines().find_map(|line| line.split_once("is put aside: ")) {
        let aside = Path::new(aside.1.trim());
        assert!(aside.join("data/PG_VERSION").exists(), "{said}");
        std::fs::remove_dir_all(aside).unwrap();
    }
}

#[test]
fn with_postgres_gives_a_server_and_the_commands_exit_code() {
    let program = env!("CARGO_BIN_EXE_standalone");
    let script = "echo $DATABASE_URL; exit 7";
    let output =
        Command::new(program).args(["with-postgres", "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let url = String::from_utf8(output.stdout).unwrap();
    assert!(url.starts_with("postgres://postgres:"), "{url}");
    let port: u16 = url.trim().rsplit([':', '/']).nth(1).unwrap().parse().unwrap();
    assert!(is_free(port), "the server is gone");
}
