//! Each batch once: delivered twice, cut off at its commit, by a start that was taken for dead.

use tidegate::Change;
use tidegate::sink::Claim;

use super::lane::{Count, Kind, Place, SERVERS, Test, came, went};
use super::proxy::{Cut, Proxy};

pub const TESTS: &[Test] = &[
    ("a batch that is delivered twice is there once", &Kind::ALL, delivered_twice),
    ("a start that was taken for dead writes no more", &Kind::ALL, taken_for_dead),
    ("a commit whose answer is lost is neither lost nor doubled", SERVERS, lost_answers),
    ("two sinks of one job can't note their batches in one line", &Kind::ALL, one_line),
    ("the number of shards is kept", &Kind::ALL, other_shards),
    ("without checkpoints nothing is noted", &Kind::ALL, nothing_noted),
];

/// A start of the job, by its number.
fn claim(generation: u64) -> Claim<'static> {
    Claim::new("job", "sink", 0, generation)
}

fn owned(counts: &[(&str, i64)]) -> Vec<Count> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

fn delivered_twice(kind: Kind) {
    let place = Place::new(kind);
    let mut keeper = place.keeper(1);
    let mut adder = place.adder::<Change<Count>>("log").expect("it can be opened");
    assert_eq!(keeper.writer.recover(&claim(1)).expect("claimed"), Some(0));
    assert_eq!(adder.writer.recover(&claim(1)).expect("claimed"), Some(0));
    let first = [came("a", 1), came("b", 1)];
    let second = [went("a", 1), came("a", 2), went("b", 1)];
    for (id, rows) in
        [(1, &first[..]), (1, &first), (2, &[]), (3, &second), (3, &second), (1, &first)]
    {
        keeper.batch(id, rows).expect("it is written");
        adder.batch(id, rows).expect("it is written");
    }
    assert_eq!(place.counts(), owned(&[("a", 2)]));
    assert_eq!(place.number("SELECT COUNT(*) FROM log"), 5);
    assert_eq!(place.number("SELECT SUM(diff) FROM log"), 1);

    // The next start goes on behind it.
    let mut keeper = place.keeper(1);
    assert_eq!(keeper.writer.recover(&claim(2)).expect("claimed"), Some(3));
    keeper.batch(3, &second).expect("it is written");
    keeper.batch(4, &[came("b", 7)]).expect("it is written");
    assert_eq!(place.counts(), owned(&[("a", 2), ("b", 7)]));
}

fn taken_for_dead(kind: Kind) {
    let place = Place::new(kind);
    let (mut old, mut new) = (place.keeper(1), place.keeper(1));
    old.writer.recover(&claim(1)).expect("claimed");
    old.batch(1, &[came("a", 1)]).expect("it is written");
    assert_eq!(new.writer.recover(&claim(2)).expect("claimed"), Some(1));
    let error = old.batch(2, &[came("a", 9)]).expect_err("it is fenced").to_string();
    assert!(error.contains("start 1") && error.contains("start 2"), "{error}");
    assert_eq!(place.counts(), owned(&[("a", 1)]));
    new.batch(2, &[came("a", 2)]).expect("it is written");
    // Nor later, nor what it had before, nor as a start of its own.
    old.batch(3, &[came("a", 9)]).expect_err("it is fenced");
    old.batch(1, &[came("a", 9)]).expect_err("it is fenced");
    let error = place.keeper(1).writer.recover(&claim(1)).expect_err("it is fenced").to_string();
    assert!(error.contains("another id"), "{error}");
    assert_eq!(place.counts(), owned(&[("a", 2)]));
}

fn lost_answers(kind: Kind) {
    let place = Place::new(kind);
    let server = place.url.split(['@', '/']).nth(3).expect("an address").to_owned();
    let proxy = Proxy::to(server.clone());
    let far = place.through(&server, &proxy.address);
    let mut adder = far.adder::<Change<Count>>("log").expect("it can be opened");
    let mut keeper = far.keeper(1);
    adder.writer.recover(&claim(1)).expect("claimed");
    keeper.writer.recover(&claim(1)).expect("claimed");
    let mut cuts = 0;
    for id in 1..=12 {
        for (turn, cut) in [Cut::Before, Cut::After].into_iter().enumerate() {
            let writer =
                if (id + turn as u64).is_multiple_of(2) { &mut adder } else { &mut keeper };
            proxy.cut(cut);
            let word = format!("w{id}");
            writer.batch(id, &[came(&word, id as i64)]).expect("it is written in the end");
            cuts += 1;
            assert_eq!(proxy.cuts(), cuts, "batch {id} was cut {cut:?} its commit");
        }
    }
    assert_eq!(place.counts().len(), 12);
    assert_eq!(place.number("SELECT COUNT(*) FROM log"), 12);
    assert_eq!(place.number("SELECT COUNT(DISTINCT batch) FROM log"), 12);

    // Without a word on what was written, a batch may come twice, but never too few times.
    let mut unsaved = far.adder::<Change<Count>>("log").expect("it can be opened");
    proxy.cut(Cut::Before);
    unsaved.batch(13, &[came("x", 1)]).expect("it is written in the end");
    assert_eq!(place.number("SELECT COUNT(*) FROM log WHERE batch = 13"), 1);
    proxy.cut(Cut::After);
    unsaved.batch(14, &[came("x", 1)]).expect("it is written in the end");
    assert_eq!(place.number("SELECT COUNT(*) FROM log WHERE batch = 14"), 2);
}

fn one_line(kind: Kind) {
    let place = Place::new(kind);
    let (mut first, mut second) = (place.keeper(1), place.keeper(1));
    first.writer.recover(&claim(1)).expect("claimed");
    let error = second.writer.recover(&claim(1)).expect_err("it is taken").to_string();
    assert!(error.contains("`counts`") && error.contains("id of its own"), "{error}");
}

fn other_shards(kind: Kind) {
    let place = Place::new(kind);
    place.keeper(1).writer.recover(&claim(1)).expect("claimed");
    let error =
        place.keeper(2).writer.recover(&claim(2)).expect_err("shards are others").to_string();
    assert!(error.contains("1 shards") && error.contains("in 2"), "{error}");
}

fn nothing_noted(kind: Kind) {
    let place = Place::new(kind);
    let mut keeper = place.keeper(1);
    keeper.batch(1, &[came("a", 1)]).expect("it is written");
    keeper.batch(1, &[went("a", 1), came("a", 2)]).expect("it is written");
    assert_eq!(place.counts(), owned(&[("a", 2)]));
    let tables = match kind {
        Kind::Sqlite => "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'tidegate_progress'",
        Kind::MariaDb => {
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = database() AND table_name = 'tidegate_progress'"
        }
        Kind::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'tidegate_progress'"
        }
    };
    assert_eq!(place.number(tables), 0);
}
