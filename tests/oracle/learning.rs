//! Models that learn: against plain loops over the points of each batch, and, to the last bit,
//! against themselves on other numbers of workers, with the points dealt out in another way.
//!
//! The loops add up in another order and by another formula, and agree but for rounding; what may
//! not differ in a single bit is one run from the other.

use libtest_mimic::Trial;
use tidegate::sink::Memory;
use tidegate::source::{Generator, Queue};
use tidegate::workloads::{
    Decay, KMeansModel, LabelledPoint, LinearModel, Point, StreamingKMeans,
    StreamingLinearRegression, point,
};
use tidegate::{Config, DStream, Local, Record};

use crate::support::{Rng, trials};

pub fn trials() -> Vec<Trial> {
    trials!["oracle::learning";
        clusters_follow_a_plain_loop_to_the_same_bits_everywhere,
        a_linear_model_follows_a_plain_loop_to_the_same_bits_everywhere,
        seeded_centres_are_found,
        what_decays_is_forgotten_by_batches_or_by_points,
        a_cluster_that_has_died_takes_half_of_the_largest,
        seeded_coefficients_are_found,
        ridge_draws_weights_towards_zero,
        predictions_stand_beside_their_keys,
        points_that_do_not_fit_are_left_out,
    ]
}

const PARTITIONS: u32 = 5;

/// The models after each batch, and some predictions, on some workers. `deal` says to which
/// partition a row goes.
fn run<D: Record, M: Record, E: Record>(
    workers: usize,
    batches: &[Vec<D>],
    deal: impl Fn(usize) -> u32,
    program: impl for<'s> Fn(DStream<'s, D>) -> (DStream<'s, M>, DStream<'s, E>) + Send + Sync + 'static,
) -> (Vec<M>, Vec<Vec<E>>) {
    let (input, models, predicted) = (Queue::new(PARTITIONS), Memory::new(), Memory::new());
    let (source, sinks) = (input.clone(), (models.clone(), predicted.clone()));
    let mut local = Local::start(Config::new("learning").workers(workers), move |ctx| {
        let (latest, predictions) = program(ctx.source(source.clone()));
        latest.sink(sinks.0.clone());
        predictions.sink(sinks.1.clone());
    })
    .expect("the program can run");
    for batch in batches {
        for (number, row) in batch.iter().enumerate() {
            input.push_to(deal(number), [row.clone()]);
        }
        local.tick();
    }
    local.stop().expect("the job ends well");
    let models = models.rows().into_iter().map(|mut of_batch| {
        assert_eq!(of_batch.len(), 1, "one model after each batch");
        of_batch.remove(0)
    });
    let mut predicted = predicted.rows();
    predicted.iter_mut().for_each(|rows| rows.sort());
    (models.collect(), predicted)
}

/// The same models and predictions on 1, 2 and 4 workers, however the rows are dealt out.
fn alike<D: Record, M: Record, E: Record>(
    batches: &[Vec<D>],
    program: impl for<'s> Fn(DStream<'s, D>) -> (DStream<'s, M>, DStream<'s, E>)
    + Clone
    + Send
    + Sync
    + 'static,
) -> (Vec<M>, Vec<Vec<E>>) {
    let first = run(1, batches, |number| number as u32 % PARTITIONS, program.clone());
    assert_eq!(first.0.len(), batches.len(), "a model after each batch");
    for (workers, seed) in [(1, 3u64), (2, 0), (2, 5), (4, 7), (4, 11)] {
        let deal = move |number: usize| {
            let mut rng = Rng::new(seed * 1000 + number as u64);
            rng.below(u64::from(PARTITIONS)) as u32
        };
        let other = run(workers, batches, deal, program.clone());
        assert!(other == first, "{workers} workers, dealt by {seed}: the bits differ");
    }
    first
}

/// A number of any size: where floats are added up in another order, the sum is another one.
fn any(rng: &mut Rng) -> f64 {
    let fraction = rng.below(1 << 30) as f64 / (1u64 << 29) as f64 - 1.0;
    fraction * [1e-9, 1.0, 1.0, 1e3][rng.below(4) as usize]
}

