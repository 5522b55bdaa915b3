//! Keys in the command palette.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::effect::Effect;
use super::super::keymap::Action;
use super::super::palette::{self, Offer, Palette};
use super::super::state::{Choice, Layer, Model, Subject};
use super::{fleet, layers, map, perform};

/// Opens the palette over what is on the screen.
pub(super) fn open(model: &mut Model) {
    let Some(place) = model.place() else {
        return;
    };
    let subject = match model.layers.last() {
        None => fleet::selected(model),
        Some(Layer::Details { subject, .. }) => Some(subject.clone()),
        Some(Layer::Map(page)) => map::subject(page),
        Some(_) => None,
    };
    let palette = Palette::new(place, subject);
    model.layers.push(Layer::Palette(Box::new(palette)));
}

/// Looks again for what matches: the fleet or what was typed may have changed.
pub(super) fn settle(model: &mut Model) {
    let Some(layout) = model.layout() else {
        return;
    };
    // Taken out meanwhile, so that it can look at the fleet that it lies over.
    if let Some(Layer::Palette(mut palette)) = model.layers.pop_if(is_palette) {
        palette.settle(model, layout.body);
        model.layers.push(Layer::Palette(palette));
    }
}

fn is_palette(layer: &mut Layer) -> bool {
    matches!(layer, Layer::Palette(_))
}

/// A key that is not text; `None` for one that is.
pub(super) fn pressed(model: &mut Model, key: &KeyEvent) -> Option<Vec<Effect>> {
    let page = model.layout().map_or(1, |layout| {
        isize::try_from(palette::rows(layout.body)).unwrap_or(1)
    });
    let Some(Layer::Palette(palette)) = model.layers.last_mut() else {
        return None;
    };
    let found = &palette.found;
    let mut step = |by| {
        palette
            .list
            .step(by, found.len(), |row| found[row].offer.clone());
    };
    match key.code {
        KeyCode::Up => step(-1),
        KeyCode::Down => step(1),
        KeyCode::PageUp => step(-page),
        KeyCode::PageDown => step(page),
        KeyCode::Tab => complete(palette),
        KeyCode::Backspace if palette.typed.is_empty() => return Some(layers::back(model)),
        KeyCode::Enter => return Some(enter(model)),
        _ => return None,
    }
    Some(Vec::new())
}

/// Takes the words of the selected line over, to go on typing from there.
fn complete(palette: &mut Palette) {
    if let Some(found) = palette.found.get(palette.list.row) {
        palette.typed = found.words.chars().take(layers::TYPED_MAX).collect();
        palette.list = Default::default();
    }
}

/// Does what a line says.
pub(super) fn take(model: &mut Model, at: usize) -> Vec<Effect> {
    if let Some(Layer::Palette(palette)) = model.layers.last_mut() {
        palette.list.selected = palette.found.get(at).map(|found| found.offer.clone());
    }
    enter(model)
}

fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(Layer::Palette(palette)) = model.layers.last() else {
        return Vec::new();
    };
    let Some(offer) = palette.list.selected.clone() else {
        model.toast_here("Nothing matches what is typed.");
        return Vec::new();
    };
    model.layers.pop();
    match offer {
        Offer::Key(action) => perform(model, action),
        Offer::Screen(action) => screen(model, action),
        Offer::Page(subject) => fleet::open(model, subject),
        Offer::Schedule(_) => fleet::open(model, Subject::Schedules),
        Offer::On(action, subject) => fleet::on_subject(model, action, Some(subject)),
        Offer::Clusters(view) => {
            let effects = close_all(model);
            layers::chosen(model, Choice::Cluster, view.label());
            effects
        }
    }
}

/// Goes to another screen: panes lie under everything, other screens over what is open.
pub(super) fn screen(model: &mut Model, action: Action) -> Vec<Effect> {
    let mut effects = match action {
        Action::Pane(_) => close_all(model),
        _ => Vec::new(),
    };
    effects.extend(match action {
        Action::Help => perform(model, action),
        _ => fleet::act(model, action),
    });
    effects
}

fn close_all(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    while !model.layers.is_empty() {
        effects.extend(layers::back(model));
    }
    effects
}
