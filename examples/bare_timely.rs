//! cargo run --example bare_timely
//!
//! Tidegate's operators without Tidegate's engine, on bare timely and differential dataflow: which
//! words come most often in this program's source, and how that changes as lines are taken away.

use differential_dataflow::AsCollection;
use tidegate_operators::batched::{Attachment, attach};
use tidegate_operators::codec::Codecs;
use tidegate_operators::combine::{Signed, Whole, combine};
use tidegate_operators::keyed::{Accumulate, Departed, TopK};
use tidegate_operators::{Count, Peers, differences, ship};
use timely::dataflow::operators::Probe;

const TEXT: &str = include_str!("bare_timely.rs");

fn main() -> Result<(), String> {
    let guards = timely::execute(timely::Config::process(2), |worker| {
        let (mut words, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let peers = Peers::new(scope.index(), scope.peers(), scope.peers(), Codecs::default());
            let (words, changes) = differential_dataflow::input::Input::new_collection(&scope);

            // Counts by word: combined where the words are, kept where each word belongs.
            let changes = differences::by_batch(changes);
            let tallies = combine(changes, &peers, "words", Signed(Whole), Count);
            let operator = Accumulate::<String, (), _>::new(Count, Departed::Drop);
            let counts = attach(tallies, operator, Attachment::named("count")).output;

            // The three largest of all, as one key.
            let ranked = counts.as_collection().map(|(word, count)| ((), (count, word)));
            let owners = peers.clone();
            let shipped =
                ship::ship(differences::by_batch(ranked), &peers, "top", move |((key, _), _)| {
                    owners.owner_of_key(key)
                });
            let top = attach(shipped, TopK::new(3), Attachment::named("top")).output;
            let (probe, _) = top
                .as_collection()
                .inspect(|(((), (count, word)), batch, diff)| {
                    println!("batch {batch}: {diff:+} {count} x `{word}`");
                })
                .inner
                .probe();
            (words, probe)
        });

        // Each worker has every other line; in the second batch it takes half of them back.
        let mine = TEXT.lines().skip(worker.index()).step_by(worker.peers());
        let mine = mine.flat_map(|line| line.split(|letter: char| !letter.is_alphabetic()));
        let mine: Vec<&str> = mine.filter(|word| !word.is_empty()).collect();
        mine.iter().for_each(|word| words.insert(word.to_string()));
        words.advance_to(1);
        mine[..mine.len() / 2].iter().for_each(|word| words.remove(word.to_string()));
        words.advance_to(2);
        words.flush();
        worker.step_while(|| probe.less_than(words.time()));
    })?;
    guards.join().into_iter().collect()
}