fn points(seed: u64, dimensions: usize) -> Vec<Vec<Point>> {
    let mut rng = Rng::new(seed);
    let batches = (0..10).map(|number| {
        let points = if number == 4 { 0 } else { rng.below(60) };
        (0..points).map(|_| point((0..dimensions).map(|_| any(&mut rng)))).collect()
    });
    batches.collect()
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * (1.0 + left.abs().max(right.abs()))
}

/// Clusters by a plain loop: each centre is the mean of all its points, by their faded weights.
struct PlainClusters {
    /// For each cluster the weight, and the weighted sums of the coordinates.
    sums: Vec<(f64, Vec<f64>)>,
    centres: Vec<Vec<f64>>,
}

impl PlainClusters {
    fn new(start: &KMeansModel) -> Self {
        let centres: Vec<Vec<f64>> =
            start.clusters.iter().map(|c| c.centre.iter().map(|x| x.0).collect()).collect();
        let weighted = |(number, centre): (usize, &Vec<f64>)| {
            let weight = start.clusters[number].weight.0;
            (weight, centre.iter().map(|along| along * weight).collect())
        };
        PlainClusters { sums: centres.iter().enumerate().map(weighted).collect(), centres }
    }

    fn nearest(&self, point: &Point) -> usize {
        let distance = |centre: &Vec<f64>| -> f64 {
            centre.iter().zip(point).map(|(at, of)| (at - of.0) * (at - of.0)).sum()
        };
        let distances: Vec<f64> = self.centres.iter().map(distance).collect();
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        distances.iter().position(|distance| *distance == least).expect("there is a centre")
    }

    fn batch(&mut self, points: &[Point], decay: Decay) {
        let nearest: Vec<usize> = points.iter().map(|point| self.nearest(point)).collect();
        let factor = match decay {
            Decay::Batches(factor) => factor,
            Decay::Points(factor) => factor.powi(points.len() as i32),
        };
        for (weight, sums) in &mut self.sums {
            *weight *= factor;
            sums.iter_mut().for_each(|sum| *sum *= factor);
        }
        for (point, cluster) in points.iter().zip(nearest).rev() {
            let (weight, sums) = &mut self.sums[cluster];
            *weight += 1.0;
            sums.iter_mut().zip(point).for_each(|(sum, along)| *sum += along.0);
        }
        for (centre, (weight, sums)) in self.centres.iter_mut().zip(&self.sums) {
            if *weight > 0.0 {
                *centre = sums.iter().map(|sum| sum / weight).collect();
            }
        }
    }
}

fn clusters_follow_a_plain_loop_to_the_same_bits_everywhere() {
    for (seed, decay) in
        [(1200, Decay::Batches(1.0)), (1201, Decay::Batches(0.6)), (1202, Decay::Points(0.995))]
    {
        let batches = points(seed, 3);
        // No cluster starves: a little weight of its own keeps it from being revived.
        let kmeans = StreamingKMeans::random(4, 3, seed).decay(decay).initial_weight(5.0);
        let (start, trained) = (kmeans.start().clone(), kmeans);
        let (models, predicted) = alike(&batches, move |points| {
            let kmeans = trained.train_on(points.clone());
            let keyed = points.map(|point| (point.clone(), point));
            (kmeans.latest_model(), kmeans.predict_on_values(keyed))
        });
        let mut plain = PlainClusters::new(&start);
        for (number, batch) in batches.iter().enumerate() {
            plain.batch(batch, decay);
            let what = format!("batch {}, seed {seed}, {decay:?}", number + 1);
            for (found, (centre, (weight, _))) in
                models[number].clusters.iter().zip(plain.centres.iter().zip(&plain.sums))
            {
                assert!(near(found.weight.0, *weight), "{what}: {found:?} weighs {weight}");
                let same = found.centre.iter().zip(centre).all(|(a, b)| near(a.0, *b));
                assert!(same, "{what}: {found:?} is at {centre:?}");
            }
            assert_eq!(predicted[number].len(), batch.len(), "{what}");
            for (point, cluster) in &predicted[number] {
                assert_eq!(*cluster, plain.nearest(point) as u64, "{what}, {point:?}");
            }
        }
    }
}

