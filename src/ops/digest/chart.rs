//! The pictures of a digest: stacked bars by week, as PNG, with a description in words.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use anyhow::Context as _;
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Transform};

use super::{
    facts::{ChartWeek, DigestFacts},
    render::{minutes, plural},
};

/// In pixels.
pub const WIDTH: u32 = 1200;
pub const HEIGHT: u32 = 560;

/// The plot's edges, in pixels.
const LEFT: f32 = 90.0;
const RIGHT: f32 = 1170.0;
const TOP: f32 = 120.0;
const BOTTOM: f32 = 490.0;
/// Of the room of a week, what its bar takes.
const BAR: f32 = 0.64;
/// About so many lines cross the plot.
const LINES: u64 = 5;

const INK: [u8; 3] = [0x1f, 0x23, 0x28];
const PALE: [u8; 3] = [0x5b, 0x63, 0x6b];
const GRID: [u8; 3] = [0xdd, 0xe1, 0xe6];
// Colours that colour-blind people tell apart: Okabe and Ito (2008), "Color universal design".
const BLUE: [u8; 3] = [0x00, 0x72, 0xb2];
const ORANGE: [u8; 3] = [0xe6, 0x9f, 0x00];
const VERMILION: [u8; 3] = [0xd5, 0x5e, 0x00];
const GREY: [u8; 3] = [0xa9, 0xb1, 0xba];

static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).ok());

/// What a picture is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Questions by the verdict of their answer.
    Questions,
    /// Support minutes: what better work on the platform avoids, and the rest.
    Support,
}

impl Subject {
    pub const ALL: [Self; 2] = [Self::Questions, Self::Support];

    pub const fn id(self) -> &'static str {
        match self {
            Self::Questions => "questions",
            Self::Support => "support",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Questions => "Questions by week, by what the answer was",
            Self::Support => "Minutes of support by week (an estimate)",
        }
    }
}

/// A picture, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub subject: Subject,
    /// Of its file.
    pub name: String,
    /// What it shows, in words.
    pub alt: String,
    pub png: Vec<u8>,
}

/// Draws what the weeks of a digest were like.
///
/// # Errors
/// When the picture cannot be encoded.
pub fn picture(facts: &DigestFacts, subject: Subject) -> anyhow::Result<Picture> {
    Ok(Picture {
        subject,
        name: format!("{}-{}-{}.png", facts.platform, facts.week, subject.id()),
        alt: describe(facts, subject),
        png: draw(subject, &facts.weeks)?,
    })
}

/// Every picture of a digest; a quiet week has none.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn pictures(facts: &DigestFacts) -> anyhow::Result<Vec<Picture>> {
    if facts.quiet {
        return Ok(Vec::new());
    }
    Subject::ALL.into_iter().map(|subject| picture(facts, subject)).collect()
}

/// A part of every bar.
struct Part {
    name: &'static str,
    colour: [u8; 3],
    of: fn(&ChartWeek) -> u64,
}

/// From the bottom of the bars to their top.
fn parts(subject: Subject, weeks: &[ChartWeek]) -> Vec<Part> {
    const fn no_verdict(week: &ChartWeek) -> u64 {
        let questions = &week.questions;
        questions.asked.saturating_sub(questions.answered + questions.suggested + questions.abstained)
    }
    match subject {
        Subject::Questions => {
            let mut parts = vec![
                Part { name: "answered", colour: BLUE, of: |week| week.questions.answered },
                Part { name: "suggested", colour: ORANGE, of: |week| week.questions.suggested },
                Part { name: "no answer found", colour: VERMILION, of: |week| week.questions.abstained },
            ];
            if weeks.iter().any(|week| no_verdict(week) > 0) {
                parts.push(Part { name: "no answer yet", colour: GREY, of: no_verdict });
            }
            parts
        }
        Subject::Support => vec![
            Part { name: "avoidable", colour: VERMILION, of: |week| week.avoidable_minutes },
            Part {
                name: "other",
                colour: GREY,
                of: |week| week.support_minutes.saturating_sub(week.avoidable_minutes),
            },
        ],
    }
}

