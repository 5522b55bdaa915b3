//! Colours that containers ask for, in as many as the terminal has.

use ratatui::style::Color;

use super::theme::Colours;

/// The steps of the colour cube of 256 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// The first index of that cube, and of the greys after it.
const CUBE: u8 = 16;
const GREYS: u8 = 232;
/// Under this, a channel is dark whatever the others are.
const DARK: u8 = 64;

/// The colour, or the nearest that the terminal has.
pub(super) fn fit(colour: Color, colours: Colours) -> Color {
    match (colours, colour) {
        (Colours::None, _) => Color::Reset,
        (Colours::Full, Color::Rgb(red, green, blue)) => Color::Indexed(index([red, green, blue])),
        (Colours::Full, colour) => colour,
        (Colours::Basic, Color::Indexed(n)) if n < CUBE => colour,
        (Colours::Basic, Color::Indexed(n)) => Color::Indexed(basic(rgb(n))),
        (Colours::Basic, Color::Rgb(red, green, blue)) => Color::Indexed(basic([red, green, blue])),
        (Colours::Basic, colour) => colour,
    }
}

/// Red, green and blue of one of the 256 colours beyond the first sixteen.
fn rgb(n: u8) -> [u8; 3] {
    if n >= GREYS {
        return [8 + 10 * (n - GREYS); 3];
    }
    let n = n.saturating_sub(CUBE);
    [n / 36, n / 6 % 6, n % 6].map(|step| STEPS[usize::from(step)])
}

/// The nearest of the 256 colours.
fn index(wanted: [u8; 3]) -> u8 {
    let distance = |n: &u8| -> u32 {
        let pairs = rgb(*n).into_iter().zip(wanted);
        pairs.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    (CUBE..=u8::MAX).min_by_key(distance).unwrap_or(u8::MAX)
}

/// The nearest of the eight of old; what is dark but not black is grey.
fn basic(wanted: [u8; 3]) -> u8 {
    let most = wanted.into_iter().max().unwrap_or(0);
    if most > 0 && most < DARK {
        return 8;
    }
    let from = (most / 2).max(DARK);
    let bit = |at: usize| u8::from(wanted[at] > from) << at;
    bit(0) | bit(1) | bit(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_the_nearest_there_are() {
        let full = |r, g, b| fit(Color::Rgb(r, g, b), Colours::Full);
        assert_eq!(full(255, 0, 0), Color::Indexed(196));
        assert_eq!(full(130, 130, 130), Color::Indexed(244));
        let basic = |colour| fit(colour, Colours::Basic);
        assert_eq!(basic(Color::Rgb(255, 128, 10)), Color::Indexed(3));
        assert_eq!(basic(Color::Indexed(196)), Color::Indexed(1));
        assert_eq!(basic(Color::Indexed(233)), Color::Indexed(8));
        assert_eq!(basic(Color::Indexed(12)), Color::Indexed(12));
        assert_eq!(fit(Color::Indexed(5), Colours::None), Color::Reset);
    }
}
