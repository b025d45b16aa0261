//! While a server is away, or ends its connections.

use std::time::{Duration, Instant};

use tidegate::recovery::Checkpoints;
use tidegate::sink::Sink;
use tidegate::sink::sql::Postgres;
use tidegate::source::Generator;
use tidegate::{Config, start};

use super::lane::{Kind, Place, SERVERS, Server, Test};

pub const TESTS: &[Test] = &[
    ("a server that is killed and started again costs time only", SERVERS, killed),
    ("connections that the server ends cost time only", &[Kind::Postgres], ended),
    ("a server that stays away ends the job with a word", &[Kind::Postgres], stays_away),
];

const LIMIT: Duration = Duration::from_secs(60);

/// Runs a job of numbered lines while something happens to the server, and checks that each is
/// there once.
fn in_spite_of(place: &Place, mut happens: impl FnMut(&Place)) {
    place.run("CREATE TABLE numbers (batch BIGINT, time_ms BIGINT, number BIGINT)");
    let saved = tempfile::tempdir().expect("a directory");
    let checkpoints = Checkpoints::at(saved.path()).every(Duration::from_millis(50));
    let config = Config::new("outage").workers(2).interval(Duration::from_millis(20));
    let at = place.again();
    let job = start(config.checkpoints(checkpoints), move |ctx| {
        let numbers = Generator::new("numbers", 1, |_, number| number).rows_per_s(2_000.0);
        at.log(ctx.source(numbers), "numbers", 2);
    })
    .expect("a job");
    let written = |more: i64| {
        let begun = Instant::now();
        let count = "SELECT COUNT(*) FROM numbers";
        let target = place.number(count) + more;
        while place.number(count) < target {
            assert!(begun.elapsed() < LIMIT, "no rows come any more");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    written(500);
    happens(place);
    written(1_000);
    job.stop();
    let summary = job.join().expect("a job that ends well");
    let [rows, different] = ["COUNT(*)", "COUNT(DISTINCT number)"]
        .map(|what| place.number(&format!("SELECT {what} FROM numbers")) as u64);
    assert_eq!((rows, different), (summary.rows_in, summary.rows_in));
}

fn killed(kind: Kind) {
    // A server of its own: the others' must not go away.
    let mut server = Server::start(kind);
    let place = Place::on(kind, &server);
    in_spite_of(&place, |_| {
        for _ in 0..2 {
            server.kill();
            std::thread::sleep(Duration::from_millis(300));
            server.resume();
            std::thread::sleep(Duration::from_millis(300));
        }
    });
}

fn ended(kind: Kind) {
    in_spite_of(&Place::new(kind), |place| {
        let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = 'tidegate'";
        let mut ended = 0;
        let begun = Instant::now();
        while ended < 30 {
            assert!(begun.elapsed() < LIMIT, "only {ended} connections could be ended");
            ended += place.number(end);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

fn stays_away(kind: Kind) {
    let mut server = Server::start(kind);
    let place = Place::on(kind, &server);
    let mut sink = Postgres::append(&place.url, "log").patience(Duration::from_millis(300));
    let opened = Sink::<(i64, String, i64)>::open(&mut sink, 0);
    let mut writing = super::lane::Writing { writer: opened.expect("it can be opened") };
    writing.batch(1, &[(1, "a".to_owned(), 1)]).expect("it is written");
    server.kill();
    let error = writing.batch(2, &[(1, "b".to_owned(), 1)]).expect_err("it is away").to_string();
    assert!(error.contains(&server.address()) && error.contains("server runs"), "{error}");
    assert!(!error.contains("gate@"), "{error}");
}