/// What the picture shows, in words.
pub fn describe(facts: &DigestFacts, subject: Subject) -> String {
    let (parts, weeks) = (parts(subject, &facts.weeks), &facts.weeks);
    let say = |n: u64| match subject {
        Subject::Questions => plural(n, "question", "questions"),
        Subject::Support => minutes(n),
    };
    let total = |week: &ChartWeek| parts.iter().map(|part| (part.of)(week)).sum::<u64>();
    let (Some(first), Some(last)) = (weeks.first(), weeks.last()) else { return subject.title().to_owned() };
    let of_last: Vec<String> = parts.iter().map(|part| format!("{} {}", (part.of)(last), part.name)).collect();
    let mut words = format!(
        "Stacked bars. {}, {} to {}. {}: {} ({}).",
        subject.title(),
        first.week,
        last.week,
        last.week,
        say(total(last)),
        of_last.join(", "),
    );
    if let [.., before, _] = weeks.as_slice() {
        words.push_str(&format!(" The week before: {}.", say(total(before))));
    }
    if let Some(most) = weeks.iter().rev().max_by_key(|week| total(week)).filter(|_| weeks.len() > 2) {
        words.push_str(&format!(" The most: {} in {}.", say(total(most)), most.week));
    }
    words
}

/// The distance between two lines of a plot that ends at `most`: 1, 2 or 5 times a power of ten.
fn step(most: u64) -> u64 {
    let rough = most.div_ceil(LINES).max(1);
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            if factor * power >= rough {
                return factor * power;
            }
        }
        power = power.saturating_mul(10);
    }
}

