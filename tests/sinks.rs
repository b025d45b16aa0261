//! Where results go: whole batches, once each, and nothing of a batch that failed.
//!
//! Catches half-written files and lines, outputs of an earlier run that are damaged, and failures
//! that don't say where. Can't catch what a power cut does to a disk that lies about syncing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use tidegate::error::SinkError;
use tidegate::sink::{Console, JsonLines, Memory, Sink, TextFiles};
use tidegate::source::Queue;
use tidegate::{Config, Local, Record, RunError};

use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "sinks";
        each_batch_is_a_text_file_named_by_its_time,
        a_text_file_that_can_be_seen_is_whole,
        text_files_of_an_earlier_run_are_replaced_whole,
        a_text_file_that_can_not_be_written_names_itself_and_its_batch,
        json_lines_are_appended_to_what_is_there,
        a_batch_that_can_not_be_json_leaves_no_line,
        the_console_shows_the_first_rows_and_their_number,
        a_console_that_is_closed_ends_the_run_with_a_word,
        every_sink_is_given_every_batch,
    ]
}

/// A job that writes what is pushed, batch times being 1000, 2000, ...
struct Writing<D> {
    local: Local,
    input: Queue<D>,
}

impl<D: Record> Writing<D> {
    fn start<S: Sink<D>>(sink: impl Fn() -> S + Send + Sync + 'static) -> Self {
        let input = Queue::new(1);
        let queue = input.clone();
        let config = Config::new("write").workers(2).batch_time_origin_ms(0);
        let local = Local::start(config, move |ctx| ctx.source(queue.clone()).sink(sink()));
        Writing { local: local.expect("the job starts"), input }
    }

    fn batch(&mut self, rows: impl IntoIterator<Item = D>) {
        self.input.push(rows);
        self.local.tick();
    }

    fn failing_batch(&mut self, rows: impl IntoIterator<Item = D>) -> RunError {
        self.input.push(rows);
        self.local.try_tick().expect_err("the sink fails")
    }

    fn stop(self) {
        self.local.stop().expect("it ends well");
    }
}

/// The files of a directory, with what is in them; those with a dot in front are not shown.
fn visible(at: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(at).expect("a directory").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.')
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.insert(name, text);
        }
    }
    files
}

fn hidden(at: &Path) -> usize {
    let names = fs::read_dir(at).expect("a directory").flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with('.')).count()
}

fn each_batch_is_a_text_file_named_by_its_time() {
    let place = tempfile::tempdir().expect("a directory");
    let prefix = place.path().join("deeper").join("counts");
    let mut writing = Writing::start({
        let prefix = prefix.clone();
        move || TextFiles::new(&prefix).suffix("txt")
    });
    writing.batch(["tide".to_owned(), "gate".to_owned()]);
    writing.batch([]);
    writing.input.push(["sea".to_owned()]);
    writing.local.tick_skipping(1);
    writing.stop();
    let deeper = place.path().join("deeper");
    let expected = [
        ("counts-1000.txt", "tide\ngate\n"),
        ("counts-2000.txt", ""),
        ("counts-4000.txt", "sea\n"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(visible(&deeper), BTreeMap::from(expected));
    assert_eq!(hidden(&deeper), 0);

    let mut writing = Writing::start(move || TextFiles::<(u64, bool)>::new(&prefix));
    writing.batch([(1, true)]);
    writing.stop();
    assert_eq!(visible(&deeper)["counts-1000"], "(1, true)\n", "as `Debug` shows it");
}

fn a_text_file_that_can_be_seen_is_whole() {
    const ROWS: usize = 20_000;
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().to_owned();
    let over = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (at, over) = (at.clone(), Arc::clone(&over));
        move || {
            let mut looks = 0;
            while !over.load(Ordering::SeqCst) {
                for (name, text) in visible(&at) {
                    assert_eq!(text.lines().count(), ROWS, "{name} is not whole");
                }
                looks += 1;
            }
            looks
        }
    });
    let prefix = at.join("rows");
    let mut writing = Writing::start(move || TextFiles::<usize>::new(&prefix));
    // As if an earlier run had been killed in the middle of its second batch.
    fs::write(at.join(".rows-2000.tmp"), "1\n2").expect("written");
    (0..10).for_each(|_| writing.batch(0..ROWS));
    writing.stop();
    over.store(true, Ordering::SeqCst);
    let looks = watcher.join().expect("every file that was seen was whole");
    assert!(looks > 5, "only {looks} looks");
    assert_eq!((visible(&at).len(), hidden(&at)), (10, 0));
}

fn text_files_of_an_earlier_run_are_replaced_whole() {
    let place = tempfile::tempdir().expect("a directory");
    let prefix = place.path().join("n");
    for rows in [0..100, 0..3] {
        let prefix = prefix.clone();
        let mut writing = Writing::start(move || TextFiles::<u32>::new(&prefix));
        writing.batch(rows);
        writing.stop();
    }
    assert_eq!(visible(place.path())["n-1000"], "0\n1\n2\n");
}

