//! Debian's packages, unpacked below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fetches a package with whatever it needs that is not installed, and gives the directory that
/// stands for `/`.
pub(super) fn fetch(package: &str) -> Result<PathBuf, String> {
    let directory = crate::target().join("debian").join(package);
    let (root, complete) = (directory.join("root"), directory.join("complete"));
    if complete.exists() {
        return Ok(root);
    }
    eprintln!("fetching {package} with apt-get, to unpack it in {}", directory.display());
    let unwritable = |e| format!("can't write to {}: {e}", directory.display());
    fs::create_dir_all(&root).map_err(unwritable)?;
    let needed = match needed(package) {
        Ok(needed) => needed,
        // Lists may be missing, or old; only the superuser can bring them up to date.
        Err(_) => {
            run(Command::new("apt-get").args(["--quiet", "update"]))?;
            self::needed(package)?
        }
    };
    let mut download = Command::new("apt-get");
    download.args(["--quiet", "-o", "APT::Sandbox::User=root", "download"]).args(needed);
    if run(download.current_dir(&directory)).is_err() {
        // A list may name a version that has been replaced.
        run(Command::new("apt-get").args(["--quiet", "update"]))?;
        run(&mut download)?;
    }
    for entry in fs::read_dir(&directory).map_err(unwritable)? {
        let path = entry.map_err(unwritable)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(path).arg(&root))?;
        }
    }
    fs::write(&complete, "").map_err(unwritable)?;
    Ok(root)
}

/// The packages that would be installed.
fn needed(package: &str) -> Result<Vec<String>, String> {
    let mut command = Command::new("apt-get");
    command.args(["install", "--simulate", "--no-install-recommends", package]);
    let plan = run(&mut command)?;
    let lines = plan.lines().filter_map(|line| line.strip_prefix("Inst "));
    Ok(lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// What a command says.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("can't run `{name}`: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            Err(format!("`{name}` fails: {}", said.lines().last().unwrap_or("without a word")))
        }
    }
}

/// Lets a program find the libraries that were unpacked with it below `root`.
pub(super) fn with_libraries(command: &mut Command, root: &Path) {
    let places = ["lib", "usr/lib"].map(|place| root.join(place));
    let directories = places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten();
    let libraries = directories.flatten().map(|entry| entry.path());
    let libraries = libraries.filter(|path| path.to_string_lossy().ends_with("-linux-gnu"));
    if let Ok(paths) = std::env::join_paths(libraries)
        && !paths.is_empty()
    {
        command.env("LD_LIBRARY_PATH", paths);
    }
}

/// The directory of a program, if it is installed: on the path, or in one of these.
pub(super) fn installed(program: &str, directories: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let places = path.into_iter().chain(directories.iter().map(PathBuf::from));
    // What a link leads to has its companions beside it.
    let found = places.map(|place| place.join(program)).find_map(|file| file.canonicalize().ok());
    found.and_then(|file| file.parent().map(Path::to_owned))
}
