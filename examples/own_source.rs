//! cargo run --example own_source
//!
//! A source of one's own: the lines that programs print, one partition for each program. The job
//! counts them by their first word, while two `cargo` commands run.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tidegate::error::SourceError;
use tidegate::source::{Attempt, Intake, Opening, Partition, Poll, Reader, Source};
use tidegate::{Config, Trigger};

/// What programs print to standard output. A line's offset is its number.
struct Commands(Vec<&'static [&'static str]>);

impl Source for Commands {
    type Item = String;

    fn name(&self) -> String {
        "commands".into()
    }

    fn partitions(&mut self, _attempt: &Attempt<'_>) -> Result<Vec<Partition>, SourceError> {
        let names = self.0.iter().map(|words| words.join(" "));
        Ok(names.zip(0..).map(|(name, id)| Partition { id, name }).collect())
    }

    fn open(
        &mut self,
        assigned: &[Partition],
        _opening: &Opening,
    ) -> Result<Box<dyn Reader<String>>, SourceError> {
        let (send, lines) = sync_channel(1024);
        for Partition { id, name } in assigned.iter().cloned() {
            let words = self.0[id as usize];
            let mut child = Command::new(words[0])
                .args(&words[1..])
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|source| SourceError::Connection { address: name, source })?;
            let (output, send) = (child.stdout.take(), send.clone());
            std::thread::spawn(move || {
                let lines =
                    output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n'));
                for (line, offset) in lines.map_while(Result::ok).zip(0..) {
                    if send.send((id, offset, line)).is_err() {
                        break;
                    }
                }
                // A program that nobody reads any more is stopped; one that has ended, waited for.
                let _ = child.kill().and_then(|()| child.wait());
            });
        }
        Ok(Box::new(Lines(lines)))
    }
}

/// Lines with their partition and offset; it ends when all programs have.
struct Lines(Receiver<(u32, u64, Vec<u8>)>);

impl Reader<String> for Lines {
    fn poll(&mut self, intake: &mut Intake<String>, wait: Duration) -> Result<Poll, SourceError> {
        while !intake.is_full() {
            match self.0.recv_timeout(if intake.is_empty() { wait } else { Duration::ZERO }) {
                Ok((partition, offset, line)) => {
                    let text = String::from_utf8(line.clone()).map_err(|error| error.to_string());
                    intake.record(partition, offset, &line, text);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Poll::Idle),
                Err(RecvTimeoutError::Disconnected) => return Ok(Poll::End),
            }
        }
        Ok(Poll::More)
    }
}

fn main() -> Result<(), tidegate::RunError> {
    let config =
        Config::new("own source").spread_from_env(2)?.trigger(Trigger::Count { records: 20 });
    let summary = tidegate::run(config, |ctx| {
        let commands = Commands(vec![&["cargo", "help"], &["cargo", "--list"]]);
        let first_words = ctx
            .source(commands)
            .flat_map(|line: String| line.split_whitespace().next().map(str::to_owned));
        let counts = first_words.running().count_by_value().map(|(word, n)| ((), (n, word)));
        counts.top_k(3).changes().print();
    })?;
    println!("{} lines in {} batches", summary.rows_in, summary.batches);
    Ok(())
}
