//! What is wrong is said before the job starts, with a remedy and without a password.

use super::lane::{Kind, Place, SERVERS, Test};
use crate::support::process::tidegate;

pub const TESTS: &[Test] = &[
    ("what does not fit the table is refused before the start", &Kind::ALL, tables),
    ("a wrong password or database is refused before the start", SERVERS, passwords),
    ("a right that is missing is found before the start", SERVERS, rights),
    ("a key that takes different texts for the same is refused", &Kind::ALL, loose_keys),
];

/// Runs a job that counts words into a sink, which refuses.
#[track_caller]
fn refused(sink: &str, texts: &[&str]) {
    let job = "run wordcount --source generate:?records=10 --fail-fast --trigger available-now";
    let ended = tidegate(&format!("{job} --sink {sink}")).run().failed(2, texts);
    assert!(!ended.stderr.contains("gate@"), "a password is shown:\n{}", ended.stderr);
}

fn tables(kind: Kind) {
    let place = Place::new(kind);
    let word = if kind == Kind::MariaDb { "VARBINARY(20)" } else { "VARCHAR(20)" };
    place.run(&format!("CREATE TABLE bare (word {word}, count BIGINT)"));
    place.run("CREATE TABLE needy (word VARCHAR(20), count BIGINT, more BIGINT NOT NULL)");
    for (parameters, texts) in [
        ("table=nothing", &["no table `nothing`", "create it"][..]),
        ("table=counts&key=word&columns=word,n", &["no column `n`", "`word`, `count`"]),
        ("table=counts&key=n", &["the key `n`"]),
        ("table=counts", &["no column `batch`"]),
        ("table=bare&key=word", &["no unique index on `word`"]),
        ("table=needy&key=word&columns=word,count", &["`more`", "default"]),
        ("table=counts&key=word&shards=2", &["name the columns"]),
        ("key=word", &["table=TABLE"]),
    ] {
        refused(&place.sink(parameters), texts);
    }
    let job = "run wordcount --source generate:?records=10 --trigger available-now";
    let three = place.sink("table=log&mode=append");
    let ended = tidegate(&format!("{job} --sink {three}")).run();
    ended.failed(1, &["gives 2 columns", "`diff`, `word`, `count`"]);
}

fn passwords(kind: Kind) {
    let place = Place::new(kind);
    let sink = place.sink("table=counts&key=word");
    refused(&sink.replace("tide:gate@", "tide:wrong@"), &["can't connect"]);
    refused(&sink.replace("/test", "/nothing"), &["can't connect"]);
    refused(&sink.replace("tide:gate@", "tide:gate@["), &["can't be understood"]);
}

fn rights(kind: Kind) {
    let place = Place::new(kind);
    let database = place.url.rsplit_once('/').expect("a path").1.to_owned();
    let user = format!("reader{database}");
    match kind {
        Kind::Postgres => {
            place.run(&format!("CREATE USER {user} PASSWORD 'gate'"));
            place.run(&format!("GRANT SELECT, INSERT, UPDATE ON counts, log TO {user}"));
        }
        _ => {
            place.run(&format!("CREATE USER {user} IDENTIFIED BY 'gate'"));
            place.run(&format!("GRANT SELECT, INSERT, UPDATE ON {database}.* TO {user}"));
        }
    }
    let sink = place.sink("table=counts&key=word").replace("tide:", &format!("{user}:"));
    let remedy = if kind == Kind::Postgres { "permission denied" } else { "DELETE command denied" };
    refused(&sink, &["can't write to `counts`", remedy]);
}

fn loose_keys(kind: Kind) {
    let place = Place::new(kind);
    place.run(match kind {
        Kind::Postgres => "CREATE TABLE loose (word CHAR(20) PRIMARY KEY, count BIGINT)",
        Kind::MariaDb => "CREATE TABLE loose (word VARCHAR(20) PRIMARY KEY, count BIGINT)",
        Kind::Sqlite => "CREATE TABLE loose (word TEXT COLLATE NOCASE PRIMARY KEY, count BIGINT)",
    });
    refused(&place.sink("table=loose&key=word"), &["`word`", "can't be a key", "make it"]);
    if kind == Kind::MariaDb {
        place.run("CREATE TABLE aria (word VARBINARY(20) PRIMARY KEY, count BIGINT) ENGINE = Aria");
        refused(&place.sink("table=aria&key=word"), &["ENGINE = InnoDB"]);
    }
}
