//! A group of measurements as a picture: horizontal bars, their spread, and the figures beside them.

use anyhow::{Result, anyhow};
use plotters::{
    coord::{Shift, ranged1d::SegmentValue},
    prelude::*,
};

use super::{
    contender::Contender,
    figures,
    groups::Group,
    measure::Better,
    model::{Entrant, Measured, Run},
};

/// Pixels.
const WIDTH: u32 = 860;
const HEADER: u32 = 52;
const FOOTER: u32 = 34;
const BAR: u32 = 25;
/// What a panel has besides its bars: title, axis.
const FRAME: u32 = 62;
/// Names to the left, figures to the right.
const NAMES: u32 = 92;
const FIGURES: u32 = 170;

/// How many times longer the longest bar of another panel may be.
const TOO_SHORT: f64 = 4.0;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(31, 35, 40);
const FAINT: RGBColor = RGBColor(89, 99, 110);
const GRID: RGBColor = RGBColor(225, 228, 232);
const ALARM: RGBColor = RGBColor(196, 30, 40);

/// Ours stand out; limits are what they could reach, so they are paler than who was measured against.
const fn colour(contender: Contender) -> RGBColor {
    match contender {
        Contender::Kernel => RGBColor(110, 119, 129),
        Contender::Bridge => RGBColor(155, 164, 173),
        Contender::VxbpfTc => RGBColor(9, 105, 218),
        Contender::VxbpfXdp => RGBColor(26, 127, 55),
        Contender::LimitTc => RGBColor(182, 213, 247),
        Contender::LimitXdp => RGBColor(182, 224, 193),
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The picture as SVG; none if there is nothing to see: no figure but zero.
pub fn svg(run: &Run, group: &Group, measurements: &[&Measured]) -> Result<Option<String>> {
    let visible: Vec<_> = measurements.iter().copied().filter(|measured| largest(measured) > 0.0).collect();
    if visible.is_empty() {
        return Ok(None);
    }
    let heights: Vec<u32> = visible.iter().map(|measured| FRAME + BAR * rows(measured)).collect();
    let height = HEADER + heights.iter().sum::<u32>() + FOOTER;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE).map_err(broken)?;
        text(&root, group.title, (16, 14), 22.0, INK, true)?;
        let legend = format!(
            "medians of {} rounds; whiskers reach from the smallest to the largest",
            run.settings.rounds
        );
        text(&root, &legend, (16, 38), 13.0, FAINT, false)?;
        let mut rest = root.split_vertically(HEADER).1;
        for (measured, height) in visible.iter().zip(heights) {
            let (panel, below) = rest.split_vertically(height);
            draw_panel(&panel, measured, scale(measured, &visible))?;
            rest = below;
        }
        text(&rest, &origin(run), (16, 12), 12.0, FAINT, false)?;
        root.present().map_err(broken)?;
    }
    Ok(Some(svg))
}

/// Where the figures are from, so that a picture can be shown alone.
fn origin(run: &Run) -> String {
    let environment = &run.environment;
    let commit = environment.commit.as_deref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!(
        "vxbpf {}{commit}, {}, Linux {}, {}, {} CPUs, wire {}",
        environment.vxbpf,
        environment.date.strftime("%F"),
        environment.kernel,
        environment.cpu,
        environment.cores,
        run.settings.wire.name()
    )
}

fn rows(measured: &Measured) -> u32 {
    u32::try_from(measured.entrants.len()).unwrap_or_default()
}

fn largest(measured: &Measured) -> f64 {
    let summaries = measured.entrants.iter().filter_map(Entrant::summary);
    summaries.map(|summary| summary.max).fold(0.0, f64::max)
}

/// Where the axis of a panel ends: panels of one unit have one scale, unless bars would be too short to compare.
fn scale(measured: &Measured, all: &[&Measured]) -> f64 {
    let own = largest(measured);
    let alike = all.iter().filter(|other| other.unit == measured.unit).map(|other| largest(other));
    alike.filter(|other| (own..own * TOO_SHORT).contains(other)).fold(own, f64::max)
}

