//! Copying: what is selected, or what is chosen of it.

use super::super::effect::Effect;
use super::super::state::{Choice, Layer, Model, Subject};
use super::super::text;
use super::super::yank::{BYTES_MAX, Piece, Source, pieces};
use super::{fleet, map};

/// How much of what was copied its notice shows, in columns.
const SHOWN: usize = 60;

/// What is on the screen, to be copied from.
fn source(model: &Model) -> Option<Source> {
    match model.layers.last() {
        None if model.marks.count(model.focus) > 0 => Some(Source::Marked(model.focus)),
        None => fleet::selected(model).map(Source::Thing),
        Some(Layer::Details { subject, .. }) => Some(Source::Thing(subject.clone())),
        Some(Layer::Map(page)) => map::subject(page).map(Source::Thing),
        Some(Layer::Stats(page)) => page.list.selected.map(Subject::Task).map(Source::Thing),
        Some(Layer::Timeline) => {
            let current = model.timeline.current();
            current.map(|it| Source::Thing(Subject::Event(it.event.clone())))
        }
        Some(Layer::Logs(_)) => Some(Source::Logs),
        Some(_) => None,
    }
}

/// Copies what is most wanted of what is on the screen.
pub(super) fn first(model: &mut Model) -> Vec<Effect> {
    match source(model) {
        Some(source) => of(model, &source),
        None => nothing(model),
    }
}

/// Copies what is most wanted of a source.
pub(super) fn of(model: &mut Model, source: &Source) -> Vec<Effect> {
    let mut all = pieces(model, source);
    if all.is_empty() {
        return nothing(model);
    }
    let more = all.len() > 1;
    copy(model, all.swap_remove(0), more)
}

/// Offers all that can be copied of what is on the screen.
pub(super) fn choose(model: &mut Model) -> Vec<Effect> {
    let Some(source) = source(model) else {
        return nothing(model);
    };
    let Some(first) = pieces(model, &source).into_iter().next() else {
        return nothing(model);
    };
    model.layers.push(Layer::Picker {
        choice: Choice::Copy(source),
        typed: String::new(),
        selected: first.what,
    });
    Vec::new()
}

/// Copies what was chosen.
pub(super) fn chosen(model: &mut Model, source: &Source, what: &str) -> Vec<Effect> {
    let mut all = pieces(model, source).into_iter();
    match all.find(|it| it.what == what) {
        Some(piece) => copy(model, piece, false),
        None => {
            model.toast(format!("There is no {what} any more: nothing was copied."));
            Vec::new()
        }
    }
}

fn nothing(model: &mut Model) -> Vec<Effect> {
    model.toast("There is nothing to copy here.");
    Vec::new()
}

fn copy(model: &mut Model, piece: Piece, more: bool) -> Vec<Effect> {
    let Piece { what, text } = piece;
    let bytes = text.len();
    if bytes > BYTES_MAX {
        let most = text::bytes(BYTES_MAX as u64);
        model.toast_bad(format!(
            "Not copied: {what} is more than the {most} that terminals take. Save it in a file \
             instead (s in logs)."
        ));
        return Vec::new();
    }
    let lines = text.lines().count();
    let shown = match lines {
        0 | 1 => text::cut(text.trim_end(), SHOWN).into_owned(),
        _ => format!(
            "{} ({})",
            text::count(lines as u64, "line"),
            text::bytes(bytes as u64)
        ),
    };
    let hint = if more { " — Y offers more." } else { "" };
    model.toast(format!("Copied {what}: {shown}{hint}"));
    vec![Effect::Copy(text)]
}
