//! What is in the tables after each batch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate::source::Queue;
use tidegate::{Config, Local, OrderedFloat, Span};

use super::lane::{Count, Kind, Place, Test};
use crate::support::Rng;

pub const TESTS: &[Test] = &[
    ("a table equals a sliding window's after each batch", &Kind::ALL, sliding_window),
    ("every value comes back as it went", &Kind::ALL, values),
];

fn sliding_window(kind: Kind) {
    for (workers, shards, seed) in [(1, 1, 1), (4, 1, 2), (4, 3, 3)] {
        let place = Place::new(kind);
        let input = Queue::new(2);
        let config = Config::new("counts").workers(workers).batch_time_origin_ms(0);
        let (queue, at) = (input.clone(), place.again());
        let mut local = Local::start(config, move |ctx| {
            let words = ctx.source(queue.clone()).window(Span::batches(3), Span::batches(1));
            let counts = words.count_by_value();
            at.keep(counts.clone().changes(), shards);
            at.log(counts.changes(), "log", shards);
        })
        .expect("the job starts");
        let mut rng = Rng::new(seed);
        let mut batches: Vec<Vec<String>> = Vec::new();
        for number in 0..14 {
            // Some are empty, and the last ones let everything go.
            let size = if number > 10 || rng.below(4) == 0 { 0 } else { rng.below(300) };
            let words: Vec<String> =
                (0..size).map(|_| format!("w'{}", rng.below(40) * rng.below(40))).collect();
            input.push_to(number % 2, words.clone());
            batches.push(words);
            local.tick();
            let mut expected: BTreeMap<String, i64> = BTreeMap::new();
            for word in batches.iter().rev().take(3).flatten() {
                *expected.entry(word.clone()).or_default() += 1;
            }
            let expected: Vec<Count> = expected.into_iter().collect();
            let shown = format!("seed {seed}, batch {number}, {workers} workers, {shards} shards");
            assert_eq!(place.counts(), expected, "{shown}");
            let left = place.rows(
                "SELECT word, count FROM log GROUP BY word, count HAVING SUM(diff) <> 0 \
                 ORDER BY word, count",
            );
            assert_eq!(left.len(), expected.len(), "the log adds up to the table: {shown}");
        }
        local.stop().expect("it ends well");
        assert!(place.counts().is_empty(), "everything has gone, seed {seed}");
        assert!(place.number("SELECT COUNT(*) FROM log WHERE diff < 0") > 50, "seed {seed}");
        assert_eq!(place.number("SELECT COUNT(*) FROM log WHERE time_ms <> batch * 1000"), 0);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Row {
    id: u32,
    text: Option<String>,
    inner: (Option<i64>, bool),
    ratio: OrderedFloat<f64>,
    large: u64,
    list: Vec<u8>,
}

fn values(kind: Kind) {
    let place = Place::new(kind);
    let binary = if kind == Kind::Postgres { "BYTEA" } else { "BLOB" };
    let text = match kind {
        Kind::MariaDb => "TEXT CHARACTER SET utf8mb4",
        _ => "TEXT",
    };
    // SQLite's whole numbers end at 63 bits.
    let large = if kind == Kind::Sqlite { i64::MAX as u64 } else { u64::MAX };
    place.run(&format!(
        "CREATE TABLE kept (batch BIGINT, time_ms BIGINT, id BIGINT, said {text}, number BIGINT, \
         truth BOOLEAN, ratio DOUBLE PRECISION, large NUMERIC(20), list {text})"
    ));
    place.run(&format!("CREATE TABLE raw (batch BIGINT, time_ms BIGINT, id BIGINT, raw {binary})"));
    let texts = [
        Some("it's \"quoted\" \\ `so` ; -- ?".to_owned()),
        Some("Gezeiten: 潮汐 🌊 é\n\t".to_owned()),
        Some(String::new()),
        Some("$1 :a @b % {,} NULL \\x00".to_owned()),
        None,
    ];
    let rows: Vec<Row> = (0..)
        .zip(&texts)
        .map(|(id, text)| Row {
            id,
            text: text.clone(),
            inner: ((id > 0).then_some(i64::MIN + i64::from(id)), id % 2 == 0),
            ratio: [0.1, -1e300, 1.5, f64::MIN_POSITIVE, 0.0][id as usize].into(),
            large,
            list: vec![1, 2],
        })
        .collect();
    let mut adder = place.adder::<Row>("kept").expect("it can be opened");
    adder.batch(7, &rows).expect("it is written");
    let found = place.rows("SELECT * FROM kept ORDER BY id");
    assert_eq!(found.len(), rows.len());
    for (row, found) in rows.iter().zip(found) {
        let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
        let number = row.inner.0.map(|number| number.to_string());
        assert_eq!(found[..2], [Some("7"), Some("7000")]);
        assert_eq!((found[3], found[4]), (row.text.as_deref(), number.as_deref()));
        assert_eq!(found[5].map(|truth| truth == "1" || truth == "t"), Some(row.inner.1));
        assert_eq!(found[6].and_then(|ratio| ratio.parse().ok()), Some(row.ratio.0));
        assert_eq!(found[7], Some(&*large.to_string()));
        assert_eq!(found[8], Some("[1,2]"));
    }

    let nul = vec![(1_u32, "a\0b".to_owned())];
    let mut adder = place.adder::<(u32, String)>("raw").expect("it can be opened");
    adder.batch(1, &nul).expect("it is written");
    let length = if kind == Kind::Sqlite { "length(CAST(raw AS BLOB))" } else { "length(raw)" };
    assert_eq!(place.number(&format!("SELECT {length} FROM raw")), 3);
    if kind == Kind::Postgres {
        place.run("CREATE TABLE texts (batch BIGINT, time_ms BIGINT, id BIGINT, said TEXT)");
        let mut adder = place.adder::<(u32, String)>("texts").expect("it can be opened");
        let error = adder.batch(1, &nul).expect_err("a text has no NUL here").to_string();
        assert!(error.contains("`said`") && error.contains("bytea"), "{error}");
    }
}
