//! cargo run --example differential
//!
//! Down to a differential collection and up again: which packages does one package need, directly
//! or not? The dependencies are those of this project's `Cargo.lock`; they come in three batches,
//! and the answer is maintained by differential's `iterate`.

use differential_dataflow::operators::Iterate;
use tidegate::sink::Memory;
use tidegate::source::Queue;
use tidegate::{Config, Local, Table};

/// A package, and one that it depends on.
type Dependency = (String, String);

/// The packages that `root` needs, each with the length of the shortest way to it.
fn needed<'s>(dependencies: Table<'s, Dependency>, root: &str) -> Table<'s, (String, u64)> {
    let ctx = dependencies.context();
    let root = root.to_owned();
    let edges = dependencies.into_collection();
    let roots = edges.clone().map(|(from, _)| from).filter(move |from| *from == root).distinct();
    let roots = roots.map(|package| (package, 0));
    ctx.table(roots.clone().iterate(|scope, reached| {
        let (edges, roots) = (edges.enter(scope), roots.enter(scope));
        reached
            .join_map(edges, |_from, steps, to| (to.clone(), steps + 1))
            .concat(roots)
            .reduce(|_package, steps, shortest| shortest.push((*steps[0].0, 1)))
    }))
}

/// The dependencies in the text of a `Cargo.lock`.
fn dependencies(lock: &str) -> Vec<Dependency> {
    let mut package = String::new();
    let mut found = Vec::new();
    for line in lock.lines() {
        if let Some(name) = line.strip_prefix("name = ") {
            package = name.trim_matches('"').to_owned();
        } else if let Some(rest) = line.strip_prefix(" \"") {
            let name = rest.split(['"', ' ']).next().unwrap_or(rest);
            found.push((package.clone(), name.to_owned()));
        }
    }
    found
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let all = dependencies(&std::fs::read_to_string("Cargo.lock")?);
    let (input, output) = (Queue::new(1), Memory::new());
    let (source, sink) = (input.clone(), output.clone());
    let mut local = Local::start(Config::new("needed").spread_from_env(2)?, move |ctx| {
        let dependencies = ctx.source(source.clone()).running().table();
        needed(dependencies, "tidegate").snapshots().sink(sink.clone());
    })?;
    for part in 0..3 {
        input.push(all.iter().skip(part).step_by(3).cloned());
        let batch = local.tick().batch;
        let needed = output.rows_of(batch);
        let farthest = needed.iter().max_by_key(|(_, steps)| *steps);
        println!("batch {batch}: {} packages, the farthest is {farthest:?}", needed.len());
    }
    local.stop()?;
    Ok(())
}
