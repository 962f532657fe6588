//! Starting a child.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};

use nix::sys::signal::Signal;

use super::Process;
use super::launcher::LauncherArguments;

/// Another user's account to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// What to start, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What it is called in messages.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Settings on top of this process's own environment.
    pub environment: Vec<(String, String)>,
    /// Its working directory.
    pub working_dir: PathBuf,
    /// The file that its output is appended to.
    pub log: PathBuf,
    /// Whom it runs as, if not as us.
    pub account: Option<Account>,
    /// What it gets when we end without having stopped it.
    pub when_orphaned: Signal,
    /// The `standalone` binary, which starts it. Without one it is started
    /// directly, and may outlive us if we are killed.
    pub launcher: Option<PathBuf>,
}

impl Launch {
    /// A program by its path, with nothing special about it.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_dir: PathBuf::from("/"),
            log: log.into(),
            account: None,
            when_orphaned: Signal::SIGKILL,
            launcher: None,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// The program is not there or the log can't be written.
    pub fn start(&self) -> io::Result<Process> {
        if !self.program.exists() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no {}: it has to be built first", self.program.display()),
            ));
        }
        let child = spawn_elsewhere(self.command()?)?;
        Ok(Process::new(self.name.clone(), child, self.log.clone()))
    }

    fn command(&self) -> io::Result<Command> {
        let log = crate::private::file(&self.log, OpenOptions::new().create(true).append(true))?;
        let mut command = match self.launcher.as_deref().filter(|launcher| launcher.exists()) {
            Some(launcher) => self.through(launcher),
            None => self.directly(),
        };
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.working_dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C in the terminal is ours alone; we stop the children in order.
            .process_group(0);
        Ok(command)
    }

    fn through(&self, launcher: &Path) -> Command {
        let mut command = Command::new(launcher);
        let arguments = LauncherArguments {
            parent: std::process::id(),
            when_orphaned: self.when_orphaned,
            account: self.account,
        };
        command.args(arguments.to_command_line()).arg("--").arg(&self.program);
        command
    }

    fn directly(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }
}

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a command on a thread that lives as long as this process: the kernel
/// takes the end of the *thread* that started a child for the parent's end, and
/// a test's thread ends with its test.
fn spawn_elsewhere(command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in queue {
                // Nobody to tell: the caller has gone.
                drop(answer.send(command.spawn()));
            }
        });
        jobs
    });
    let (answer, started) = mpsc::channel();
    starter.send((command, answer)).map_err(|_| io::Error::other("the starting thread is gone"))?;
    started.recv().map_err(|_| io::Error::other("the starting thread is gone"))?
}
