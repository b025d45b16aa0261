//! MariaDB.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::packages;
use crate::daemon::{Daemon, free_address};

/// Where tests find the server: the directory that stands for `/usr`.
pub const MARIADB_VARIABLE: &str = "TIDEGATE_MARIADB";

/// A server that is stopped, and whose data is removed, when this is dropped. Its user is `tide`,
/// with the password `gate`, who may do anything.
#[derive(Debug)]
pub struct MariaDb {
    daemon: Daemon,
    usr: PathBuf,
    home: TempDir,
}

impl MariaDb {
    /// The directory that has the server: the one installed, or else fetched.
    ///
    /// # Errors
    ///
    /// If it is neither there nor to be had.
    pub fn directory() -> Result<PathBuf, String> {
        let installed = packages::installed("mariadbd", &["/usr/sbin", "/usr/libexec"]);
        match installed.and_then(|directory| directory.parent().map(Path::to_owned)) {
            Some(usr) => Ok(usr),
            None => Ok(packages::fetch("mariadb-server-core")?.join("usr")),
        }
    }

    /// Starts a server on a free port, which is where `TIDEGATE_MARIADB` says.
    ///
    /// # Errors
    ///
    /// If that is not set, or it does not come up: the text says why.
    pub fn start() -> Result<Self, String> {
        let usr = super::from_environment(MARIADB_VARIABLE, "MariaDB")?;
        let system = |what: &str, error: std::io::Error| format!("can't {what}: {error}");
        let home = TempDir::with_prefix("tidegate-mariadb-")
            .map_err(|e| system("make a directory for MariaDB", e))?;
        let data = home.path().join("data");
        fs::create_dir(&data).map_err(|e| system("make a directory for MariaDB", e))?;
        let daemon = Daemon::new("MariaDB", free_address()?, home.path().join("log"));
        let mut server = MariaDb { daemon, usr, home };

        let first = server.home.path().join("first.sql");
        let mut sql = BEFORE.to_owned();
        for part in ["system_tables", "performance_tables", "system_tables_data"] {
            let path = server.share().join(format!("mysql_{part}.sql"));
            let text = fs::read_to_string(&path)
                .map_err(|e| system(&format!("read {}", path.display()), e))?;
            sql.push_str(&text);
        }
        sql.push_str(AFTER);
        fs::write(&first, sql).map_err(|e| system("write MariaDB's first statements", e))?;
        let input = File::open(&first).map_err(|e| system("read MariaDB's first statements", e))?;
        let mut make = server.command();
        packages::run(make.arg("--bootstrap").stdin(Stdio::from(input)))?;
        server.resume()?;
        Ok(server)
    }

    /// Its texts and first tables.
    fn share(&self) -> PathBuf {
        let places = ["mariadb", "mysql"].map(|name| self.usr.join("share").join(name));
        let [newer, older] = places;
        if newer.join("charsets").exists() { newer } else { older }
    }

    /// The server, on its data.
    fn command(&self) -> Command {
        let places = ["sbin", "libexec", "bin"].map(|place| self.usr.join(place).join("mariadbd"));
        let [first, ..] = &places;
        let program = places.iter().find(|program| program.exists()).unwrap_or(first);
        let mut command = Command::new(program);
        if let Some(root) = self.usr.parent() {
            packages::with_libraries(&mut command, root);
        }
        let named = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        command.arg("--no-defaults").current_dir(self.home.path()).args([
            named("datadir", self.home.path().join("data")),
            named("lc-messages-dir", self.share()),
            named("character-sets-dir", self.share().join("charsets")),
        ]);
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
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

    /// Starts the server again after [`MariaDb::kill`], on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&mut self) -> Result<(), String> {
        let mut command = self.command();
        let port = self.daemon.address().port();
        let place = |name: &str| self.home.path().join(name).display().to_string();
        command.args(["--bind-address=127.0.0.1".to_owned(), format!("--port={port}")]);
        command.arg(format!("--socket={}", place("socket")));
        command.arg(format!("--pid-file={}", place("pid")));
        command.arg("--innodb-buffer-pool-size=64M");
        self.daemon.start(command)
    }
}

/// The server's own tables are made without its script, which wants more programs.
const BEFORE: &str = "\
create database mysql;
use mysql;
set @auth_root_socket = null;
set @skip_auth_anonymous = 1;
";

const AFTER: &str = "
flush privileges;
create user tide identified by 'gate';
grant all on *.* to tide with grant option;
";
