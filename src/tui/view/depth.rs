//! From the colours that are meant to those that the terminal has.

use ratatui::style::Color;

use super::palette::Palette;

/// Below this contrast a text of sixteen colours becomes black or white.
const READABLE: f64 = 3.0;
/// What is less colourful than this, of 255, is a grey.
const GREY: u8 = 40;
/// What is lighter than this, of 255, is the light one of two colours.
const LIGHT: u8 = 208;
/// The levels of a channel in the colour cube of the 256.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The sixteen as most terminals have them, in the order of their numbers.
const SIXTEEN: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

/// Red, green and blue of a colour; `None` for the terminal's own.
fn channels(colour: Color) -> Option<[u8; 3]> {
    Some(match colour {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => [r, g, b],
        Color::Indexed(n @ 0..16) => SIXTEEN[usize::from(n)].1,
        Color::Indexed(n @ 16..232) => {
            let n = usize::from(n - 16);
            [CUBE[n / 36], CUBE[n / 6 % 6], CUBE[n % 6]]
        }
        Color::Indexed(n) => [8 + 10 * (n - 232); 3],
        named => SIXTEEN.iter().find(|(colour, _)| *colour == named)?.1,
    })
}

/// How much two colours differ in light, from 1 to 21, as WCAG 2 reckons it; `None` if one of
/// them is the terminal's own.
pub(crate) fn contrast(a: Color, b: Color) -> Option<f64> {
    let light = |colour| {
        let linear = channels(colour)?.map(|channel| {
            let share = f64::from(channel) / 255.0;
            match share <= 0.040_45 {
                true => share / 12.92,
                false => ((share + 0.055) / 1.055).powf(2.4),
            }
        });
        Some(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    };
    let (a, b) = (light(a)?, light(b)?);
    Some(a.max(b) / a.min(b))
}

/// The nearest of the 240 that look the same on every terminal.
pub(crate) fn to_256(colour: Color) -> Color {
    let Color::Rgb(r, g, b) = colour else {
        return colour;
    };
    let wanted = [r, g, b].map(i32::from);
    let distance = |n: &u8| -> i32 {
        let found = channels(Color::Indexed(*n)).unwrap_or_default();
        let pairs = found.iter().zip(wanted);
        pairs.map(|(a, b)| (i32::from(*a) - b).pow(2)).sum()
    };
    (16..=255)
        .min_by_key(distance)
        .map_or(colour, Color::Indexed)
}

/// That of the sixteen that says the same: its hue, and whether it is light.
fn to_16(colour: Color) -> Color {
    if let Color::Indexed(n @ 0..16) = colour {
        return SIXTEEN[usize::from(n)].0;
    }
    let (Color::Rgb(..) | Color::Indexed(_), Some(rgb)) = (colour, channels(colour)) else {
        return colour;
    };
    let (most, least) = (
        rgb[0].max(rgb[1]).max(rgb[2]),
        rgb[0].min(rgb[1]).min(rgb[2]),
    );
    if most - least < GREY {
        return match most {
            0..70 => Color::Black,
            70..160 => Color::DarkGray,
            160..225 => Color::Gray,
            225.. => Color::White,
        };
    }
    let middle = least + (most - least) / 2;
    let hue = (0..3).filter(|at| rgb[*at] > middle).map(|at| 1 << at);
    let number: usize = hue.sum::<usize>() + if most > LIGHT { 8 } else { 0 };
    SIXTEEN[number].0
}

/// A cell's text and background in a theme, with every colour that a terminal of 2²⁴ has.
pub(crate) fn all(palette: &Palette, fg: Color, bg: Color) -> (Color, Color) {
    let text = match fg {
        Color::Reset => palette.text,
        // Black on a colour is text on a badge or a block.
        Color::Black if bg != Color::Reset => palette.ink,
        Color::Black => palette.dim,
        fg => palette.resolve(fg),
    };
    let behind = match bg {
        Color::Reset => palette.background.unwrap_or(Color::Reset),
        bg => palette.resolve(bg),
    };
    (text, behind)
}

/// The same with sixteen colours, whether or not it can be read.
pub(crate) fn sixteen_as_is(palette: &Palette, fg: Color, bg: Color) -> (Color, Color) {
    let behind = match bg {
        Color::Reset => palette.background.map_or(Color::Reset, to_16),
        bg => to_16(bg),
    };
    let text = match fg {
        Color::Reset => to_16(palette.text),
        fg => to_16(fg),
    };
    (text, behind)
}

/// The same for text, which becomes black or white where it could not be read.
pub(crate) fn sixteen(palette: &Palette, fg: Color, bg: Color) -> (Color, Color) {
    let (text, behind) = sixteen_as_is(palette, fg, bg);
    let readable = contrast(text, behind).is_none_or(|ratio| ratio >= READABLE);
    if readable {
        return (text, behind);
    }
    let against = |colour| contrast(colour, behind).unwrap_or_default();
    let text = match against(Color::White) > against(Color::Black) {
        true => Color::White,
        false => Color::Black,
    };
    (text, behind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_colour() -> impl Strategy<Value = Color> {
        prop_oneof![
            Just(Color::Reset),
            any::<u8>().prop_map(Color::Indexed),
            any::<(u8, u8, u8)>().prop_map(|(r, g, b)| Color::Rgb(r, g, b)),
            (0..16_usize).prop_map(|n| SIXTEEN[n].0),
        ]
    }

    proptest! {
        #[test]
        fn sixteen_are_sixteen_and_readable(fg in any_colour(), bg in any_colour()) {
            for (_, palette) in Palette::ALL {
                let (text, behind) = sixteen(&palette, fg, bg);
                for colour in [text, behind] {
                    prop_assert!(SIXTEEN.iter().any(|(one, _)| *one == colour), "{colour:?}");
                }
                prop_assert!(contrast(text, behind).unwrap() >= READABLE);
            }
        }

        #[test]
        fn of_the_256_the_nearest_is_taken(n in 16..=255_u8) {
            let [r, g, b] = channels(Color::Indexed(n)).unwrap();
            let found = to_256(Color::Rgb(r, g, b));
            prop_assert_eq!(channels(found), Some([r, g, b]));
        }
    }

    #[test]
    fn a_hue_stays_what_it_is() {
        assert_eq!(to_16(Color::Indexed(114)), Color::LightGreen);
        assert_eq!(to_16(Color::Indexed(22)), Color::Green);
        assert_eq!(to_16(Color::Rgb(0xaf, 0, 0)), Color::Red);
        assert_eq!(to_16(Color::Rgb(0x87, 0x5f, 0)), Color::Yellow);
        assert_eq!(to_16(Color::Indexed(245)), Color::DarkGray);
        assert_eq!(to_16(Color::Indexed(12)), Color::LightBlue);
    }
}
