//! Points about some centres, and on a plane.

use super::{Generator, Random};
use crate::workloads::{LabelledPoint, Point, point};

/// Centres lie within this distance of the origin, along each coordinate.
const FAR: f64 = 10.0;

impl Generator<Point> {
    /// Points about `clusters` centres, each as likely as the others, with a deviation of 1 along
    /// each coordinate.
    ///
    /// ```
    /// use tidegate::source::Generator;
    /// use tidegate::workloads::Point;
    ///
    /// let point = Generator::points(3, 2, 7).record(0, 12);
    /// let near = |at: &Point| at.iter().zip(&point).all(|(a, b)| (a.0 - b.0).abs() < 5.0);
    /// assert!(Generator::centres(3, 2, 7).iter().any(near));
    /// ```
    pub fn points(clusters: u64, dimensions: u64, seed: u64) -> Self {
        let centres = Self::centres(clusters.max(1), dimensions, seed);
        Generator::new("points", seed, move |random, _offset| {
            let centre = &centres[random.below(centres.len() as u64) as usize];
            point(centre.iter().map(|along| along.0 + random.normal()))
        })
    }

    /// The centres of [`points`](Generator::points).
    pub fn centres(clusters: u64, dimensions: u64, seed: u64) -> Vec<Point> {
        let centre = |number| {
            // Records have partitions from 0 on: their numbers are others.
            let mut random = Random::of(seed, u32::MAX, number);
            point((0..dimensions).map(|_| (2.0 * random.unit() - 1.0) * FAR))
        };
        (0..clusters).map(centre).collect()
    }
}

impl Generator<LabelledPoint> {
    /// Points whose coordinates have a deviation of 1, labelled by a linear model with these
    /// weights, with an error of deviation `noise`.
    ///
    /// ```
    /// use tidegate::source::Generator;
    ///
    /// let point = Generator::labelled(vec![2.0, -1.0], 0.0, 7).record(0, 12);
    /// let (x, y) = (point.features[0].0, point.features[1].0);
    /// assert_eq!(point.label.0, 2.0 * x - y);
    /// ```
    pub fn labelled(weights: Vec<f64>, noise: f64, seed: u64) -> Self {
        Generator::new("labelled", seed, move |random, _offset| {
            let features = point(weights.iter().map(|_| random.normal()));
            let label: f64 = weights.iter().zip(&features).map(|(weight, x)| weight * x.0).sum();
            LabelledPoint::new(label + noise * random.normal(), features)
        })
    }
}
