//! Where records come from: what is read, at which offsets, and what is passed over.
//!
//! Catches lines that are lost, doubled or cut, offsets that lie, and generators whose records
//! depend on anything but their seed. Can't catch what a disk or a network does under load, nor how
//! fast anything is.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use tidegate::error::SourceError;
use tidegate::metrics::{BatchRecord, PartitionRecord};
use tidegate::sink::Memory;
use tidegate::source::{DeadLetter, Directory, File, Generator, Queue, Socket, Source};
use tidegate::{Config, Local, Record, RunError, Trigger};

use crate::support::trials;

pub fn trials() -> Vec<Trial> {
    trials![
        "sources";
        a_file_is_read_line_by_line_with_the_offsets_of_its_bytes,
        an_empty_file_is_a_batch_of_nothing,
        lines_that_are_no_text_are_dead_letters_with_their_offsets,
        a_followed_file_gives_a_line_when_it_has_its_end,
        batches_of_a_file_take_up_where_the_last_one_ended,
        a_directory_is_read_oldest_file_first_and_new_files_follow,
        files_that_are_being_prepared_are_passed_over,
        a_directory_that_is_gone_ends_the_run_with_its_name,
        a_server_that_closes_is_called_again,
        a_server_that_never_pauses_is_heard_at_once,
        a_server_that_is_not_there_fails_fast_if_asked_to,
        a_queue_gives_its_partitions_in_order_and_ends_when_closed,
        workers_without_a_partition_hold_up_no_batch_that_is_counted,
        a_generator_depends_on_its_seed_and_on_nothing_else,
        a_generator_keeps_its_rate_however_batches_are_cut,
    ]
}

/// A job that reads one source, moved by hand.
struct Reading<D> {
    local: Local,
    rows: Memory<D>,
    dead: Memory<DeadLetter>,
}

impl<D: Record> Reading<D> {
    fn start<S: Source<Item = D>>(
        config: Config,
        source: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        let (rows, dead) = (Memory::new(), Memory::new());
        let (row_sink, dead_sink) = (rows.clone(), dead.clone());
        let local = Local::start(config, move |ctx| {
            let (rows, dead) = ctx.source_with_dead_letters(source());
            rows.sink(row_sink.clone());
            dead.sink(dead_sink.clone());
        });
        Reading { local: local.expect("the job starts"), rows, dead }
    }

    fn all(&self) -> Vec<D> {
        self.rows.rows().concat()
    }

    /// Ticks until so many records have come in all.
    fn until(&mut self, records: usize) -> Vec<D> {
        self.until_it("has so many records", |reading| reading.all().len() >= records);
        self.all()
    }

    fn until_it(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_secs(20), "never {what}: {:?}", self.all());
            self.local.tick();
        }
    }
}

/// Reads all there is now, in batches of so many records.
fn read<S: Source>(
    workers: usize,
    records: u64,
    source: impl Fn() -> S + Send + Sync + 'static,
) -> (Vec<Vec<S::Item>>, Vec<DeadLetter>) {
    let (rows, dead) = (Memory::new(), Memory::new());
    let (row_sink, dead_sink) = (rows.clone(), dead.clone());
    let config = Config::new("read")
        .workers(workers)
        .trigger(Trigger::AvailableNow)
        .records_per_partition_max(records);
    let summary = tidegate::run(config, move |ctx| {
        let (rows, dead) = ctx.source_with_dead_letters(source());
        rows.sink(row_sink.clone());
        dead.sink(dead_sink.clone());
    });
    let summary = summary.expect("the job ends well");
    let (rows, dead) = (rows.rows(), dead.rows().concat());
    assert_eq!(summary.rows_in as usize, rows.iter().map(Vec::len).sum::<usize>());
    assert_eq!(summary.dead_letters as usize, dead.len());
    (rows, dead)
}

fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    file
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(path).expect("there");
    file.write_all(text.as_bytes()).expect("written");
}

fn only_partition(record: &BatchRecord) -> &PartitionRecord {
    &record.sources[0].partitions[0]
}

