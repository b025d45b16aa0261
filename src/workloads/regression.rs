//! A linear model that follows the stream.

use ordered_float::OrderedFloat;
use serde::{Deserialize, Serialize};
use tidegate_operators::learn::Learner;
use tidegate_operators::{ExactSum, Record};

use super::Point;
use super::kmeans::fits;
use crate::{DStream, Learned};

/// Streaming linear regression, as Spark MLlib's `StreamingLinearRegressionWithSGD`: in each batch
/// the weights take some steps down the gradient of the mean squared error of the batch's points,
/// from where the batch before has left them.
///
/// Step `i` is the step size over the root of `i`. A batch's steps are over when so many have been
/// taken, or when one of them was shorter than the tolerance, in proportion to the weights. A batch
/// without points changes nothing. For an intercept, give the points a coordinate that is always 1.
///
/// Gradients are added up exactly, and each sum is rounded once: the model is a function of the
/// points of each batch, and the same to the last bit whatever their order, the number of workers
/// and that of processes.
///
/// Points of another dimension than the weights, and those with a coordinate or a label that is
/// no finite number, are left out, of training and of predictions. To see them, filter by
/// [`fits`](StreamingLinearRegression::fits).
///
/// Kept: the weights. A batch costs `O(points * dimensions)` in each step, dealt to the workers as
/// the points are, and a letter from each worker to each.
///
/// ```
/// use tidegate::sink::Memory;
/// use tidegate::source::Queue;
/// use tidegate::workloads::{LabelledPoint, StreamingLinearRegression, point};
/// use tidegate::{Config, Local};
///
/// let (points, models) = (Queue::new(1), Memory::new());
/// let (source, sink) = (points.clone(), models.clone());
/// let regression = StreamingLinearRegression::new(point([0.0])).step_size(0.2);
/// let mut local = Local::start(Config::new("line").workers(2), move |ctx| {
///     let trained = regression.train_on(ctx.source(source.clone()));
///     trained.latest_model().sink(sink.clone());
/// })
/// .unwrap();
/// for _ in 0..3 {
///     points.push([1.0, 2.0, 3.0].map(|x| LabelledPoint::new(2.0 * x, point([x]))));
///     local.tick();
/// }
/// local.stop().unwrap();
/// assert!((models.rows()[2][0].weights[0].0 - 2.0).abs() < 0.01);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StreamingLinearRegression {
    start: LinearModel,
    step_size: f64,
    iterations: u64,
    ridge: f64,
    tolerance: f64,
}

/// The weights of a linear model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinearModel {
    /// The weight of each coordinate.
    pub weights: Point,
}

/// A point, and what is to be told of points like it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LabelledPoint {
    /// What is to be told.
    pub label: OrderedFloat<f64>,
    /// What it is to be told from.
    pub features: Point,
}

impl LabelledPoint {
    /// A point with its label.
    pub fn new(label: f64, features: Point) -> Self {
        LabelledPoint { label: OrderedFloat(label), features }
    }
}

impl LinearModel {
    /// The label that a point should have.
    ///
    /// ```
    /// use tidegate::workloads::{LinearModel, point};
    ///
    /// let model = LinearModel { weights: point([2.0, -1.0]) };
    /// assert_eq!(model.predict(&point([3.0, 4.0])), 2.0);
    /// ```
    pub fn predict(&self, features: &Point) -> f64 {
        self.weights.iter().zip(features).map(|(weight, along)| weight.0 * along.0).sum()
    }
}

impl StreamingLinearRegression {
    /// A regression that begins with these weights. As in Spark it takes 50 steps for each batch,
    /// of size 0.1, to a tolerance of 0.001, and is not regularised.
    ///
    /// # Panics
    ///
    /// If a weight is no finite number.
    pub fn new(weights: Point) -> Self {
        assert!(fits(&weights, weights.len()), "the weights {weights:?} are not all finite");
        StreamingLinearRegression {
            start: LinearModel { weights },
            step_size: 0.1,
            iterations: 50,
            ridge: 0.0,
            tolerance: 0.001,
        }
    }

    /// The size of the first step. Too large a one leads away from the solution: less than the
    /// reciprocal of the mean square of a point's length is safe.
    pub fn step_size(mut self, step_size: f64) -> Self {
        self.step_size = step_size;
        self
    }

    /// How many steps are taken for each batch, at most.
    ///
    /// # Panics
    ///
    /// If there is to be none.
    pub fn iterations(mut self, iterations: u64) -> Self {
        assert!(iterations > 0, "a regression of no step learns nothing: allow one or more");
        self.iterations = iterations;
        self
    }

