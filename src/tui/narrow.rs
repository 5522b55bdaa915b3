//! A page narrowed to the lines that say something.

use ratatui::text::Line;

use super::filter::Filter;

/// Lines set in as far as this go on with the line before them: beyond every name.
const GOES_ON: usize = 10;

/// What a page is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrow {
    /// A filter, as it was typed.
    pub words: String,
    /// It is being typed.
    pub typing: bool,
}

impl Narrow {
    /// Whether all lines are shown.
    pub(crate) fn is_off(&self) -> bool {
        self.words.is_empty() && !self.typing
    }

    /// Shows all lines again.
    pub(crate) fn let_go(&mut self) {
        *self = Self::default();
    }

    /// The lines that pass, each below the headings that it stands under; and what of the filter
    /// could not be read.
    pub(crate) fn keep(&self, lines: Vec<Line<'static>>) -> (Vec<Line<'static>>, Option<String>) {
        let filter = Filter::read(&self.words, &[]);
        if filter.is_empty() {
            return (lines, filter.wrong);
        }
        let texts: Vec<String> = lines.iter().map(text).collect();
        let kept = passing(&texts, &filter);
        let mut shown: Vec<Line<'static>> = Vec::new();
        for ((line, text), _) in lines.into_iter().zip(&texts).zip(kept).filter(|it| it.1) {
            if indent(text) == 0 && !shown.is_empty() {
                shown.push(Line::default());
            }
            shown.push(line);
        }
        (shown, filter.wrong)
    }
}

fn text(line: &Line<'_>) -> String {
    line.spans.iter().map(|span| &*span.content).collect()
}

fn indent(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// Which lines pass: an entry with all its lines, and what it is set in under. What stands above
/// an entry counts as said of it, so that a heading brings its section.
fn passing(texts: &[String], filter: &Filter) -> Vec<bool> {
    let mut kept = vec![false; texts.len()];
    // The entries that the next one stands under, from the outermost on.
    let mut above: Vec<(usize, usize, String)> = Vec::new();
    let mut at = 0;
    while at < texts.len() {
        let depth = indent(&texts[at]);
        let rest = texts[at + 1..].iter();
        let more = rest.take_while(|it| indent(it) >= GOES_ON && !it.trim().is_empty());
        let end = at + 1 + more.count();
        let lines = texts[at..end].iter().map(|it| it.trim());
        let entry = lines.collect::<Vec<_>>().join(" ");
        above.retain(|(_, outer, _)| *outer < depth);
        above.push((at, depth, entry));
        let cells: Vec<&str> = above.iter().map(|(_, _, text)| text.as_str()).collect();
        let said = !texts[at].trim().is_empty();
        if said && filter.passes(|| cells.join(" "), |at| cells[at].to_owned(), cells.len()) {
            kept[at..end].fill(true);
            above.iter().for_each(|(line, ..)| kept[*line] = true);
        }
        at = end;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &str) -> Vec<String> {
        let page = [
            "state           RUNNING",
            "",
            "Containers",
            "  ● api RUNNING",
            "    image           shop/api:2.7.1",
            "    environment     STAGE=prod",
            "                    DATABASE_URL=***",
            "  ○ migrate STOPPED",
            "    image           shop/migrate:1",
            "",
            "Events, newest first",
            "  13:10:51 is RUNNING",
        ];
        let narrow = Narrow {
            words: words.to_owned(),
            typing: false,
        };
        let lines = page.iter().map(|it| Line::from((*it).to_owned())).collect();
        narrow.keep(lines).0.iter().map(text).collect()
    }

    #[test]
    fn what_passes_stands_under_its_headings() {
        assert_eq!(
            shown("migrate:1"),
            [
                "Containers",
                "  ○ migrate STOPPED",
                "    image           shop/migrate:1"
            ]
        );
        assert_eq!(shown("").len(), 12, "nothing asked for hides nothing");
        assert_eq!(shown("nowhere"), [""; 0]);
    }

    #[test]
    fn an_entry_of_several_lines_stays_whole() {
        assert_eq!(
            shown("database"),
            [
                "Containers",
                "  ● api RUNNING",
                "    environment     STAGE=prod",
                "                    DATABASE_URL=***"
            ]
        );
    }

    #[test]
    fn a_heading_brings_what_stands_under_it_or_takes_it_away() {
        assert_eq!(
            shown("events"),
            ["Events, newest first", "  13:10:51 is RUNNING"]
        );
        assert_eq!(shown("events stopped"), [""; 0]);
        assert_eq!(
            shown("!/^Containers$/"),
            [
                "state           RUNNING",
                "",
                "Events, newest first",
                "  13:10:51 is RUNNING"
            ]
        );
    }

    #[test]
    fn headings_are_told_apart_by_an_empty_line_as_before() {
        assert_eq!(
            shown("/RUNNING$/ !api"),
            [
                "state           RUNNING",
                "",
                "Events, newest first",
                "  13:10:51 is RUNNING"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_hides_nothing_and_is_said() {
        let narrow = Narrow {
            words: "/(/".to_owned(),
            typing: true,
        };
        let (lines, wrong) = narrow.keep(vec![Line::from("one")]);
        assert_eq!(lines.len(), 1);
        assert!(wrong.is_some());
    }
}