fn labelled(seed: u64, dimensions: usize) -> Vec<Vec<LabelledPoint>> {
    let mut rng = Rng::new(seed);
    let small = |rng: &mut Rng| rng.below(1 << 20) as f64 / (1u64 << 19) as f64 - 1.0;
    let batches = (0..8).map(|number| {
        let points = if number == 3 { 0 } else { 1 + rng.below(40) };
        let points = (0..points).map(|_| {
            let features = point((0..dimensions).map(|_| small(&mut rng)));
            LabelledPoint::new(3.0 * small(&mut rng), features)
        });
        points.collect()
    });
    batches.collect()
}

/// What a plain loop makes of the weights with the points of a batch.
fn descend(
    mut weights: Vec<f64>,
    points: &[LabelledPoint],
    (step_size, iterations, ridge, tolerance): (f64, u64, f64, f64),
) -> Vec<f64> {
    let norm = |of: &[f64]| of.iter().map(|along| along * along).sum::<f64>().sqrt();
    for iteration in 1..=iterations {
        if points.is_empty() {
            break;
        }
        let mut gradient = vec![0.0; weights.len()];
        for LabelledPoint { label, features } in points.iter().rev() {
            let predicted: f64 = weights.iter().zip(features).map(|(w, x)| w * x.0).sum();
            for (sum, along) in gradient.iter_mut().zip(features) {
                *sum += (predicted - label.0) * along.0 / points.len() as f64;
            }
        }
        let step = step_size / (iteration as f64).sqrt();
        let before = weights.clone();
        for (weight, along) in weights.iter_mut().zip(gradient) {
            *weight -= step * (along + ridge * *weight);
        }
        let moved: Vec<f64> = before.iter().zip(&weights).map(|(a, b)| a - b).collect();
        if iteration > 1 && norm(&moved) < tolerance * norm(&weights).max(1.0) {
            break;
        }
    }
    weights
}

fn a_linear_model_follows_a_plain_loop_to_the_same_bits_everywhere() {
    for (seed, ridge, tolerance) in [(1210, 0.0, 0.001), (1211, 0.1, 0.0), (1212, 0.5, 0.01)] {
        let batches = labelled(seed, 4);
        let regression = StreamingLinearRegression::new(point([0.0, 1.0, -1.0, 0.5]))
            .step_size(0.7)
            .iterations(25)
            .ridge(ridge)
            .tolerance(tolerance);
        let mut weights: Vec<f64> = regression.start().weights.iter().map(|w| w.0).collect();
        let (models, predicted) = alike(&batches, move |points| {
            let trained = regression.train_on(points.clone());
            let keyed = points.map(|point| (point.clone(), point.features));
            (trained.latest_model(), trained.predict_on_values(keyed))
        });
        for (number, batch) in batches.iter().enumerate() {
            weights = descend(weights, batch, (0.7, 25, ridge, tolerance));
            let what = format!("batch {}, seed {seed}", number + 1);
            let found = &models[number].weights;
            let same = found.iter().zip(&weights).all(|(a, b)| near(a.0, *b));
            assert!(same, "{what}: {found:?} are {weights:?}");
            assert_eq!(predicted[number].len(), batch.len(), "{what}");
            for (point, label) in &predicted[number] {
                let expected: f64 = weights.iter().zip(&point.features).map(|(w, x)| w * x.0).sum();
                assert!(near(label.0, expected), "{what}: {label} is {expected}");
            }
        }
    }
}

/// The models after each of some batches of a generator's records, on two workers.
fn learned<D: Record, M: Record>(
    generator: Generator<D>,
    batches: usize,
    program: impl for<'s> Fn(DStream<'s, D>) -> DStream<'s, M> + Send + Sync + 'static,
) -> Vec<M> {
    let rows =
        |batch: usize| (0..200).map(|n| generator.record(0, (200 * batch + n) as u64)).collect();
    let batches: Vec<Vec<D>> = (0..batches).map(rows).collect();
    let deal = |number| number as u32 % PARTITIONS;
    run(2, &batches, deal, move |points| (program(points.clone()), points.count())).0
}

