//! The results as pictures: the same drawing as SVG and as PNG.

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, RGBColor, register_font};

use super::contenders::{BATCHES, PARKING};
use super::results::{Latency, Results, Subject};
use crate::Result;
use crate::summary::Summary;

const SIZE: (u32, u32) = (960, 560);
/// The family's name in both forms; the PNG's letters are those of a font that this program carries.
const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(110, 110, 110);
/// Colours that stay apart for most eyes (Okabe and Ito); the first is kolo's.
const COLOURS: [RGBColor; 9] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(120, 120, 120),
    RGBColor(0, 0, 0),
    RGBColor(184, 170, 20),
];

type Area<B> = DrawingArea<B, Shift>;
type Drawn = std::result::Result<(), Box<dyn Error>>;

/// Writes every plot into `folder`.
pub(super) fn write(results: &Results, folder: &Path) -> Result<()> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font cannot be read")?;
    both(folder, "ring-throughput", |area| throughput(area, results), |area| throughput(area, results))?;
    let (there, back) = ("Round trip, each thread tied to a core", &results.round_trip);
    both(
        folder,
        "ring-round-trip",
        |area| curves(area, there, results, back),
        |area| curves(area, there, results, back),
    )?;
    let title = format!("One way, a message every {} µs, each thread tied to a core", results.method.pace_us);
    both(
        folder,
        "ring-one-way",
        |area| curves(area, &title, results, &results.one_way),
        |area| curves(area, &title, results, &results.one_way),
    )
}