fn a_file_is_read_line_by_line_with_the_offsets_of_its_bytes() {
    let file = file_of(b"one\ntwo\r\n\n  four \nlast");
    for workers in [1, 2, 4] {
        let path = file.path().to_owned();
        let (rows, dead) = read(workers, 1000, move || File::new(&path));
        assert_eq!(rows.concat(), ["one", "two", "", "  four ", "last"]);
        assert!(dead.is_empty());
    }
}

fn an_empty_file_is_a_batch_of_nothing() {
    let path = file_of(b"");
    let name = path.path().to_owned();
    let (rows, _) = read(2, 1000, move || File::new(&name));
    assert_eq!(rows, [Vec::<String>::new()]);
}

fn lines_that_are_no_text_are_dead_letters_with_their_offsets() {
    let file = file_of(b"good\n\xff\xfe\nfine\n\xc3(\nlast \xe2\x82");
    let path = file.path().to_owned();
    for records in [1, 2, 100] {
        let from = path.clone();
        let (rows, dead) = read(1, records, move || File::new(&from));
        assert_eq!(rows.concat(), ["good", "fine"], "{records} records a batch");
        let offsets: Vec<u64> = dead.iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, [5, 13, 16]);
        for letter in &dead {
            assert_eq!(letter.source, format!("file:{}", path.display()));
            assert!(letter.reason.starts_with("no UTF-8"), "{}", letter.reason);
        }
    }
}

fn a_followed_file_gives_a_line_when_it_has_its_end() {
    let file = file_of(b"one\ntw");
    let path = file.path().to_owned();
    let followed = path.clone();
    let mut reading =
        Reading::start(Config::new("follow"), move || File::new(&followed).follow(true));
    assert_eq!(reading.until(1), ["one"]);
    (0..20).for_each(|_| drop(reading.local.tick()));
    assert_eq!(reading.all(), ["one"], "half a line is none");
    append(&path, "o\nthr");
    assert_eq!(reading.until(2), ["one", "two"]);
    append(&path, "ee\n\nfive\n");
    assert_eq!(reading.until(5), ["one", "two", "three", "", "five"]);
    reading.local.stop().expect("it ends well");
}

fn batches_of_a_file_take_up_where_the_last_one_ended() {
    let lines: String = (0..100).map(|n| format!("{}\n", "x".repeat(n % 7))).collect();
    let file = file_of(lines.as_bytes());
    let path = file.path().to_owned();
    let config = Config::new("cut").records_per_partition_max(7);
    let mut reading = Reading::start(config, move || File::new(&path));
    let mut read = 0;
    let begun = Instant::now();
    while read < lines.len() as u64 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{read} bytes were read");
        let record = reading.local.tick();
        let part = only_partition(&record);
        assert_eq!(part.from, read, "{part:?}");
        assert!(part.records <= 7, "{part:?}");
        let taken = &lines[part.from as usize..part.to as usize];
        assert_eq!(taken.lines().count() as u64, part.records, "{part:?}");
        read = part.to;
    }
    assert_eq!(reading.all(), lines.lines().collect::<Vec<_>>());
}

fn a_directory_is_read_oldest_file_first_and_new_files_follow() {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().to_owned();
    let write = |name: &str, text: &str, age: u64| {
        fs::write(at.join(name), text).expect("written");
        let file = fs::File::options().append(true).open(at.join(name)).expect("there");
        let time = std::time::SystemTime::now() - Duration::from_secs(age);
        file.set_modified(time).expect("its time can be set");
    };
    write("a", "third\nfourth without an end", 10);
    write("b", "first\nsecond\n", 20);
    let path = at.clone();
    let mut reading = Reading::start(Config::new("directory"), move || Directory::new(&path));
    assert_eq!(reading.until(4), ["first", "second", "third", "fourth without an end"]);
    // Moved in whole, and older than what is there: it is new all the same.
    write(".new", "fifth\n", 30);
    fs::rename(at.join(".new"), at.join("new")).expect("moved");
    assert_eq!(reading.until(5).last().map(String::as_str), Some("fifth"));
    // What has been read is not read again.
    fs::remove_file(at.join("a")).expect("removed");
    write("more", "sixth\n", 0);
    assert_eq!(reading.until(6).last().map(String::as_str), Some("sixth"));
    reading.local.stop().expect("it ends well");
}