    /// Draws the weights towards 0: half of `lambda` times their squares is added to the error
    /// (ridge regression, Spark's `SquaredL2Updater`).
    pub fn ridge(mut self, lambda: f64) -> Self {
        self.ridge = lambda;
        self
    }

    /// A batch's steps are over when one is shorter than this times the length of the weights, or
    /// than this if the weights are shorter than 1. With 0 all steps are taken.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The model to begin with.
    pub fn start(&self) -> &LinearModel {
        &self.start
    }

    /// Whether a point has as many coordinates as there are weights, and all numbers are finite.
    pub fn fits(&self, point: &LabelledPoint) -> bool {
        is_whole(point, self.start.weights.len())
    }

    /// Learns from the points of each batch.
    pub fn train_on<'s>(&self, points: DStream<'s, LabelledPoint>) -> LinearRegression<'s> {
        let dimensions = self.start.weights.len();
        let points = points.filter(move |point| is_whole(point, dimensions));
        let model = points.learn(Descent(self.clone()), self.start.clone());
        LinearRegression { model, dimensions }
    }
}

fn is_whole(point: &LabelledPoint, dimensions: usize) -> bool {
    fits(&point.features, dimensions) && point.label.is_finite()
}

/// A linear model that learns from a stream.
pub struct LinearRegression<'s> {
    model: Learned<'s, LinearModel>,
    dimensions: usize,
}

impl<'s> LinearRegression<'s> {
    /// The model after each batch.
    pub fn latest_model(&self) -> DStream<'s, LinearModel> {
        self.model.latest_model()
    }

    /// The label of each point that fits, by the model that has learned from the batch.
    pub fn predict_on(&self, points: DStream<'s, Point>) -> DStream<'s, OrderedFloat<f64>> {
        let keyed = points.map(|point| ((), point));
        self.predict_on_values(keyed).map(|((), label)| label)
    }

    /// The same of values, each with its key: the true label, perhaps.
    pub fn predict_on_values<K: Record>(
        &self,
        points: DStream<'s, (K, Point)>,
    ) -> DStream<'s, (K, OrderedFloat<f64>)> {
        let dimensions = self.dimensions;
        let points = points.filter(move |(_, point)| fits(point, dimensions));
        self.model.beside(points, |(key, point), model| (key, OrderedFloat(model.predict(&point))))
    }
}

/// Steps down the gradient.
struct Descent(StreamingLinearRegression);

impl Learner<LabelledPoint> for Descent {
    type Model = LinearModel;
    /// The number of points, and the sum of their gradients.
    type Evidence = (u64, Vec<ExactSum>);

    fn gather(&self, model: &LinearModel, _round: u64, points: &[LabelledPoint]) -> Self::Evidence {
        let mut gradient = vec![ExactSum::default(); model.weights.len()];
        for point in points {
            let error = model.predict(&point.features) - point.label.0;
            for (sum, along) in gradient.iter_mut().zip(&point.features) {
                *sum += ExactSum::from(error * along.0);
            }
        }
        (points.len() as u64, gradient)
    }

    fn merge(&self, evidence: &mut Self::Evidence, other: Self::Evidence) {
        evidence.0 += other.0;
        evidence.1.iter_mut().zip(other.1).for_each(|(sum, other)| *sum += other);
    }

    fn improve(&self, model: &mut LinearModel, round: u64, evidence: Self::Evidence) -> bool {
        let (points, gradient) = evidence;
        if points == 0 {
            return false;
        }
        let Descent(settings) = self;
        let step = settings.step_size / ((round + 1) as f64).sqrt();
        let before = model.weights.clone();
        for (weight, sum) in model.weights.iter_mut().zip(&gradient) {
            weight.0 *= 1.0 - step * settings.ridge;
            weight.0 -= step * (sum.to_f64() / points as f64);
        }
        let moved = before.iter().zip(&model.weights).map(|(before, now)| before.0 - now.0);
        let least = settings.tolerance * length(model.weights.iter().map(|now| now.0)).max(1.0);
        // The first step of a batch is never the last: so it is in Spark.
        let is_settled = round > 0 && length(moved) < least;
        !is_settled && round + 1 < settings.iterations
    }
}

fn length(coordinates: impl Iterator<Item = f64>) -> f64 {
    coordinates.map(|along| along * along).sum::<f64>().sqrt()
}