/// The two closures are one generic function, for each kind of backend.
fn both(
    folder: &Path,
    name: &str,
    vector: impl FnOnce(Area<SVGBackend<'_>>) -> Drawn,
    raster: impl FnOnce(Area<BitMapBackend<'_>>) -> Drawn,
) -> Result<()> {
    let mut svg = String::new();
    vector(SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())?;
    fs::write(folder.join(name).with_extension("svg"), svg)?;

    let mut pixels = vec![0; 3 * SIZE.0 as usize * SIZE.1 as usize];
    raster(BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())?;
    let file = BufWriter::new(File::create(folder.join(name).with_extension("png"))?);
    let mut encoder = png::Encoder::new(file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}

fn text(size: u32, colour: &RGBColor, anchor: Pos) -> TextStyle<'_> {
    (FONT, size).into_font().color(colour).pos(anchor)
}

/// Bars, one for each contender and batch: one hop, each thread tied to a core.
fn throughput<B: DrawingBackend>(area: Area<B>, results: &Results) -> Drawn
where
    B::ErrorType: 'static,
{
    let cells: Vec<_> = results.throughput.iter().filter(|cell| cell.subject.pinned && cell.hops == 1).collect();
    let millions = |batch: usize, subject: &Subject| {
        let cell = cells.iter().find(|cell| cell.batch == batch && cell.subject == *subject)?;
        Some(Summary::of(cell.messages_per_s.iter().map(|rate| rate / 1e6)))
    };
    let subjects: Vec<&Subject> =
        results.round_trip.iter().map(|latency| &latency.subject).filter(|subject| subject.pinned).collect();
    let bars: usize =
        subjects.iter().map(|subject| BATCHES.iter().filter(|&&b| millions(b, subject).is_some()).count()).sum();
    let most = cells.iter().map(|cell| Summary::of(cell.messages_per_s.iter().copied()).max / 1e6).fold(1.0, f64::max);

    area.fill(&WHITE)?;
    let title = text(18, &BLACK, Pos::new(HPos::Left, VPos::Top));
    area.draw(&Text::new(
        "Throughput, one hop, each thread tied to a core: millions of messages a second",
        (16, 12),
        title,
    ))?;
    let (left, right, top, bottom) = (300.0, f64::from(SIZE.0) - 90.0, 52.0, f64::from(SIZE.1) - 16.0);
    let step = (bottom - top) / (bars as f64 + 0.4 * subjects.len() as f64);
    let size = (step * 0.95).clamp(9.0, 14.0) as u32;
    let mut y = top;
    for subject in subjects {
        let colour = colour(subject, results);
        let name = format!("{} ({})", subject.contender, subject.wait);
        for (&batch, rate) in BATCHES.iter().filter_map(|batch| Some((batch, millions(*batch, subject)?))) {
            let (from, to) = (y as i32, (y + step * 0.86) as i32);
            let middle = (from + to) / 2;
            let at = |rate: f64| (left + (right - left) * rate / most) as i32;
            area.draw(&Rectangle::new([(left as i32, from), (at(rate.median), to)], colour.filled()))?;
            area.draw(&PathElement::new(vec![(at(rate.min), middle), (at(rate.max), middle)], BLACK))?;
            let style = text(size, &BLACK, Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(format!("{:.1}", rate.median), (at(rate.max) + 6, middle), style))?;
            let style = text(size, &GREY, Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(format!("{name}, {batch}"), (left as i32 - 8, middle), style))?;
            y += step;
        }
        y += 0.4 * step;
    }
    area.present()?;
    Ok(())
}

/// The colour of a contender: the same in every picture and for every way to wait.
fn colour(subject: &Subject, results: &Results) -> RGBColor {
    let mut names: Vec<&str> = results.round_trip.iter().map(|latency| latency.subject.contender).collect();
    let mut seen = Vec::new();
    names.retain(|name| {
        !seen.contains(name) && {
            seen.push(name);
            true
        }
    });
    let number = names.iter().position(|name| *name == subject.contender).unwrap_or_default();
    COLOURS[number % COLOURS.len()]
}

/// Distributions: how long, for which share of the messages. Both axes are logarithmic, so that tails show.
fn curves<B: DrawingBackend>(area: Area<B>, title: &str, results: &Results, latencies: &[Latency]) -> Drawn
where
    B::ErrorType: 'static,
{
    let pinned: Vec<&Latency> = latencies.iter().filter(|latency| latency.subject.pinned).collect();
    let points = || pinned.iter().flat_map(|latency| &latency.curve);
    let least = points().map(|&(_, ns)| ns as f64).fold(f64::MAX, f64::min).max(1.0);
    let most = points().map(|&(_, ns)| ns as f64).fold(1.0, f64::max);
    let rarest = points().map(|&(share, _)| 1.0 - share).fold(0.5, f64::min);

    area.fill(&WHITE)?;
    let (area, legend) = area.split_horizontally(SIZE.0 - 250);
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .caption(title, text(18, &BLACK, Pos::new(HPos::Left, VPos::Top)))
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d((2.0..1.0 / rarest).log_scale(), (least * 0.8..most * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(8)
        .x_label_formatter(&|one_in| percentile(*one_in))
        .y_label_formatter(&|ns| duration(*ns))
        .label_style(text(13, &GREY, Pos::new(HPos::Left, VPos::Top)))
        .draw()?;
    for (number, latency) in pinned.iter().enumerate() {
        let colour = colour(&latency.subject, results);
        let parking = latency.subject.wait == PARKING;
        let curve = latency.curve.iter().map(|&(share, ns)| (1.0 / (1.0 - share), ns as f64));
        let y = 60 + 24 * number as i32;
        let key = [(12, y), (44, y)];
        let name = format!("{} ({})", latency.subject.contender, latency.subject.wait);
        if parking {
            chart.draw_series(DashedLineSeries::new(curve, 7, 5, colour.stroke_width(2)))?;
            legend.draw(&DashedPathElement::new(key, 7, 5, colour.stroke_width(2)))?;
        } else {
            chart.draw_series(LineSeries::new(curve, colour.stroke_width(2)))?;
            legend.draw(&PathElement::new(key, colour.stroke_width(2)))?;
        }
        legend.draw(&Text::new(name, (50, y), text(12, &BLACK, Pos::new(HPos::Left, VPos::Center))))?;
    }
    area.present()?;
    Ok(())
}

/// The percentile beyond which one message in so many lies.
fn percentile(one_in: f64) -> String {
    let digits = (one_in.log10() - 2.0).ceil().max(0.0) as usize;
    format!("p{:.digits$}", 100.0 - 100.0 / one_in)
}

/// Nanoseconds for people.
fn duration(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{} µs", ns / 1e3),
        _ => format!("{} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_labelled_for_people() {
        let labels = [2.0, 10.0, 100.0, 1e3, 1e4, 1e5].map(percentile);
        assert_eq!(labels, ["p50", "p90", "p99", "p99.9", "p99.99", "p99.999"]);
        assert_eq!([100.0, 2e3, 1e6, 2e7].map(duration), ["100 ns", "2 µs", "1 ms", "20 ms"]);
    }
}
