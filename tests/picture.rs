//! A screen as a picture.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;
const MARGIN: f32 = 14.0;
/// The dark theme's background.
const GROUND: &str = "#121212";
const INK: &str = "#c9d1d9";

const BASIC: [&str; 16] = [
    "#1b1f27", "#e5484d", "#46c28e", "#e2b340", "#5b9bf8", "#b98af0", "#4fc3dc", "#c9d1d9",
    "#5d6673", "#ff6b6b", "#6ee7b7", "#ffd866", "#82b4ff", "#d2a8ff", "#7ee0f2", "#ffffff",
];

fn colour(colour: Color, otherwise: &str) -> String {
    match colour {
        Color::Reset => otherwise.to_owned(),
        Color::Black => BASIC[0].to_owned(),
        Color::Red => BASIC[1].to_owned(),
        Color::Green => BASIC[2].to_owned(),
        Color::Yellow => BASIC[3].to_owned(),
        Color::Blue => BASIC[4].to_owned(),
        Color::Magenta => BASIC[5].to_owned(),
        Color::Cyan => BASIC[6].to_owned(),
        Color::Gray => BASIC[7].to_owned(),
        Color::DarkGray => BASIC[8].to_owned(),
        Color::LightRed => BASIC[9].to_owned(),
        Color::LightGreen => BASIC[10].to_owned(),
        Color::LightYellow => BASIC[11].to_owned(),
        Color::LightBlue => BASIC[12].to_owned(),
        Color::LightMagenta => BASIC[13].to_owned(),
        Color::LightCyan => BASIC[14].to_owned(),
        Color::White => BASIC[15].to_owned(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Indexed(n) => indexed(n),
    }
}

/// The colours of the 256-colour table.
fn indexed(n: u8) -> String {
    match n {
        0..16 => BASIC[usize::from(n)].to_owned(),
        16..232 => {
            let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
            let n = n - 16;
            let (r, g, b) = (level(n / 36), level(n / 6 % 6), level(n % 6));
            format!("#{r:02x}{g:02x}{b:02x}")
        }
        232.. => {
            let v = 8 + 10 * (n - 232);
            format!("#{v:02x}{v:02x}{v:02x}")
        }
    }
}

fn inks(cell: &Cell) -> (String, String) {
    let (fg, bg) = (colour(cell.fg, INK), colour(cell.bg, GROUND));
    if cell.modifier.contains(Modifier::REVERSED) {
        (bg, fg)
    } else {
        (fg, bg)
    }
}

/// The screen as SVG, cells of one style in one piece.
pub fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let width = f32::from(columns) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f32::from(rows) * CELL_HEIGHT + 2.0 * MARGIN;
    let mut out = String::new();
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" xml:space="preserve">"#
    )
    .unwrap();
    writeln!(
        out,
        r#"<rect width="100%" height="100%" rx="10" fill="{GROUND}"/>"#
    )
    .unwrap();
    for y in 0..rows {
        let row: Vec<&Cell> = (0..columns).map(|x| &buffer[(x, y)]).collect();
        let mut start = 0;
        while start < row.len() {
            let same = |cell: &Cell| {
                inks(cell) == inks(row[start]) && cell.modifier == row[start].modifier
            };
            let run = row[start..].iter().take_while(|cell| same(cell)).count();
            piece(&mut out, &row[start..start + run], start, y);
            start += run;
        }
    }
    out.push_str("</svg>\n");
    out
}

fn piece(out: &mut String, cells: &[&Cell], column: usize, row: u16) {
    let (fg, bg) = inks(cells[0]);
    let x = MARGIN + column as f32 * CELL_WIDTH;
    let y = MARGIN + f32::from(row) * CELL_HEIGHT;
    let width = cells.len() as f32 * CELL_WIDTH;
    if bg != GROUND {
        writeln!(
            out,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{CELL_HEIGHT}" fill="{bg}"/>"#
        )
        .unwrap();
    }
    let text: String = cells.iter().map(|cell| cell.symbol()).collect();
    if text.trim().is_empty() {
        return;
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let modifier = cells[0].modifier;
    let bold = if modifier.contains(Modifier::BOLD) {
        r#" font-weight="bold""#
    } else {
        ""
    };
    let dim = if modifier.contains(Modifier::DIM) {
        r#" opacity="0.6""#
    } else {
        ""
    };
    let base = y + CELL_HEIGHT * 0.74;
    writeln!(
        out,
        r#"<text x="{x:.1}" y="{base:.1}" textLength="{width:.1}" fill="{fg}"{bold}{dim}>{text}</text>"#
    )
    .unwrap();
}

/// The screen cell by cell: symbol, colours, bold, dim; for a tool that draws it.
pub fn dump(buffer: &Buffer) -> String {
    let mut out = format!("{} {}\n", buffer.area.width, buffer.area.height);
    for cell in &buffer.content {
        let (fg, bg) = inks(cell);
        let bold = u8::from(cell.modifier.contains(Modifier::BOLD));
        let dim = u8::from(cell.modifier.contains(Modifier::DIM));
        writeln!(out, "{fg}\t{bg}\t{bold}\t{dim}\t{}", cell.symbol()).unwrap();
    }
    out
}
