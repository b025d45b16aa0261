//! The command line: a file for each subcommand.

mod arguments;
mod bench;
mod checkpoint;
mod compare;
mod counted;
mod demo;
mod failure;
mod fields;
mod files;
mod generate;
mod launch;
mod learning;
mod logging;
mod output_file;
mod parent;
mod program;
mod progress;
mod record;
mod rehearsal;
mod replay;
mod report;
mod run;
mod savepoint;
mod sink;
mod source;
#[cfg(feature = "sql")]
mod sql;
mod stop;
mod summary;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::parser::ValueSource;
use clap::{CommandFactory, Parser, Subcommand};

use self::failure::Failure;

/// Micro-batch stream processing, incremental and without a JVM
///
/// Records come in from Kafka, files or sockets; keyed and windowed state is maintained
/// incrementally on any number of workers; the output of a batch leaves when the batch is complete.
///
/// Without a subcommand, a demonstration runs for fifteen seconds: an embedded Kafka, a click-stream
/// into it, windowed counts out of it.
#[derive(Parser)]
#[command(name = "tidegate", version, styles = styles(), max_term_width = 100)]
#[command(after_help = "Examples:
  tidegate                                         the demonstration
  tidegate run wordcount --source stdin            count words as you type them
  tidegate run windowed-wordcount --window 10s --source kafka://localhost:9092/lines
  tidegate launch -n 2 -w 2 run clickstream --source kafka://localhost:9092/clicks
  tidegate checkpoint show state                   what a job has saved
  tidegate help run                                all about running workloads")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Say more in the log (-v: what happens, -vv: everything)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,

    /// Say less: no progress line, and only errors in the log
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

// What each does is said where it is done. One value for the life of the program: its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Launch(launch::Launch),
    Checkpoint(checkpoint::Checkpoint),
    Savepoint(savepoint::Savepoint),
    CheckRestore(rehearsal::CheckRestore),
    VerifyReplay(rehearsal::VerifyReplay),
    Rehearse(rehearsal::Rehearse),
    Record(record::RecordCommand),
    Replay(replay::Replay),
    Generate(generate::Generate),
    Bench(bench::Bench),
    Compare(compare::Compare),
    Report(report::ReportCommand),
    Demo(demo::Demo),
}

fn styles() -> Styles {
    Styles::styled()
        .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
        .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
        .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
        .placeholder(AnsiColor::Cyan.on_default())
}

/// What `launch` says of each process, and how it is told to.
const LAUNCHED: [(&str, &str); 4] = [
    ("processes", "give it before `run`"),
    ("workers", "give it before `run`"),
    ("process", "leave it out, since `launch` numbers them"),
    ("hostfile", "give it before `run`, as `--hosts`"),
];

/// Where the job of a command line for `launch` is saved, if it is. The program ends here, with one
/// error, where each of its processes would say the same.
fn launched(command: &[String]) -> Result<Option<PathBuf>, Failure> {
    let words = std::iter::once("tidegate").chain(command.iter().map(String::as_str));
    let matches = Cli::command().get_matches_from(words);
    let Some(("run", run)) = matches.subcommand() else {
        return Err(Failure::Usage(format!(
            "`{}` is no job: `launch` starts the processes of a `tidegate run`",
            matches.subcommand_name().unwrap_or("demo")
        )));
    };
    for (flag, remedy) in LAUNCHED {
        if run.value_source(flag) == Some(ValueSource::CommandLine) {
            return Err(Failure::Usage(format!("`--{flag}` behind `run`: {remedy}")));
        }
    }
    Ok(run.get_one::<PathBuf>("checkpoint").cloned())
}

/// Runs the command line: 0 if all went well, 2 if nothing was begun, 1 if it failed on the way,
/// 141 if whoever read the output (`| head`) has left.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = progress::Terminal::new(cli.quiet);
    // Neither of these is a job that somebody would start again.
    let is_job = !matches!(
        cli.command,
        Some(Command::Bench(_) | Command::Compare(_) | Command::Record(_) | Command::Replay(_))
    );
    logging::start(cli.verbose, cli.quiet, is_job, &terminal);
    parent::watch();
    let outcome = match cli.command {
        None => demo::Demo::default().run(&terminal),
        Some(Command::Run(command)) => command.run(&terminal),
        Some(Command::Launch(command)) => command.run(),
        Some(Command::Checkpoint(command)) => command.run(&terminal),
        Some(Command::Savepoint(command)) => command.run(&terminal),
        Some(Command::CheckRestore(command)) => command.run(&terminal),
        Some(Command::VerifyReplay(command)) => command.run(&terminal),
        Some(Command::Rehearse(command)) => command.run(&terminal),
        Some(Command::Record(command)) => command.run(&terminal),
        Some(Command::Replay(command)) => command.run(&terminal),
        Some(Command::Generate(command)) => command.run(&terminal),
        Some(Command::Bench(command)) => command.run(&terminal),
        Some(Command::Compare(command)) => command.run(&terminal),
        Some(Command::Report(command)) => command.run(&terminal),
        Some(Command::Demo(command)) => command.run(&terminal),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.clear();
            if !failure.is_broken_pipe() {
                // Where nobody reads errors, the exit code must do. In one piece, since other processes
                // of the job may say something at the same time.
                let _ = io::stderr().write_all(format!("{failure}\n").as_bytes());
            }
            failure.exit_code()
        }
    }
}