fn a_text_file_that_can_not_be_written_names_itself_and_its_batch() {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().join("out");
    let prefix = at.join("n");
    let mut writing = Writing::start(move || TextFiles::<u32>::new(&prefix));
    writing.batch([1]);
    fs::remove_dir_all(&at).expect("removed");
    match writing.failing_batch([2]) {
        RunError::Sink { name, batch: Some(2), source: SinkError::File { path, source } } => {
            assert!(name.starts_with("text:"), "{name}");
            assert_eq!(path, at.join(".n-2000.tmp"));
            assert_eq!(source.kind(), io::ErrorKind::NotFound);
        }
        error => panic!("it came to {error:?}"),
    }
}

fn json_lines_are_appended_to_what_is_there() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("deeper").join("out.jsonl");
    for run in 0..2 {
        let path = path.clone();
        let mut writing = Writing::start(move || JsonLines::new(&path));
        writing.batch([(format!("\"quoted\"\nline {run}"), 1)]);
        writing.batch([]);
        writing.batch([("b".to_owned(), 2), ("c".to_owned(), 3)]);
        writing.stop();
    }
    let line = |run: u32| {
        format!(
            r#"{{"batch":1,"time_ms":1000,"row":["\"quoted\"\nline {run}",1]}}
{{"batch":3,"time_ms":3000,"row":["b",2]}}
{{"batch":3,"time_ms":3000,"row":["c",3]}}
"#
        )
    };
    assert_eq!(fs::read_to_string(&path).expect("there"), line(0) + &line(1));
}

fn a_batch_that_can_not_be_json_leaves_no_line() {
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("out.jsonl");
    let output = path.clone();
    // Keys of JSON objects are text, and a pair is none.
    let mut writing =
        Writing::<BTreeMap<Option<(u8, u8)>, u8>>::start(move || JsonLines::new(&output));
    writing.batch([BTreeMap::new()]);
    let before = fs::read_to_string(&path).expect("there");
    match writing.failing_batch([BTreeMap::new(), BTreeMap::from([(Some((1, 2)), 3)])]) {
        RunError::Sink {
            batch: Some(2), source: SinkError::Format { format: "JSON", .. }, ..
        } => {}
        error => panic!("it came to {error:?}"),
    }
    assert_eq!(fs::read_to_string(&path).expect("there"), before);
}

/// A writer that keeps what it is given, or refuses.
#[derive(Clone, Default)]
struct Paper {
    text: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.text.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn the_console_shows_the_first_rows_and_their_number() {
    let paper = Paper::default();
    let to = paper.clone();
    let mut writing = Writing::start(move || Console::<u32>::new().to(to.clone()));
    writing.batch([7]);
    writing.batch([]);
    writing.batch(0..10);
    writing.batch(0..11);
    writing.stop();
    let rule = "-------------------------------------------";
    let head = |batch: u32, rows: &str| {
        format!("{rule}\nTime: {batch}000 ms  (batch {batch}, {rows})\n{rule}\n")
    };
    let ten = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let expected = [
        head(1, "1 row") + "7\n\n",
        head(2, "0 rows") + "\n",
        head(3, "10 rows") + ten + "\n",
        head(4, "11 rows") + ten + "...\n\n",
    ];
    let text = paper.text.lock().expect("no panic").clone();
    assert_eq!(String::from_utf8(text).expect("text"), expected.concat());
}

fn a_console_that_is_closed_ends_the_run_with_a_word() {
    let paper = Paper::default();
    let to = paper.clone();
    let mut writing = Writing::start(move || Console::<u32>::new().to(to.clone()));
    writing.batch([1]);
    paper.closed.store(true, Ordering::SeqCst);
    let error = writing.failing_batch([2]);
    assert_eq!(error.to_string(), "sink `console` failed at batch 2");
}

fn every_sink_is_given_every_batch() {
    let place = tempfile::tempdir().expect("a directory");
    let (prefix, jsonl) = (place.path().join("n"), place.path().join("out.jsonl"));
    let (input, kept) = (Queue::<u64>::new(3), Memory::new());
    let (queue, memory) = (input.clone(), kept.clone());
    let lines = jsonl.clone();
    let config = Config::new("many").workers(4).batch_time_origin_ms(0);
    let mut local = Local::start(config, move |ctx| {
        let rows = ctx.source(queue.clone());
        rows.clone().sink(TextFiles::new(&prefix));
        rows.clone().sink(JsonLines::new(&lines));
        rows.sink(memory.clone());
    })
    .expect("the job starts");
    for batch in 0..20u64 {
        (0..3).for_each(|part| input.push_to(part, (0..batch).map(|n| batch * 100 + n)));
        let record = local.tick();
        assert_eq!(record.rows_out(), 9 * batch, "three sinks of three times {batch} rows");
    }
    local.stop().expect("it ends well");
    let text = fs::read_to_string(&jsonl).expect("there");
    let mut lines = text.lines();
    for (tick, rows) in kept.batches() {
        let written = fs::read_to_string(place.path().join(format!("n-{}", tick.time_ms)));
        let expected: String = rows.iter().map(|row| format!("{row}\n")).collect();
        assert_eq!(written.expect("there"), expected, "batch {}", tick.id);
        for row in rows {
            let (batch, time) = (tick.id, tick.time_ms);
            let line = format!(r#"{{"batch":{batch},"time_ms":{time},"row":{row}}}"#);
            assert_eq!(lines.next(), Some(&*line));
        }
    }
    assert_eq!(lines.next(), None);
}
