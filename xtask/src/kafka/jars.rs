//! The broker's jars, fetched with Maven once.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release of Apache Kafka that is fetched.
pub const VERSION: &str = "4.3.1";

/// Where tests find the jars.
pub const JARS_VARIABLE: &str = "TIDEGATE_KAFKA_JARS";

const SLF4J: &str = "1.7.36";

/// The jars of a broker and of Kafka's own tools.
#[derive(Clone, Debug)]
pub struct Jars {
    directory: PathBuf,
}

impl Jars {
    /// Those of an earlier [`Jars::fetch`], as told in `TIDEGATE_KAFKA_JARS`.
    ///
    /// # Errors
    ///
    /// If the variable is not set: the text says what to do.
    pub fn from_environment() -> Result<Self, String> {
        match std::env::var_os(JARS_VARIABLE) {
            Some(directory) => Ok(Jars { directory: directory.into() }),
            None => Err(format!(
                "no Kafka: {JARS_VARIABLE} is not set (`cargo xtask test` fetches a broker)"
            )),
        }
    }

    /// Fetches them, if they are not there already.
    ///
    /// # Errors
    ///
    /// If there is no Java, no Maven or no network: the text says which.
    pub fn fetch() -> Result<Self, String> {
        runs("java", "-version")?;
        let directory = crate::target().join(format!("kafka-{VERSION}"));
        let complete = directory.join("complete");
        if !complete.exists() {
            runs("mvn", "-version")?;
            eprintln!("fetching Apache Kafka {VERSION} with Maven");
            let unwritable = |e| format!("can't write to {}: {e}", directory.display());
            fs::create_dir_all(&directory).map_err(unwritable)?;
            let pom = directory.join("pom.xml");
            fs::write(&pom, POM).map_err(unwritable)?;
            let output = Command::new("mvn")
                .args(["--batch-mode", "--quiet", "--file"])
                .arg(&pom)
                .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
                .arg(format!("-DoutputDirectory={}", directory.join("jars").display()))
                .args([format!("-Dkafka={VERSION}"), format!("-Dslf4j={SLF4J}")])
                .output()
                .map_err(|e| format!("can't run Maven: {e}"))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stdout);
                let reason =
                    said.lines().find(|line| line.contains("ERROR")).unwrap_or("no reason given");
                return Err(format!("Maven can't fetch Apache Kafka {VERSION}: {reason}"));
            }
            fs::write(&complete, "").map_err(unwritable)?;
        }
        Ok(Jars { directory })
    }

    /// Where they are, for [`JARS_VARIABLE`].
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A Java command that runs one of Kafka's classes.
    pub fn java(&self, class: &str) -> Command {
        let mut classes = OsString::from(self.directory.join("jars"));
        classes.push("/*");
        let mut command = Command::new("java");
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-cp").arg(classes).arg(class);
        command
    }
}

fn runs(program: &str, argument: &str) -> Result<(), String> {
    match Command::new(program).arg(argument).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("`{program} {argument}` fails ({})", output.status)),
        Err(error) => Err(format!("no `{program}` on this machine: {error}")),
    }
}

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidegate</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafka}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>${kafka}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>${slf4j}</version>
    </dependency>
  </dependencies>
</project>
"#;