fn distance(left: &Point, right: &Point) -> f64 {
    left.iter().zip(right).map(|(a, b)| (a.0 - b.0) * (a.0 - b.0)).sum::<f64>().sqrt()
}

fn seeded_centres_are_found() {
    for seed in [21, 22, 23] {
        let centres = Generator::centres(4, 3, seed);
        // Each begins three deviations beside its centre.
        let beside = centres.iter().map(|centre| point(centre.iter().map(|along| along.0 + 1.7)));
        let kmeans = StreamingKMeans::new(beside).decay(Decay::Batches(0.9));
        let models = learned(Generator::points(4, 3, seed), 20, move |points| {
            kmeans.train_on(points).latest_model()
        });
        let last = models.last().expect("a model");
        for (cluster, centre) in last.clusters.iter().zip(&centres) {
            let away = distance(&cluster.centre, centre);
            assert!(away < 0.3, "{cluster:?} is {away} away from {centre:?}, seed {seed}");
        }
    }
}

/// The only centre after each of some batches of points on a line.
fn centres(decay: Decay, batches: &[&[f64]]) -> Vec<f64> {
    let kmeans = StreamingKMeans::new([point([0.0])]).decay(decay);
    let points: Vec<Vec<Point>> =
        batches.iter().map(|batch| batch.iter().map(|x| point([*x])).collect()).collect();
    let (models, _) = run(
        2,
        &points,
        |number| number as u32 % PARTITIONS,
        move |points| (kmeans.train_on(points.clone()).latest_model(), points.count()),
    );
    models.iter().map(|model| model.clusters[0].centre[0].0).collect()
}

fn what_decays_is_forgotten_by_batches_or_by_points() {
    let batches: [&[f64]; 4] = [&[4.0, 4.0], &[1.0, 1.0], &[], &[0.0, 0.0]];
    // Nothing is forgotten: the mean of all points.
    let (all, expected) = (centres(Decay::Batches(1.0), &batches), [4.0, 2.5, 2.5, 10.0 / 6.0]);
    assert!(all.iter().zip(expected).all(|(a, b)| near(*a, b)), "{all:?}: {expected:?}");
    // Everything is: the mean of the last batch that had a point.
    assert_eq!(centres(Decay::Batches(0.0), &batches), [4.0, 1.0, 1.0, 0.0]);
    // Each batch halves what was there: of four points in two batches 1/4 and 1/2 are left.
    let halves = centres(Decay::half_life_in_batches(1.0), &batches);
    let expected = [4.0, 2.0, 2.0, (0.25 * 4.0 + 0.5 * 1.0) / (0.25 + 0.5 + 2.0)];
    assert!(halves.iter().zip(expected).all(|(a, b)| near(*a, b)), "{halves:?}: {expected:?}");
    // Two points halve what was there; no point leaves it as it is.
    let halves = centres(Decay::half_life_in_points(2.0), &batches);
    let expected = [4.0, 2.0, 2.0, (0.5 * 4.0 + 1.0 * 1.0) / (0.5 + 1.0 + 2.0)];
    assert!(halves.iter().zip(expected).all(|(a, b)| near(*a, b)), "{halves:?}: {expected:?}");
}

fn a_cluster_that_has_died_takes_half_of_the_largest() {
    // Nobody is near the second centre; after thirty halvings its point is forgotten.
    let kmeans = StreamingKMeans::new([point([0.0]), point([100.0])]).decay(Decay::Batches(0.5));
    let mut batches = vec![vec![point([0.0]), point([100.0])]];
    batches.extend(vec![vec![point([-1.0]), point([1.0])]; 40]);
    let (models, _) = run(
        2,
        &batches,
        |number| number as u32 % PARTITIONS,
        move |points| (kmeans.train_on(points.clone()).latest_model(), points.count()),
    );
    let centre = |model: &KMeansModel, number: usize| model.clusters[number].centre[0].0;
    assert_eq!(centre(&models[20], 1), 100.0);
    let last = models.last().expect("a model");
    let mut ends = [centre(last, 0), centre(last, 1)];
    ends.sort_by(f64::total_cmp);
    assert!((ends[0] + 1.0).abs() < 0.1 && (ends[1] - 1.0).abs() < 0.1, "each takes one: {ends:?}");
}

