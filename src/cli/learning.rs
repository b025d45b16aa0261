//! What is said about models that learn.

use clap::{Args, ValueEnum};
use tidegate::operators::keyed::Upsert;
use tidegate::source::Generator;
use tidegate::workloads::{
    Cluster, Decay, LabelledPoint, LinearModel, Point, StreamingKMeans, StreamingLinearRegression,
    point,
};
use tidegate::{DStream, OrderedFloat, Table};

use super::source::Made;

/// Options of `kmeans` and `regression`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Models that learn")]
pub struct Learning {
    /// Coordinates of a point; others are dead letters
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    dimensions: u64,

    /// kmeans: how many clusters there are
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    clusters: u64,

    /// kmeans: after how many batches or points a point weighs half [default: never]
    #[arg(long, value_name = "N", value_parser = above_zero, allow_negative_numbers = true)]
    half_life: Option<f64>,

    /// kmeans: what the half-life counts
    #[arg(long, value_enum, default_value_t = Unit::Batches)]
    per: Unit,

    /// kmeans: what the random centres to begin with are made from
    #[arg(long, default_value_t = 1, value_name = "N")]
    model_seed: u64,

    /// regression: the size of the first step
    #[arg(long, default_value_t = 0.1, value_name = "SIZE", value_parser = above_zero,
          allow_negative_numbers = true)]
    step_size: f64,

    /// regression: how many steps a batch takes at most
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    iterations: u64,

    /// regression: how strongly weights are drawn towards 0
    #[arg(long, default_value_t = 0.0, value_name = "LAMBDA", value_parser = from_zero,
          allow_negative_numbers = true)]
    ridge: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Unit {
    Batches,
    Points,
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number > 0.0).ok_or_else(|| "use a number above 0".to_owned())
}

fn from_zero(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number >= 0.0).ok_or_else(|| "use 0 or more".to_owned())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Learning {
    /// The clusters of some points, by number.
    pub fn clusters<'s>(&self, points: DStream<'s, Point>) -> Table<'s, (u64, Cluster)> {
        let kmeans = StreamingKMeans::random(self.clusters, self.dimensions, self.model_seed);
        let kmeans = kmeans.decay(match (self.half_life, self.per) {
            (None, _) => Decay::Batches(1.0),
            (Some(length), Unit::Batches) => Decay::half_life_in_batches(length),
            (Some(length), Unit::Points) => Decay::half_life_in_points(length),
        });
        let models = kmeans.train_on(points.uid("kmeans")).latest_model();
        let clusters = models.flat_map(|model| {
            let numbered = model.clusters.into_iter().enumerate();
            numbered.map(|(number, cluster)| (number as u64, Some(cluster))).collect::<Vec<_>>()
        });
        clusters.operator("clusters", |(number, _)| number, Upsert::new())
    }

    /// The weights of a linear model of some points, by coordinate.
    pub fn weights<'s>(
        &self,
        points: DStream<'s, LabelledPoint>,
    ) -> Table<'s, (u64, OrderedFloat<f64>)> {
        let begin = point((0..self.dimensions).map(|_| 0.0));
        let regression = StreamingLinearRegression::new(begin)
            .step_size(self.step_size)
            .iterations(self.iterations)
            .ridge(self.ridge);
        let models = regression.train_on(points.uid("regression")).latest_model();
        let weights = models.flat_map(|LinearModel { weights }| {
            let numbered = weights.into_iter().enumerate();
            numbered.map(|(number, weight)| (number as u64, Some(weight))).collect::<Vec<_>>()
        });
        weights.operator("weights", |(number, _)| number, Upsert::new())
    }

    /// How points are read, and made up: those of `tidegate generate points`.
    pub fn points(&self) -> Made<Point> {
        let (clusters, dimensions) = (self.clusters, self.dimensions);
        let whole = move |point: &Point| of_dimension(point, dimensions);
        let generator = move |seed, _rate| Generator::points(clusters, dimensions, seed);
        Made::new(whole, generator)
    }

    /// How labelled points are read, and made up.
    pub fn labelled(&self) -> Made<LabelledPoint> {
        let dimensions = self.dimensions;
        let whole = move |point: &LabelledPoint| of_dimension(&point.features, dimensions);
        let generator =
            move |seed, _rate| Generator::labelled(made_up_weights(dimensions), 0.1, seed);
        Made::new(whole, generator)
    }
}

/// The weights that made-up points are labelled by: 1, -2, 3, -4 and so on.
pub fn made_up_weights(dimensions: u64) -> Vec<f64> {
    (1..=dimensions).map(|n| if n % 2 == 1 { n as f64 } else { -(n as f64) }).collect()
}

fn of_dimension(point: &Point, dimensions: u64) -> Result<(), String> {
    if point.len() as u64 == dimensions {
        return Ok(());
    }
    let count = point.len();
    Err(format!(
        "{count} coordinates, not {dimensions}: say `--dimensions {count}` if that is right"
    ))
}
