//! The broker's jars, fetched with Maven once.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::maven;

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
        let what = format!("Apache Kafka {VERSION}");
        let directory = maven::fetch(&what, &format!("kafka-{VERSION}"), |directory| {
            let pom = directory.join("pom.xml");
            fs::write(&pom, POM).map_err(|e| format!("can't write {}: {e}", pom.display()))?;
            Ok(vec![
                format!("--file={}", pom.display()),
                maven::dependency("copy-dependencies"),
                format!("-DoutputDirectory={}", directory.join("jars").display()),
                format!("-Dkafka={VERSION}"),
                format!("-Dslf4j={SLF4J}"),
            ])
        })?;
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
