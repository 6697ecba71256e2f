//! A small plot of points, as PNG.

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_7X13};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Circle, Line, Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyle, TextStyleBuilder};
use embedded_graphics::{Pixel, mono_font::MonoFont};

/// The picture's size.
const SIZE: Size = Size::new(480, 360);
/// Where points are drawn in it.
const FRAME: Rectangle = Rectangle::new(Point::new(70, 30), Size::new(390, 280));
/// How high that is, for its width.
pub(super) const HEIGHT_TO_WIDTH: f64 = 280.0 / 390.0;
/// Ticks of an axis, about.
const TICKS: f64 = 6.0;
const INK: Rgb888 = Rgb888::new(60, 60, 60);
const GRID: Rgb888 = Rgb888::new(225, 225, 225);
const POINTS: Rgb888 = Rgb888::new(30, 90, 160);
const MARKED: Rgb888 = Rgb888::new(200, 40, 30);

/// What is plotted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) points: Vec<(f64, f64)>,
    /// The one that it is about.
    pub(super) marked: Option<(f64, f64)>,
    /// Whether points that follow each other are joined.
    pub(super) joined: bool,
}

/// An axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Axis {
    pub(super) label: String,
    /// From the left or the bottom to the other end; as the points want it where it is not given.
    pub(super) range: Option<(f64, f64)>,
}

impl Plot {
    /// The picture, as a PNG file.
    ///
    /// # Errors
    /// When it cannot be encoded, which would be a fault here.
    pub(super) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut canvas = Canvas { pixels: vec![255; (SIZE.width * SIZE.height * 3) as usize] };
        let Ok(()) = self.draw(&mut canvas);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, SIZE.width, SIZE.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&canvas.pixels)?;
        Ok(file)
    }

    fn draw(&self, canvas: &mut Canvas) -> Result<(), std::convert::Infallible> {
        let of = |pick: fn(&(f64, f64)) -> f64| self.points.iter().map(pick).filter(|value| value.is_finite());
        let x = Scale::new(self.x.range.unwrap_or_else(|| around(of(|point| point.0))), left(), right());
        let y = Scale::new(self.y.range.unwrap_or_else(|| around(of(|point| point.1))), bottom(), top());
        for tick in ticks(x.from, x.to) {
            let at = x.place(tick);
            line(canvas, Point::new(at, top()), Point::new(at, bottom()), GRID)?;
            text(canvas, &written(tick, x.from, x.to), Point::new(at, bottom() + 6), Alignment::Center, &FONT_6X10)?;
        }
        for tick in ticks(y.from, y.to) {
            let at = y.place(tick);
            line(canvas, Point::new(left(), at), Point::new(right(), at), GRID)?;
            text(canvas, &written(tick, y.from, y.to), Point::new(left() - 6, at - 4), Alignment::Right, &FONT_6X10)?;
        }
        FRAME.into_styled(PrimitiveStyle::with_stroke(INK, 1)).draw(canvas)?;
        let middle = SIZE.width as i32 / 2;
        text(canvas, &self.title, Point::new(middle, 8), Alignment::Center, &FONT_7X13)?;
        text(canvas, &self.x.label, Point::new(middle, SIZE.height as i32 - 18), Alignment::Center, &FONT_7X13)?;
        text(canvas, &self.y.label, Point::new(4, 18), Alignment::Left, &FONT_6X10)?;
        let place = |(a, b): (f64, f64)| (a.is_finite() && b.is_finite()).then(|| Point::new(x.place(a), y.place(b)));
        if self.joined {
            for pair in self.points.windows(2) {
                if let (Some(from), Some(to)) = (place(pair[0]), place(pair[1])) {
                    line(canvas, from, to, POINTS)?;
                }
            }
        }
        for at in self.points.iter().copied().filter_map(place).filter(|at| FRAME.contains(*at)) {
            Circle::with_center(at, 5).into_styled(PrimitiveStyle::with_fill(POINTS)).draw(canvas)?;
        }
        if let Some(at) = self.marked.and_then(place) {
            Circle::with_center(at, 15).into_styled(PrimitiveStyle::with_stroke(MARKED, 2)).draw(canvas)?;
        }
        Ok(())
    }
}

