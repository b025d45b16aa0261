//! A server that speaks S3, on loopback: S3Mock, from its published jar.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::{Daemon, free_address};
use crate::maven;

/// Where tests find the jar.
pub const S3_VARIABLE: &str = "TIDEGATE_S3MOCK";

/// The release of S3Mock that is fetched: it needs Java 17.
const VERSION: &str = "4.12.4";

const BUCKET: &str = "tidegate";

/// A server that is stopped, and whose data is removed, when this is dropped.
#[derive(Debug)]
pub struct S3 {
    daemon: Daemon,
    _home: TempDir,
}

impl S3 {
    /// Fetches the server, if it is not there already: gives what [`S3_VARIABLE`] is set to.
    ///
    /// # Errors
    ///
    /// If there is no Java, no Maven or no network: the text says which.
    pub fn fetch() -> Result<PathBuf, String> {
        let directory = maven::fetch("S3Mock", &format!("s3mock-{VERSION}"), |directory| {
            Ok(vec![
                maven::dependency("copy"),
                format!("-Dartifact=com.adobe.testing:s3mock:{VERSION}:jar:exec"),
                format!("-DoutputDirectory={}", directory.display()),
            ])
        })?;
        Ok(directory.join(format!("s3mock-{VERSION}-exec.jar")))
    }

    /// Starts a server with an empty bucket, from an earlier [`S3::fetch`], as told in
    /// `TIDEGATE_S3MOCK`.
    ///
    /// # Errors
    ///
    /// If it does not come up: the text has the end of its log.
    pub fn start() -> Result<Self, String> {
        let jar = std::env::var_os(S3_VARIABLE).ok_or_else(|| {
            format!("no S3: {S3_VARIABLE} is not set (`cargo xtask test` fetches a server)")
        })?;
        let home = TempDir::with_prefix("tidegate-s3-")
            .map_err(|e| format!("can't make a directory for the S3 server: {e}"))?;
        let address = free_address()?;
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar"]).arg(jar);
        // That is the port of encrypted connections, which nobody makes.
        command.arg("--server.port=0");
        command.arg(format!("--com.adobe.testing.s3mock.http-port={}", address.port()));
        command.env("COM_ADOBE_TESTING_S3MOCK_STORE_INITIAL_BUCKETS", BUCKET);
        command.env("COM_ADOBE_TESTING_S3MOCK_STORE_ROOT", home.path().join("root"));
        let mut daemon = Daemon::new("the S3 server", address, home.path().join("log"));
        daemon.start(command)?;
        Ok(S3 { daemon, _home: home })
    }

    /// The URL of a place in it.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// What a client has in its environment.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.daemon.address())),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "tidegate".into()),
            ("AWS_SECRET_ACCESS_KEY", "not-a-secret".into()),
        ]
    }
}
