//! What Maven fetches: servers that are published as jars.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fetches something into a directory of its own below `target/`, once: `arguments` are Maven's, of
/// its dependency plugin, given that directory.
pub(crate) fn fetch(
    what: &str,
    name: &str,
    arguments: impl FnOnce(&Path) -> Result<Vec<String>, String>,
) -> Result<PathBuf, String> {
    runs("java", "-version")?;
    let directory = crate::target().join(name);
    let complete = directory.join("complete");
    if complete.exists() {
        return Ok(directory);
    }
    runs("mvn", "-version")?;
    eprintln!("fetching {what} with Maven");
    let unwritable = |e| format!("can't write to {}: {e}", directory.display());
    fs::create_dir_all(&directory).map_err(unwritable)?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet"]).args(arguments(&directory)?);
    let output = maven.output().map_err(|e| format!("can't run Maven: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let reason = said.lines().find(|line| line.contains("ERROR")).unwrap_or("no reason given");
        return Err(format!("Maven can't fetch {what}: {reason}"));
    }
    fs::write(&complete, "").map_err(unwritable)?;
    Ok(directory)
}

/// A goal of Maven's dependency plugin.
pub(crate) fn dependency(goal: &str) -> String {
    format!("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:{goal}")
}

fn runs(program: &str, argument: &str) -> Result<(), String> {
    match Command::new(program).arg(argument).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("`{program} {argument}` fails ({})", output.status)),
        Err(error) => Err(format!("no `{program}` on this machine: {error}")),
    }
}
