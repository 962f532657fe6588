//! A password for somebody else: made here, read from standard input, or typed. Never
//! an argument, which everybody on the machine can see.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use common::config::Secret;
use common::secrets::random_text;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::ExposeSecret as _;

/// Random bytes of a password that is made here: 144 bits.
const GENERATED_BYTES: usize = 18;

/// Bytes that are read of a password at most; the service takes 128 characters.
const READ_BYTES_MAX: u64 = 1_024;

/// Where the password comes from; typed, if nothing is said.
#[derive(Args)]
pub(crate) struct Source {
    /// Make one and print it, once.
    #[arg(long, conflicts_with = "password_stdin")]
    generate: bool,
    /// Read the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// A password, and whether it has to be shown because nobody knows it yet.
pub(crate) struct Chosen {
    pub(crate) password: Secret,
    pub(crate) is_generated: bool,
}

impl Source {
    /// Gets it.
    pub(crate) fn password(&self) -> anyhow::Result<Chosen> {
        let password = if self.generate {
            generated()?
        } else if self.password_stdin {
            line(std::io::stdin().lock())?
        } else {
            typed()?
        };
        Ok(Chosen { password, is_generated: self.generate })
    }
}

fn generated() -> anyhow::Result<Secret> {
    Ok(Secret::from(random_text(GENERATED_BYTES)?))
}

fn line(reader: impl std::io::BufRead) -> anyhow::Result<Secret> {
    let mut text = String::new();
    std::io::Read::take(reader, READ_BYTES_MAX).read_line(&mut text)?;
    let text = text.trim_end_matches(['\r', '\n']);
    ensure!(!text.is_empty(), "there is no password on standard input");
    Ok(Secret::from(text))
}

/// Asks twice on the terminal, without showing what is typed.
fn typed() -> anyhow::Result<Secret> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = terminal.context(
        "there is no terminal to type a password on: say --generate, or --password-stdin",
    )?;
    let first = asked(&terminal, "Password: ")?;
    let second = asked(&terminal, "Once more: ")?;
    if first.expose_secret() != second.expose_secret() {
        bail!("the two are not the same");
    }
    Ok(first)
}

fn asked(terminal: &File, question: &str) -> anyhow::Result<Secret> {
    let mut out = terminal;
    write!(out, "{question}")?;
    out.flush()?;
    let silence = Silence::begin(terminal)?;
    let answer = line(BufReader::new(terminal));
    drop(silence);
    writeln!(out)?;
    answer
}

/// While it lives the terminal does not show what is typed.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(terminal: &'a File) -> anyhow::Result<Self> {
        let before = tcgetattr(terminal.as_fd())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal.as_fd(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        if tcsetattr(self.terminal.as_fd(), SetArg::TCSAFLUSH, &self.before).is_err() {
            eprintln!("the terminal does not show what is typed any more: `stty echo` mends it");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_generated_password_is_long_and_another_each_time() {
        let (first, second) = (generated().unwrap(), generated().unwrap());
        assert_eq!(first.expose_secret().len(), 24);
        assert_ne!(first.expose_secret(), second.expose_secret());
    }

    #[test]
    fn a_line_is_a_password_without_its_end() {
        assert_eq!(line(&b"correct horse\r\nrest"[..]).unwrap().expose_secret(), "correct horse");
        assert!(line(&b"\n"[..]).is_err());
    }
}
