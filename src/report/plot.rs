//! Line plots as SVG, whose colours are those of the page around them.

use plotters::coord::combinators::{IntoLogRange, LogCoord};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

/// Lines over an axis.
pub(super) struct Plot<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) lines: Vec<Line>,
    /// A level to compare with.
    pub(super) level: Option<f64>,
    /// Whether the points are marked: few of them, each measured on its own.
    pub(super) marked: bool,
    pub(super) scale: Scale,
}

/// How far apart values are on both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// As their ratio is.
    Logarithmic,
    /// As their difference is; the axes begin at zero.
    Linear,
}

/// A line of a plot.
pub(super) struct Line {
    /// Which of the colours it has.
    pub(super) series: usize,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines have these colours on the drawing board; a page says by them what they are.
const SERIES: [RGBColor; 6] = [
    RGBColor(1, 0, 1),
    RGBColor(1, 0, 2),
    RGBColor(1, 0, 3),
    RGBColor(1, 0, 4),
    RGBColor(1, 0, 5),
    RGBColor(1, 0, 6),
];
const INK: RGBColor = RGBColor(1, 0, 10);
const FAINT: RGBColor = RGBColor(1, 0, 11);

/// What a page must say about the colours of plots: attributes yield to rules.
pub(super) fn style() -> String {
    let rule = |RGBColor(red, green, blue): RGBColor, name: &str| {
        let code = format!("#{red:02X}{green:02X}{blue:02X}");
        format!(
            ".plot [stroke=\"{code}\"] {{ stroke: var(--{name}); }}\n\
             .plot [fill=\"{code}\"] {{ fill: var(--{name}); }}\n"
        )
    };
    let series = SERIES.iter().zip(1..).map(|(colour, n)| rule(*colour, &format!("series-{n}")));
    let rest = [rule(INK, "ink"), rule(FAINT, "faint")];
    series.chain(rest).collect()
}

/// The colour of a series, for a legend.
pub(super) fn series(number: usize) -> String {
    format!("var(--series-{})", number % SERIES.len() + 1)
}

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

impl Plot<'_> {
    /// The plot as SVG; nothing, if there is nothing to be seen.
    pub(super) fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let positive = points().filter(|(x, y)| *x > 0.0 && *y > 0.0);
        let (mut across, mut up) = (Span::default(), Span::default());
        for (x, y) in positive {
            across.include(*x);
            up.include(*y);
        }
        if let Some(level) = self.level {
            up.include(level);
        }
        let mut text = String::new();
        let padded = |span: Span| match self.scale {
            Scale::Logarithmic => span.padded(),
            Scale::Linear => span.0.map(|(_, most)| (0.0, most * 1.15)),
        };
        let drawn = self.draw(&mut text, padded(across)?, padded(up)?);
        // Drawing into a string can't fail for reasons other than an empty area.
        drawn.ok()?;
        let at = text.find("<svg ")?;
        let text = text[at..].replace("width=\"640\" height=\"360\" ", "");
        Some(text.replace(" xmlns=\"http://www.w3.org/2000/svg\"", ""))
    }

    fn draw(&self, text: &mut String, across: (f64, f64), up: (f64, f64)) -> Drawn {
        let area = SVGBackend::with_string(text, (WIDTH, HEIGHT)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area);
        chart.margin(12).x_label_area_size(44).y_label_area_size(64);
        match self.scale {
            Scale::Logarithmic => {
                self.draw_on(chart.build_cartesian_2d(log(across), log(up))?, across, few)?;
            }
            Scale::Linear => {
                let chart = chart.build_cartesian_2d(across.0..across.1, up.0..up.1)?;
                self.draw_on(chart, across, short)?;
            }
        }
        area.present()?;
        Ok(())
    }

    fn draw_on<X, Y>(
        &self,
        mut chart: ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
        across: (f64, f64),
        label: fn(f64) -> String,
    ) -> Drawn
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let text = ("sans-serif", 14).into_font().color(&INK);
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .label_style(text.clone())
            .axis_desc_style(text)
            .axis_style(INK)
            .bold_line_style(FAINT)
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|x| label(*x))
            .y_label_formatter(&|y| label(*y))
            .draw()?;
        if let Some(level) = self.level {
            let line = [(across.0, level), (across.1, level)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, INK.stroke_width(1)))?;
        }
        for line in &self.lines {
            let colour = SERIES[line.series % SERIES.len()];
            let points = line.points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0);
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
            if self.marked {
                chart.draw_series(points.map(|point| Circle::new(point, 4, colour.filled())))?;
            }
        }
        Ok(())
    }
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Of a logarithmic axis only 1, 2 and 5 times powers of ten are written: the others come too close.
fn few(number: f64) -> String {
    let digit = number / 10f64.powf(number.log10().floor());
    let is_written = [1.0, 2.0, 5.0, 10.0].iter().any(|known| (digit - known).abs() < 0.01);
    if is_written { short(number) } else { String::new() }
}

fn log((from, to): (f64, f64)) -> LogCoord<f64> {
    (from..to).log_scale().into()
}

/// From the least to the most.
#[derive(Clone, Copy, Default)]
struct Span(Option<(f64, f64)>);

impl Span {
    fn include(&mut self, value: f64) {
        let (least, most) = self.0.unwrap_or((value, value));
        self.0 = Some((least.min(value), most.max(value)));
    }

    /// With some room at both ends.
    fn padded(self) -> Option<(f64, f64)> {
        self.0.map(|(least, most)| {
            let (mut from, mut to) = (least / 1.3, most * 1.3);
            let tens = |from: f64, to: f64| to.log10().floor() - from.log10().ceil() + 1.0;
            if tens(from, to) < 2.0 {
                // Powers of ten are what a reader goes by: two of them at least.
                (from, to) = (10f64.powf(from.log10().floor()), 10f64.powf(to.log10().ceil()));
            }
            (from, to)
        })
    }
}

/// `10k`, `0.01`
fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{}M", n / 1e6),
        n if n >= 1e3 => format!("{}k", n / 1e3),
        n if n >= 1.0 => format!("{}", (n * 10.0).round() / 10.0),
        // No more digits than it has.
        n => format!("{}", (n * 1e6).round() / 1e6),
    }
}