fn draw(subject: Subject, weeks: &[ChartWeek]) -> anyhow::Result<Vec<u8>> {
    let mut canvas = Canvas::new().context("make room for the picture")?;
    let parts = parts(subject, weeks);
    let most = weeks.iter().map(|week| parts.iter().map(|part| (part.of)(week)).sum()).max().unwrap_or(0_u64);
    let step = step(most);
    let top = most.max(1).div_ceil(step) * step;
    canvas.text(subject.title(), LEFT, 46.0, 30.0, INK, Align::Left);
    legend(&mut canvas, &parts);
    let height = |value: u64| {
        #[expect(clippy::cast_precision_loss, reason = "counts and minutes of a week")]
        let share = value as f32 / top as f32;
        (BOTTOM - TOP) * share
    };
    for line in (0..=top / step).map(|n| n * step) {
        let y = BOTTOM - height(line);
        canvas.bar(LEFT, y - 0.5, RIGHT - LEFT, 1.0, GRID);
        canvas.text(&line.to_string(), LEFT - 12.0, y + 7.0, 20.0, PALE, Align::Right);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few weeks")]
    let room = (RIGHT - LEFT) / weeks.len().max(1) as f32;
    let mut x = LEFT;
    for week in weeks {
        let mut below = 0;
        for part in &parts {
            let value = (part.of)(week);
            let (from, to) = (height(below), height(below + value));
            canvas.bar(x + room * (1.0 - BAR) / 2.0, BOTTOM - to, room * BAR, to - from, part.colour);
            below += value;
        }
        canvas.text(&below.to_string(), x + room / 2.0, BOTTOM - height(below) - 8.0, 19.0, INK, Align::Centre);
        canvas.text(&week.week.short(), x + room / 2.0, BOTTOM + 30.0, 20.0, PALE, Align::Centre);
        x += room;
    }
    canvas.bar(LEFT, BOTTOM - 1.0, RIGHT - LEFT, 2.0, PALE);
    canvas.pixels.encode_png().context("encode the picture")
}

fn legend(canvas: &mut Canvas, parts: &[Part]) {
    let mut x = LEFT;
    for part in parts {
        canvas.bar(x, 68.0, 20.0, 20.0, part.colour);
        x = canvas.text(part.name, x + 28.0, 86.0, 22.0, INK, Align::Left) + 34.0;
    }
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Centre,
    Right,
}

/// White paper.
struct Canvas {
    pixels: Pixmap,
}

impl Canvas {
    fn new() -> Option<Self> {
        let mut pixels = Pixmap::new(WIDTH, HEIGHT)?;
        pixels.fill(Color::WHITE);
        Some(Self { pixels })
    }

    /// A filled rectangle; nothing when it has no height.
    fn bar(&mut self, x: f32, y: f32, width: f32, height: f32, [red, green, blue]: [u8; 3]) {
        let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
        let mut paint = Paint::default();
        paint.set_color_rgba8(red, green, blue, 0xff);
        paint.anti_alias = true;
        let path = PathBuilder::from_rect(rect);
        self.pixels.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }

    /// Words on a base line at `y`, `size` pixels high. Returns where they end.
    fn text(&mut self, words: &str, x: f32, y: f32, size: f32, colour: [u8; 3], align: Align) -> f32 {
        let Some(font) = FONT.as_ref() else { return x };
        let scaled = font.as_scaled(PxScale::from(size));
        let width: f32 = words.chars().map(|c| scaled.h_advance(font.glyph_id(c))).sum();
        let mut at = match align {
            Align::Left => x,
            Align::Centre => x - width / 2.0,
            Align::Right => x - width,
        };
        for c in words.chars() {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(PxScale::from(size), point(at, y));
            at += scaled.h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let edge = outline.px_bounds().min;
            outline.draw(|right, down, cover| self.ink(edge.x, edge.y, (right, down), cover, colour));
        }
        at
    }

    /// Puts ink on a pixel, as far as a letter covers it (0 to 1).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "pixels of a small picture, and shades of 0 to 255"
    )]
    fn ink(&mut self, left: f32, top: f32, (right, down): (u32, u32), cover: f32, colour: [u8; 3]) {
        let (x, y) = (left + right as f32, top + down as f32);
        if x < 0.0 || y < 0.0 || x >= WIDTH as f32 || y >= HEIGHT as f32 {
            return;
        }
        let at = y as usize * WIDTH as usize + x as usize;
        let Some(pixel) = self.pixels.pixels_mut().get_mut(at) else { return };
        let cover = cover.clamp(0.0, 1.0);
        let mix = |new: u8, old: u8| (f32::from(new) * cover + f32::from(old) * (1.0 - cover)).round() as u8;
        let [red, green, blue] = colour;
        let mixed = (mix(red, pixel.red()), mix(green, pixel.green()), mix(blue, pixel.blue()));
        // The paper is opaque, so colours are as they are.
        *pixel = PremultipliedColorU8::from_rgba(mixed.0, mixed.1, mixed.2, 0xff).unwrap_or(*pixel);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_at_round_numbers() {
        #[track_caller]
        fn check(most: u64, expected: u64) {
            assert_eq!(step(most), expected, "{most}");
        }
        check(0, 1);
        check(4, 1);
        check(9, 2);
        check(26, 10);
        check(47, 10);
        check(420, 100);
        check(2600, 1000);
    }

    #[test]
    fn every_letter_of_the_pictures_has_a_shape() {
        let font = FONT.as_ref().expect("the font can be read");
        for c in "Questions by week (an estimate), 0123456789 W".chars() {
            assert_ne!(font.glyph_id(c).0, 0, "{c}");
        }
    }

    proptest! {
        #[test]
        fn few_lines_cross_the_plot(most in 1_u64..1_000_000_000) {
            let lines = most.div_ceil(step(most));
            prop_assert!((1..=LINES).contains(&lines), "{lines}");
        }
    }
}
