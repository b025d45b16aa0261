//! Models that learn.

use clap::ValueEnum;

use super::build::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelWorkload {
    /// The centres of clusters of points (points as JSON, `[x, y, ...]`)
    Kmeans,
    /// The weights of a linear model (points as JSON, `{"label": y, "features": [x, ...]}`)
    Regression,
}

impl ModelWorkload {
    pub(super) fn build(self, build: &Build<'_, '_>) {
        let learning = &build.flags().learning;
        match self {
            ModelWorkload::Kmeans => {
                let clusters = learning.clusters(build.read_as(learning.points()));
                build.write_table(clusters, |(number, cluster)| {
                    let centre: Vec<String> =
                        cluster.centre.iter().map(|along| format!("{along:.3}")).collect();
                    format!("{number} [{}] {:.1}", centre.join(", "), cluster.weight)
                });
            }
            ModelWorkload::Regression => {
                let weights = learning.weights(build.read_as(learning.labelled()));
                build.write_table(weights, |(number, weight)| format!("{number} {weight:.6}"));
            }
        }
    }
}