fn draw_panel(panel: &Area, measured: &Measured, scale: f64) -> Result<()> {
    let better = match measured.better {
        Better::More => "more is better",
        Better::Less => "less is better",
    };
    text(panel, &measured.title, (16, 12), 16.0, INK, true)?;
    text(panel, &format!("{}, {better}", figures::heading(&measured.unit)), (16, 30), 13.0, FAINT, false)?;

    let count = rows(measured);
    let mut chart = ChartBuilder::on(panel)
        .margin_top(44)
        .margin_left(16)
        .margin_right(FIGURES)
        .x_label_area_size(18)
        .y_label_area_size(NAMES)
        .build_cartesian_2d(0.0..scale, (0..count.saturating_sub(1)).into_segmented())
        .map_err(broken)?;
    // The first contender is at the top, where the axis ends.
    let place = |row: u32| count.saturating_sub(row + 1);
    let name = |segment: &SegmentValue<u32>| match segment {
        SegmentValue::CenterOf(at) | SegmentValue::Exact(at) => usize::try_from(place(*at))
            .ok()
            .and_then(|row| measured.entrants.get(row))
            .map_or_else(String::new, |entrant| entrant.contender.name().to_owned()),
        SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_labels(6)
        .y_labels(measured.entrants.len())
        .x_label_formatter(&|value| figures::value(*value, &measured.unit))
        .y_label_formatter(&name)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .x_label_style((FONT, 12).into_font().color(&FAINT))
        .y_label_style((FONT, 14).into_font().color(&INK))
        .draw()
        .map_err(broken)?;

    for (row, entrant) in (0..).zip(&measured.entrants) {
        let from = SegmentValue::Exact(place(row));
        let to = if row == 0 { SegmentValue::Last } else { SegmentValue::Exact(place(row) + 1) };
        let middle = SegmentValue::CenterOf(place(row));
        let figure = |at: f64, words: String, colour: RGBColor| {
            let style = (FONT, 13).into_font().color(&colour);
            EmptyElement::at((at, middle.clone())) + Text::new(words, (8, -6), style)
        };
        let Some(summary) = entrant.summary() else {
            chart.draw_series([figure(0.0, "failed".to_owned(), ALARM)]).map_err(broken)?;
            continue;
        };
        let mut bar = Rectangle::new([(0.0, from), (summary.median, to)], colour(entrant.contender).filled());
        bar.set_margin(4, 4, 0, 0);
        chart.draw_series([bar]).map_err(broken)?;
        let whisker = [(summary.min, middle.clone()), (summary.max, middle.clone())];
        chart.draw_series([PathElement::new(whisker, INK)]).map_err(broken)?;
        for end in [summary.min, summary.max] {
            let cap = PathElement::new([(0, -4), (0, 4)], INK);
            chart.draw_series([EmptyElement::at((end, middle.clone())) + cap]).map_err(broken)?;
        }
        chart.draw_series([figure(summary.max, words(measured, entrant), INK)]).map_err(broken)?;
    }
    Ok(())
}

/// What stands beside a bar.
fn words(measured: &Measured, entrant: &Entrant) -> String {
    let value =
        entrant.summary().map(|summary| figures::value(summary.median, &measured.unit)).unwrap_or_default();
    let ratio = measured.ratio(entrant.contender, Contender::Kernel).filter(|_| entrant.contender.is_ours());
    match ratio {
        Some(ratio) => format!("{value}  ({} kernel)", figures::times(ratio)),
        None => value,
    }
}

fn text(area: &Area, words: &str, at: (i32, i32), size: f64, colour: RGBColor, bold: bool) -> Result<()> {
    let font = FontDesc::from((FONT, size));
    let font = if bold { font.style(FontStyle::Bold) } else { font };
    area.draw(&Text::new(words.to_owned(), at, font.color(&colour))).map_err(broken)
}

/// The library's error borrows what is drawn on.
fn broken(why: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("draw a chart: {why}")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{groups, sample},
        *,
    };

    #[test]
    fn a_chart_names_everyone_with_figures_and_who_failed() {
        let run = sample::run("2026-11-26T10:00:00Z", &["frames-64-1"]);
        let (group, measured) = groups::of(&run).remove(0);
        let svg = svg(&run, &group, &measured).unwrap().unwrap();
        for words in ["kernel", "vxbpf-tc", "400 k  (4.00x kernel)", "failed", "frames/s, more is better"] {
            assert!(svg.contains(words), "{words} is not in {svg}");
        }
    }

    #[test]
    fn zeros_are_no_picture() {
        let mut run = sample::run("2026-11-26T10:00:00Z", &["frames-64-1"]);
        for entrant in &mut run.measurements[0].entrants {
            entrant.rounds.iter_mut().for_each(|round| round.value = 0.0);
        }
        let (group, measured) = groups::of(&run).remove(0);
        assert_eq!(svg(&run, &group, &measured).unwrap(), None);
    }
}