fn files_that_are_being_prepared_are_passed_over() {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().to_owned();
    for name in [".hidden", "_SUCCESS", "part.tmp"] {
        fs::write(at.join(name), "not this\n").expect("written");
    }
    fs::create_dir(at.join("below")).expect("created");
    fs::write(at.join("below").join("file"), "not this\n").expect("written");
    fs::write(at.join("_target"), "through a link\n").expect("written");
    std::os::unix::fs::symlink(at.join("_target"), at.join("link")).expect("a link");
    std::os::unix::fs::symlink(at.join("nowhere"), at.join("broken")).expect("a link");
    let path = at.clone();
    let (rows, _) = read(1, 1000, move || Directory::new(&path));
    assert_eq!(rows.concat(), ["through a link"]);
}

fn a_directory_that_is_gone_ends_the_run_with_its_name() {
    let place = tempfile::tempdir().expect("a directory");
    let at = place.path().to_owned();
    let path = at.clone();
    let mut reading = Reading::start(Config::new("gone"), move || Directory::new(&path));
    reading.local.tick();
    place.close().expect("removed");
    let begun = Instant::now();
    let error = loop {
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on");
        if let Err(error) = reading.local.try_tick() {
            break error;
        }
    };
    match error {
        RunError::Source { name, started: true, source: SourceError::File { path, .. } } => {
            assert_eq!((name, path), (format!("dir:{}", at.display()), at));
        }
        error => panic!("it came to {error:?}"),
    }
}

fn a_server_that_closes_is_called_again() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound").to_string();
    let mut reading = Reading::start(Config::new("socket"), move || Socket::new(&address));
    let say = |text: &str| -> TcpStream {
        let (mut socket, _) = server.accept().expect("it calls");
        socket.write_all(text.as_bytes()).expect("sent");
        socket
    };
    let mut socket = say("one\ntwo\r\nthr");
    assert_eq!(reading.until(2), ["one", "two"]);
    socket.write_all(b"ee\n\xff\nlast without an end").expect("sent");
    drop(socket);
    let begun = Instant::now();
    let _open = say("again\n");
    assert!(begun.elapsed() < Duration::from_secs(5), "it calls again in a second");
    let expected = ["one", "two", "three", "last without an end", "again"];
    assert_eq!(reading.until(5), expected);
    let dead = reading.dead.rows().concat();
    assert_eq!(dead.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [3], "its number");
    reading.local.stop().expect("it ends well");
}

fn a_server_that_never_pauses_is_heard_at_once() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("bound").to_string();
    let mut reading = Reading::start(Config::new("steady"), move || Socket::new(&address));
    let (mut socket, _) = server.accept().expect("it calls");
    std::thread::spawn(move || {
        // In pieces that never end where a line does, until nobody listens any more.
        while socket.write_all(b"e\nlin").is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let begun = Instant::now();
    let rows = reading.until(50);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "it took {took:?} to hear 50 lines");
    assert_eq!((&*rows[0], &*rows[49]), ("e", "line"));
    reading.local.stop().expect("it ends well");
}

fn a_server_that_is_not_there_fails_fast_if_asked_to() {
    let address = {
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        held.local_addr().expect("bound").to_string()
    };
    let called = address.clone();
    let outcome = tidegate::run(Config::new("nobody").fail_fast(true), move |ctx| {
        ctx.source(Socket::new(&called)).sink(Memory::new());
    });
    let error = outcome.expect_err("nobody is there");
    assert!(error.is_before_start());
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains(&address), "{cause}");

    // Without, it waits, and reads when somebody is there.
    let called = address.clone();
    let mut reading = Reading::start(Config::new("patient"), move || Socket::new(&called));
    reading.local.tick();
    let server = TcpListener::bind(&address).expect("the port is still free");
    let (mut socket, _) = server.accept().expect("it calls");
    socket.write_all(b"at last\n").expect("sent");
    assert_eq!(reading.until(1), ["at last"]);
    reading.local.stop().expect("it ends well");
}