fn weights(model: &LinearModel) -> Vec<f64> {
    model.weights.iter().map(|weight| weight.0).collect()
}

fn seeded_coefficients_are_found() {
    for seed in [31, 32] {
        let truth = [1.5, -2.0, 0.25];
        let regression = StreamingLinearRegression::new(point([0.0; 3])).step_size(0.5);
        let models = learned(Generator::labelled(truth.to_vec(), 0.1, seed), 10, move |points| {
            regression.train_on(points).latest_model()
        });
        let found = weights(models.last().expect("a model"));
        let off = found.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 0.05, "{found:?} is off by {off}, seed {seed}");
    }
}

fn ridge_draws_weights_towards_zero() {
    // One point at 1 with label 1: the error is least at 1 / (1 + lambda).
    for lambda in [0.0, 0.25, 1.0] {
        let regression = StreamingLinearRegression::new(point([0.0]))
            .step_size(0.5)
            .iterations(400)
            .tolerance(0.0)
            .ridge(lambda);
        let batches = [vec![LabelledPoint::new(1.0, point([1.0]))]];
        let (models, _) = run(
            2,
            &batches,
            |_| 0,
            move |points| (regression.train_on(points.clone()).latest_model(), points.count()),
        );
        let found = weights(&models[0])[0];
        assert!((found - 1.0 / (1.0 + lambda)).abs() < 1e-4, "{found} with lambda {lambda}");
    }
}

fn predictions_stand_beside_their_keys() {
    // By the model that has learned from the batch, not by the one before it.
    let kmeans = StreamingKMeans::new([point([0.0]), point([9.0])]).decay(Decay::Batches(0.0));
    let batches = [vec![point([4.0]), point([6.0])], vec![], vec![point([1.0]), point([8.0])]];
    let (_, predicted) = run(
        2,
        &batches,
        |number| number as u32 % PARTITIONS,
        move |points| {
            let trained = kmeans.train_on(points.clone());
            let keyed = points.map(|point| ((point[0].0 * 10.0) as u64, point));
            (trained.latest_model(), trained.predict_on_values(keyed))
        },
    );
    assert_eq!(predicted, [vec![(40, 0), (60, 1)], vec![], vec![(10, 0), (80, 1)]]);
}

fn points_that_do_not_fit_are_left_out() {
    let odd = [point([]), point([1.0, 2.0]), point([f64::NAN]), point([f64::INFINITY])];
    let kmeans = StreamingKMeans::new([point([0.0])]);
    assert!(odd.iter().all(|point| !kmeans.fits(point)) && kmeans.fits(&point([3.0])));
    let mut batch = odd.to_vec();
    batch.push(point([3.0]));
    let (models, predicted) = run(
        2,
        &[batch],
        |number| number as u32 % PARTITIONS,
        move |points| {
            let trained = kmeans.train_on(points.clone());
            (trained.latest_model(), trained.predict_on(points))
        },
    );
    assert_eq!((models[0].clusters[0].centre[0].0, models[0].clusters[0].weight.0), (3.0, 1.0));
    assert_eq!(predicted, [[0]]);

    let regression = StreamingLinearRegression::new(point([1.0]));
    let odd = [
        LabelledPoint::new(f64::NAN, point([1.0])),
        LabelledPoint::new(1.0, point([])),
        LabelledPoint::new(1.0, point([f64::NEG_INFINITY])),
    ];
    assert!(odd.iter().all(|point| !regression.fits(point)));
    let (models, predicted) = run(
        2,
        &[odd.to_vec()],
        |_| 1,
        move |points| {
            let trained = regression.train_on(points.clone());
            (trained.latest_model(), trained.predict_on(points.map(|point| point.features)))
        },
    );
    assert_eq!((weights(&models[0]), predicted[0].clone()), (vec![1.0], vec![1.0.into()]));
}
