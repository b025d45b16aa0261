//! Clusters of points that move as the stream does.

use ordered_float::OrderedFloat;
use serde::{Deserialize, Serialize};
use tidegate_operators::learn::Learner;
use tidegate_operators::{ExactSum, Record};

use super::{Point, point};
use crate::source::generator::Random;
use crate::{DStream, Learned};

/// Streaming k-means, as Spark MLlib's `StreamingKMeans`: in each batch every point goes to the
/// nearest centre, and each centre moves to the mean of its old place, by its weight, and of the
/// points that came to it. Weights fade, so that old batches are forgotten.
///
/// Coordinates are added up exactly, and each sum is rounded once: the model is a function of the
/// points of each batch, and the same to the last bit whatever their order, the number of workers
/// and that of processes.
///
/// Points of another dimension than the centres, and those with a coordinate that is no finite
/// number, have no nearest centre: they are left out, of training and of predictions. To see them,
/// filter by [`fits`](StreamingKMeans::fits).
///
/// Kept: the model. A batch costs `O(points * clusters * dimensions)`, dealt to the workers as the
/// points are.
///
/// The rule is that of Spark's documentation ("Streaming k-means"), with the split of clusters
/// that have died; a mini-batch k-means goes back to D. Sculley, *Web-scale k-means clustering*,
/// 2010.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::workloads::{StreamingKMeans, point};
/// use tidegate::{Config, Local};
///
/// let (points, models, clusters) = (Queue::new(1), Memory::new(), Memory::new());
/// let (source, sinks) = (points.clone(), (models.clone(), clusters.clone()));
/// let kmeans = StreamingKMeans::new([point([0.0]), point([10.0])]);
/// let mut local = Local::start(Config::new("clusters").workers(2), move |ctx| {
///     let points = ctx.source(source.clone());
///     let trained = kmeans.train_on(points.clone());
///     trained.latest_model().sink(sinks.0.clone());
///     trained.predict_on(points).sink(sinks.1.clone());
/// })
/// .unwrap();
/// points.push([point([1.0]), point([3.0]), point([11.0])]);
/// local.tick();
/// local.stop().unwrap();
/// let centres: Vec<f64> = models.rows()[0][0].clusters.iter().map(|c| c.centre[0].0).collect();
/// assert_eq!(centres, [2.0, 11.0]);
/// assert_eq!(clusters.rows(), [[0, 0, 1]]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StreamingKMeans {
    start: KMeansModel,
    decay: Decay,
}

/// How old points fade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// With each batch, empty ones included, the weight of what came before is multiplied by
    /// this: 1 forgets nothing, 0 all but the last batch.
    Batches(f64),
    /// The same with each point: a batch of `n` points multiplies by the `n`th power.
    Points(f64),
}

impl Decay {
    /// After so many batches, points weigh half.
    ///
    /// ```
    /// use tidegate::workloads::Decay;
    ///
    /// assert_eq!(Decay::half_life_in_batches(1.0), Decay::Batches(0.5));
    /// ```
    pub fn half_life_in_batches(batches: f64) -> Self {
        Decay::Batches(half_life(batches))
    }

    /// After so many points, a point weighs half.
    pub fn half_life_in_points(points: f64) -> Self {
        Decay::Points(half_life(points))
    }

    /// What is left of a weight after a batch.
    fn discount(self, points: u64) -> f64 {
        match self {
            Decay::Batches(factor) => factor,
            Decay::Points(factor) => libm::pow(factor, points as f64),
        }
    }
}

fn half_life(length: f64) -> f64 {
    libm::exp(libm::log(0.5) / length)
}

/// What is known of the clusters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KMeansModel {
    /// Each of them.
    pub clusters: Vec<Cluster>,
}

/// A cluster: where it is, and the weight of the points that brought it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cluster {
    /// The mean of its points, the old ones faded.
    pub centre: Point,
    /// How many points there are, the old ones faded.
    pub weight: OrderedFloat<f64>,
}