fn a_queue_gives_its_partitions_in_order_and_ends_when_closed() {
    for workers in [1, 2, 4] {
        let queue = Queue::<u64>::new(3);
        let source = queue.clone();
        let config = Config::new("queue").workers(workers).records_per_partition_max(2);
        let mut reading = Reading::start(config, move || source.clone());
        queue.push_to(2, [20, 21, 22]);
        queue.push_to(0, [0, 1]);
        queue.push_to(1, [10]);
        assert_eq!(reading.local.tick().rows_in(), 5);
        assert_eq!(reading.rows.rows_of(1), [0, 1, 10, 20, 21], "{workers} workers");
        assert_eq!(reading.local.tick().rows_in(), 1);
        assert_eq!((reading.rows.rows_of(2), queue.len()), (vec![22], 0));
        reading.local.stop().expect("it ends well");
    }
    let queue = Queue::<u64>::new(2);
    queue.push([1, 2, 3]);
    queue.close();
    let rows = Memory::new();
    let sink = rows.clone();
    let config = Config::new("closed").interval(Duration::from_millis(5));
    let summary = tidegate::run(config, move |ctx| ctx.source(queue.clone()).sink(sink.clone()));
    assert_eq!(summary.expect("it ends by itself").rows_in, 3);
    assert_eq!(rows.rows().concat(), [1, 2, 3]);
}

fn made(seed: u64) -> Generator<(u64, u64)> {
    Generator::new("made", seed, |random, offset| (offset, random.bits()))
        .partitions(5)
        .records(503)
}

fn workers_without_a_partition_hold_up_no_batch_that_is_counted() {
    let (queue, rows) = (Queue::<u64>::new(1), Memory::new());
    let (source, sink) = (queue.clone(), rows.clone());
    let config = Config::new("count").workers(3).trigger(Trigger::Count { records: 10 });
    let job = tidegate::start(config, move |ctx| ctx.source(source.clone()).sink(sink.clone()))
        .expect("it starts");
    queue.push(0..30);
    let begun = Instant::now();
    while rows.batches().len() < 3 && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(2));
    }
    job.stop();
    job.join().expect("it ends well");
    let found: Vec<u64> = rows.rows().concat();
    assert_eq!(found, (0..30).collect::<Vec<_>>());
}

fn a_generator_depends_on_its_seed_and_on_nothing_else() {
    let (whole, _) = read(1, 1000, || made(7));
    let mut expected = Vec::new();
    for partition in 0..5u32 {
        let share = (503 + 4 - u64::from(partition)) / 5;
        expected.extend((0..share).map(|offset| made(7).record(partition, offset)));
    }
    assert_eq!(whole.concat(), expected, "partition by partition");
    for workers in [1, 2, 3, 4] {
        assert_eq!(read(workers, 1000, || made(7)).0, whole, "{workers} workers");
        let mut pieces = read(workers, 13, || made(7)).0.concat();
        let mut sorted = expected.clone();
        pieces.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(pieces, sorted, "{workers} workers, batches of 13");
    }
    let (other, _) = read(1, 1000, || made(8));
    let same = other.concat().iter().zip(&expected).filter(|(a, b)| a == b).count();
    assert_eq!(same, 0, "another seed, other records");
}

fn a_generator_keeps_its_rate_however_batches_are_cut() {
    for workers in [1, 2, 4] {
        let config = Config::new("rate").workers(workers).interval(Duration::from_millis(500));
        let mut reading = Reading::start(config, || {
            Generator::new("numbers", 1, |_, n| n).partitions(3).rows_per_s(201.0)
        });
        // Half a second each: 100.5 records, and none is forgotten.
        assert_eq!(reading.local.tick().rows_in(), 100);
        assert_eq!(reading.local.tick().rows_in(), 101);
        // Three ids at once, as after an overload.
        assert_eq!(reading.local.tick_skipping(2).rows_in(), 301);
        assert_eq!(reading.all().len(), 502);
        reading.local.stop().expect("it ends well");
    }
    let config = Config::new("per batch");
    let mut reading =
        Reading::start(config, || Generator::new("numbers", 1, |_, n| n).rows_per_batch(40));
    assert_eq!([reading.local.tick().rows_in(), reading.local.tick().rows_in()], [40, 40]);
    assert_eq!(reading.all(), (0..80).collect::<Vec<u64>>());
    reading.local.stop().expect("it ends well");
}