fn left() -> i32 {
    FRAME.top_left.x
}

fn right() -> i32 {
    FRAME.top_left.x + FRAME.size.width as i32 - 1
}

fn top() -> i32 {
    FRAME.top_left.y
}

fn bottom() -> i32 {
    FRAME.top_left.y + FRAME.size.height as i32 - 1
}

/// From values to places.
struct Scale {
    from: f64,
    to: f64,
    first: i32,
    last: i32,
}

impl Scale {
    fn new((from, to): (f64, f64), first: i32, last: i32) -> Self {
        Self { from, to, first, last }
    }

    fn place(&self, value: f64) -> i32 {
        let share = ((value - self.from) / (self.to - self.from)).clamp(-1.0, 2.0);
        self.first + (share * f64::from(self.last - self.first)).round() as i32
    }
}

/// A range with some room around all values.
fn around(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
    if least > most {
        return (0.0, 1.0);
    }
    let room = ((most - least) * 0.06).max(most.abs().max(least.abs()) * 1e-9);
    if room > 0.0 && (most - least).is_finite() { (least - room, most + room) } else { (least - 1.0, least + 1.0) }
}

/// Round numbers between two.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let (least, most) = (from.min(to), from.max(to));
    let step = step(most - least);
    let first = (least / step).ceil();
    (0..20).map(|n| (first + f64::from(n)) * step).take_while(|tick| *tick <= most + step * 1e-9).collect()
}

/// 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let raw = range / TICKS;
    let power = 10f64.powf(raw.log10().floor());
    let share = raw / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| share <= *round).unwrap_or(10.0);
    round * power
}

/// A tick as it is written: with as many digits as the step has.
fn written(tick: f64, from: f64, to: f64) -> String {
    let step = step((to - from).abs());
    let tick = if tick.abs() < step * 1e-6 { 0.0 } else { tick };
    let digits = (-step.log10().floor()).max(0.0) as usize;
    if digits > 8 || tick.abs() >= 1e9 { format!("{tick:.3e}") } else { format!("{tick:.digits$}") }
}

fn line(canvas: &mut Canvas, from: Point, to: Point, color: Rgb888) -> Result<(), std::convert::Infallible> {
    Line::new(from, to).into_styled(PrimitiveStyle::with_stroke(color, 1)).draw(canvas)
}

fn text(
    canvas: &mut Canvas,
    what: &str,
    at: Point,
    alignment: Alignment,
    font: &MonoFont<'_>,
) -> Result<(), std::convert::Infallible> {
    let style: TextStyle = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
    Text::with_text_style(what, at, MonoTextStyle::new(font, INK), style).draw(canvas).map(drop)
}

/// Pixels in rows, three bytes each.
struct Canvas {
    pixels: Vec<u8>,
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        SIZE
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(Point { x, y }, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
            if x < SIZE.width && y < SIZE.height {
                let at = ((y * SIZE.width + x) * 3) as usize;
                self.pixels[at..at + 3].copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(90.0, -90.0), [-50.0, 0.0, 50.0]);
        assert_eq!(written(0.30000000000000004, 0.0, 0.6), "0.3");
        assert_eq!(written(-1e-17, -1.0, 1.0), "0.0");
    }

    #[test]
    fn any_values_make_a_picture() {
        let values = [0.0, -0.0, 1e300, -1e300, 1e-300, f64::NAN, f64::INFINITY, 5.0];
        for points in [vec![], vec![(1.0, 1.0)], values.iter().flat_map(|x| values.map(|y| (*x, y))).collect()] {
            let plot = Plot { points, marked: Some((1.0, f64::NAN)), joined: true, ..Plot::default() };
            let file = plot.png().unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; (SIZE.width * SIZE.height * 3) as usize];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width, info.height), (SIZE.width, SIZE.height));
            assert!(pixels.contains(&255) && pixels.iter().any(|byte| *byte < 100));
        }
    }
}