impl KMeansModel {
    /// The cluster with the nearest centre; of several, the first.
    ///
    /// ```
    /// use tidegate::workloads::{StreamingKMeans, point};
    ///
    /// let model = StreamingKMeans::new([point([0.0, 0.0]), point([0.0, 4.0])]).start().clone();
    /// assert_eq!((model.predict(&point([9.0, 1.0])), model.predict(&point([9.0, 3.0]))), (0, 1));
    /// ```
    pub fn predict(&self, point: &Point) -> u64 {
        let (mut nearest, mut least) = (0, f64::INFINITY);
        for (number, cluster) in self.clusters.iter().enumerate() {
            let along = cluster.centre.iter().zip(point).map(|(at, of)| of.0 - at.0);
            let distance: f64 = along.map(|along| along * along).sum();
            if distance < least {
                (nearest, least) = (number as u64, distance);
            }
        }
        nearest
    }
}

impl StreamingKMeans {
    /// Clusters that begin with these centres, at weight 0, and forget nothing.
    ///
    /// # Panics
    ///
    /// If there is no centre, or not all have as many coordinates, all of them finite.
    pub fn new(centres: impl IntoIterator<Item = Point>) -> Self {
        let weight = OrderedFloat(0.0);
        let clusters = centres.into_iter().map(|centre| Cluster { centre, weight });
        let kmeans = StreamingKMeans {
            start: KMeansModel { clusters: clusters.collect() },
            decay: Decay::Batches(1.0),
        };
        let centres = &kmeans.start.clusters;
        assert!(
            !centres.is_empty() && centres.iter().all(|cluster| kmeans.fits(&cluster.centre)),
            "give one centre or more, of as many finite coordinates each, not {centres:?}"
        );
        kmeans
    }

    /// Clusters that begin at random places about the origin: each coordinate by a normal
    /// distribution of deviation 1, the same for a seed.
    ///
    /// ```
    /// use tidegate::workloads::StreamingKMeans;
    ///
    /// let kmeans = StreamingKMeans::random(3, 2, 7);
    /// assert_eq!(kmeans, StreamingKMeans::random(3, 2, 7));
    /// assert_eq!(kmeans.start().clusters[2].centre.len(), 2);
    /// ```
    ///
    /// # Panics
    ///
    /// If there are to be no clusters.
    pub fn random(clusters: u64, dimensions: u64, seed: u64) -> Self {
        let centre = |number| {
            let mut random = Random::of(seed, 0, number);
            point((0..dimensions).map(|_| random.normal()))
        };
        StreamingKMeans::new((0..clusters).map(centre))
    }

    /// How old points fade; by default they don't.
    pub fn decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self
    }

    /// The centres begin with this weight each, as if so many points had brought them there.
    pub fn initial_weight(mut self, weight: f64) -> Self {
        self.start.clusters.iter_mut().for_each(|cluster| cluster.weight = OrderedFloat(weight));
        self
    }

    /// The model to begin with.
    pub fn start(&self) -> &KMeansModel {
        &self.start
    }

    /// Whether a point has as many coordinates as the centres, all of them finite.
    pub fn fits(&self, point: &Point) -> bool {
        fits(point, self.dimensions())
    }

    fn dimensions(&self) -> usize {
        self.start.clusters.first().map_or(0, |cluster| cluster.centre.len())
    }

    /// Learns from the points of each batch.
    pub fn train_on<'s>(&self, points: DStream<'s, Point>) -> KMeans<'s> {
        let dimensions = self.dimensions();
        let points = points.filter(move |point| fits(point, dimensions));
        let model = points.learn(KMeansLearner { decay: self.decay }, self.start.clone());
        KMeans { model, dimensions }
    }
}

/// Whether coordinates are as many as they should be, and finite.
pub(super) fn fits(point: &Point, dimensions: usize) -> bool {
    point.len() == dimensions && point.iter().all(|along| along.is_finite())
}

