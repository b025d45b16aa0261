//! PostgreSQL.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::packages;
use crate::daemon::{Daemon, free_address};

/// Where tests find the server's programs.
pub const POSTGRES_VARIABLE: &str = "TIDEGATE_POSTGRES";

/// A server that is stopped, and whose data is removed, when this is dropped. Its user is `tide`,
/// with the password `gate`.
#[derive(Debug)]
pub struct Postgres {
    daemon: Daemon,
    programs: PathBuf,
    home: TempDir,
}

/// Whom the server runs as, where the superuser starts it, which it refuses.
const NOBODY: u32 = 65_534;

impl Postgres {
    /// The directory of the server's programs: those installed, or else fetched.
    ///
    /// # Errors
    ///
    /// If it is neither there nor to be had.
    pub fn programs() -> Result<PathBuf, String> {
        if let Some(directory) = packages::installed("postgres", &[]) {
            return Ok(directory);
        }
        match newest(Path::new("/usr/lib/postgresql")) {
            Some(directory) => Ok(directory),
            None => {
                let root = packages::fetch("postgresql")?;
                newest(&root.join("usr/lib/postgresql"))
                    .ok_or_else(|| format!("no PostgreSQL in {}", root.display()))
            }
        }
    }

    /// Starts a server on a free port, whose programs are where `TIDEGATE_POSTGRES` says.
    ///
    /// # Errors
    ///
    /// If that is not set, or it does not come up: the text says why.
    pub fn start() -> Result<Self, String> {
        let programs = super::from_environment(POSTGRES_VARIABLE, "PostgreSQL")?;
        let system = |what: &str, error: std::io::Error| format!("can't {what}: {error}");
        let home = TempDir::with_prefix("tidegate-postgres-")
            .map_err(|e| system("make a directory for PostgreSQL", e))?;
        let daemon = Daemon::new("PostgreSQL", free_address()?, home.path().join("log"));
        let password = home.path().join("password");
        fs::write(&password, "gate").map_err(|e| system("write PostgreSQL's password", e))?;
        if rustix::process::geteuid().is_root() {
            for path in [home.path(), &password] {
                chown(path, Some(NOBODY), Some(NOBODY))
                    .map_err(|e| system("give PostgreSQL its directory", e))?;
            }
        }
        let mut server = Postgres { daemon, programs, home };
        let mut make = server.command("initdb");
        make.args(["--username=tide", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8"]);
        make.arg(format!("--pwfile={}", password.display()));
        packages::run(&mut make)?;
        server.resume()?;
        Ok(server)
    }

    /// One of its programs, on its data.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some(root) = self.programs.ancestors().nth(5) {
            packages::with_libraries(&mut command, root);
        }
        command.arg("-D").arg(self.home.path().join("data")).current_dir(self.home.path());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Its `HOST:PORT`.
    pub fn address(&self) -> String {
        self.daemon.address().to_string()
    }

    /// Ends the server as a crash would; its data stays.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts the server again after [`Postgres::kill`], on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&mut self) -> Result<(), String> {
        let mut command = self.command("postgres");
        let port = self.daemon.address().port().to_string();
        command.args(["-p", &port, "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories="]);
        self.daemon.start(command)
    }
}

/// The programs of the newest version below a directory.
fn newest(directory: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(directory).ok()?.flatten();
    let version = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let newest = versions.map(|entry| entry.path()).max_by_key(version)?;
    Some(newest.join("bin")).filter(|programs| programs.join("postgres").exists())
}
