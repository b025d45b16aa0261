//! The program itself as a child process: it is given up when it hangs, and nothing of it is left
//! behind, whatever becomes of the test.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No process of a test runs for this long.
const LIMIT: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(3);

/// The program with these arguments, which are separated by spaces.
pub fn tidegate(arguments: &str) -> Program {
    program(Command::new(env!("CARGO_BIN_EXE_tidegate")), arguments)
}

/// The same, started by a shell that does something first: `ulimit -f 8`.
pub fn tidegate_after(preparation: &str, arguments: &str) -> Program {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{preparation}; exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_tidegate"));
    program(shell, arguments)
}

/// An example of this package, with these arguments.
pub fn example(path: &std::path::Path, arguments: &str) -> Program {
    program(Command::new(path), arguments)
}

fn program(mut command: Command, arguments: &str) -> Program {
    command.args(arguments.split_whitespace()).env_remove("RUST_LOG");
    command.env_remove("TIDEGATE_SECRET").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Program { command, input: None }
}

/// A program that has not been started.
pub struct Program {
    command: Command,
    input: Option<Vec<u8>>,
}

impl Program {
    /// Gives it these bytes as standard input, and closes it then.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self.command.stdin(Stdio::piped());
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it from the directory `path`.
    pub fn within(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Leaves standard output alone: when the pipe is full, the program has to wait.
    pub fn with_nobody_reading(mut self) -> Running {
        let mut child = self.command.spawn().expect("the program starts");
        let output = child.stdout.take();
        Running::of(child, Capture::default(), output)
    }

    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the program starts");
        if let Some(bytes) = self.input.take() {
            let mut input = child.stdin.take().expect("its input is a pipe");
            // A program that ends early does not read everything.
            std::thread::spawn(move || drop(input.write_all(&bytes)));
        }
        let out = Capture::of(child.stdout.take());
        Running::of(child, out, None)
    }

    /// Starts it, and gives its standard input to the test.
    pub fn start_fed(mut self) -> (Running, ChildStdin) {
        let mut child = self.command.stdin(Stdio::piped()).spawn().expect("the program starts");
        let input = child.stdin.take().expect("its input is a pipe");
        let out = Capture::of(child.stdout.take());
        (Running::of(child, out, None), input)
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// What a stream has said so far.
#[derive(Default)]
struct Capture {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let mut stream = stream.expect("a pipe");
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&text);
        let read = move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                kept.lock().expect("no panic").extend_from_slice(&buffer[..read]);
            }
        };
        Capture { text, thread: Some(std::thread::spawn(read)) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no panic")).into_owned()
    }

    /// Everything, unless a process of the program's own holds the pipe open.
    fn all(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.thread.as_ref().is_some_and(|t| !t.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        self.so_far()
    }
}

/// A program that runs.
pub struct Running {
    child: Child,
    out: Capture,
    err: Capture,
    begun: Instant,
    /// An output that nobody reads, held so that it is not closed either.
    unread: Option<ChildStdout>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub at: Instant,
}

impl Running {
    fn of(mut child: Child, out: Capture, unread: Option<ChildStdout>) -> Self {
        let err = Capture::of(child.stderr.take());
        Running { child, out, err, begun: Instant::now(), unread }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes the output that nobody reads.
    pub fn leave(&mut self) {
        self.unread = None;
    }

    pub fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    /// What it has said on standard error.
    pub fn stderr(&self) -> String {
        self.err.so_far()
    }

    /// Waits until it has said this on standard error.
    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(&format!("says `{text}`"), |running| running.stderr().contains(text));
    }

    /// Waits until something is so; it must not end before.
    pub fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        while !is_so(self) {
            let ended = self.child.try_wait().expect("it can be waited for");
            let hangs = self.begun.elapsed() > LIMIT;
            assert!(
                ended.is_none() && !hangs,
                "waiting until it {what}, it came to {ended:?}:\n{}\n{}",
                self.out.all(),
                self.err.all()
            );
            std::thread::sleep(GLANCE);
        }
    }

    /// The processes that it has started.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Waits for it to end.
    pub fn end(mut self) -> Ended {
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                let at = Instant::now();
                let (stdout, stderr) = (self.out.all(), self.err.all());
                return Ended { code: status.code(), stdout, stderr, at };
            }
            assert!(
                self.begun.elapsed() < LIMIT,
                "it hangs: not done after {} s\n{}\n{}",
                LIMIT.as_secs(),
                self.out.so_far(),
                self.err.so_far()
            );
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let children = self.children();
            let _ = self.child.kill();
            let _ = self.child.wait();
            children.into_iter().for_each(|child| send(child, Signal::KILL));
        }
    }
}

impl Ended {
    /// A figure of the summary.
    pub fn figure(&self, name: &str) -> u64 {
        let mut lines = self.stderr.lines().map(str::trim);
        let found = lines.find_map(|line| line.strip_prefix(name));
        let figure = found.unwrap_or_else(|| panic!("no `{name}` in:\n{}", self.stderr));
        let digits: String = figure.trim().chars().filter(|c| *c != ',').collect();
        let digits = digits.split_whitespace().next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("`{name}` is `{figure}`"))
    }

    /// Checks that it ended well.
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "it failed:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that it ended with this code, and said all of this on standard error.
    #[track_caller]
    pub fn failed(self, code: i32, texts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "no `{text}` in:\n{}", self.stderr);
        }
        self
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `id (name) state parent ...`, and the name may contain anything.
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        if behind_name.split_whitespace().nth(1) == Some(&parent.to_string()) {
            found.push(id);
        }
    }
    found.sort_unstable();
    found
}

/// Sends a signal to a process, which may be gone.
pub fn send(process: u32, signal: Signal) {
    let id = Pid::from_raw(process as i32).expect("no process has the id 0");
    let _ = kill_process(id, signal);
}

/// Whether a process is there, and is more than a name in the table.
pub fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_name.split_whitespace().next().is_some_and(|state| state != "Z" && state != "X")
}