/// Clusters that learn from a stream.
pub struct KMeans<'s> {
    model: Learned<'s, KMeansModel>,
    dimensions: usize,
}

impl<'s> KMeans<'s> {
    /// The model after each batch.
    pub fn latest_model(&self) -> DStream<'s, KMeansModel> {
        self.model.latest_model()
    }

    /// The number of the cluster of each point that fits, by the model that has learned from the
    /// batch.
    pub fn predict_on(&self, points: DStream<'s, Point>) -> DStream<'s, u64> {
        let keyed = points.map(|point| ((), point));
        self.predict_on_values(keyed).map(|((), cluster)| cluster)
    }

    /// The same of values, each with its key.
    pub fn predict_on_values<K: Record>(
        &self,
        points: DStream<'s, (K, Point)>,
    ) -> DStream<'s, (K, u64)> {
        let dimensions = self.dimensions;
        let points = points.filter(move |(_, point)| fits(point, dimensions));
        self.model.beside(points, |(key, point), model| (key, model.predict(&point)))
    }
}

/// A step of streaming k-means.
struct KMeansLearner {
    decay: Decay,
}

impl Learner<Point> for KMeansLearner {
    type Model = KMeansModel;
    /// For each cluster the number of points, and the sum of each of their coordinates.
    type Evidence = Vec<(u64, Vec<ExactSum>)>;

    fn gather(&self, model: &KMeansModel, _round: u64, points: &[Point]) -> Self::Evidence {
        let nothing = |cluster: &Cluster| (0, vec![ExactSum::default(); cluster.centre.len()]);
        let mut evidence: Self::Evidence = model.clusters.iter().map(nothing).collect();
        for point in points {
            let (points, sums) = &mut evidence[model.predict(point) as usize];
            *points += 1;
            sums.iter_mut().zip(point).for_each(|(sum, along)| *sum += ExactSum::from(along.0));
        }
        evidence
    }

    fn merge(&self, evidence: &mut Self::Evidence, other: Self::Evidence) {
        for ((points, sums), (more, others)) in evidence.iter_mut().zip(other) {
            *points += more;
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
    }

    fn improve(&self, model: &mut KMeansModel, _round: u64, evidence: Self::Evidence) -> bool {
        let points = evidence.iter().map(|(points, _)| points).sum();
        let discount = self.decay.discount(points);
        for (cluster, (points, sums)) in model.clusters.iter_mut().zip(evidence) {
            cluster.weight *= discount;
            if points == 0 {
                continue;
            }
            let points = points as f64;
            cluster.weight += points;
            let part = points / cluster.weight.0.max(1e-16);
            for (at, sum) in cluster.centre.iter_mut().zip(&sums) {
                at.0 = (1.0 - part) * at.0 + part / points * sum.to_f64();
            }
        }
        revive(&mut model.clusters);
        false
    }
}

/// Below this part of the largest weight a cluster is dead.
const DEAD: f64 = 1e-8;

/// A cluster that has died takes half of the largest one: two centres next to each other, which
/// the next batches draw apart.
fn revive(clusters: &mut [Cluster]) {
    let (mut largest, mut smallest) = (0, 0);
    for (number, cluster) in clusters.iter().enumerate() {
        if cluster.weight > clusters[largest].weight {
            largest = number;
        }
        if cluster.weight < clusters[smallest].weight {
            smallest = number;
        }
    }
    let (most, least) = (clusters[largest].weight, clusters[smallest].weight);
    if least.0 >= DEAD * most.0 {
        return;
    }
    let (weight, centre) = ((most + least) / 2.0, clusters[largest].centre.clone());
    let aside = |sign: f64| {
        let moved = |at: &OrderedFloat<f64>| at.0 + sign * 1e-14 * at.abs().max(1.0);
        Cluster { centre: point(centre.iter().map(moved)), weight }
    };
    clusters[largest] = aside(1.0);
    clusters[smallest] = aside(-1.0);
}
