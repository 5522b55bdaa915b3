//! The command palette: what can be done or gone to from here, found by a few letters of it.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::layout::Rect;

use crate::model::{InstanceStatus, ScheduleName, Task};

use super::clusters::{self, ClusterView};
use super::fleet::ServiceRow;
use super::keymap::{self, Action, Binding, Places};
use super::state::{Compared, List, Model, Subject};
use super::view::{services, tasks};

/// The most lines that are listed; the others are counted.
const LISTED: usize = 200;
/// Columns of the box, where there is room for them.
const COLUMNS: u16 = 100;
/// Rows of the box, where there is room for them.
const ROWS: u16 = 26;
/// Rows of the box that are not lines: border, what is typed, a rule, border.
const FURNITURE: u16 = 4;

/// What a line of the palette does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// What a key does from here.
    Key(Action),
    /// Goes to another screen.
    Screen(Action),
    /// Opens the page about something.
    Page(Subject),
    /// Does something to a thing that need not be the selected one.
    On(Action, Subject),
    /// Opens the page of all schedules.
    Schedule(ScheduleName),
    /// Shows another cluster, or all of them.
    Clusters(ClusterView),
}

/// A line that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub offer: Offer,
    pub words: String,
    /// Which characters of the words were typed.
    pub typed: Vec<u32>,
    /// The key that does the same from here.
    pub key: String,
}

/// The palette while it is open.
#[derive(Clone, Debug)]
pub(crate) struct Palette {
    /// Where it was opened: what the keys would mean there.
    pub place: Places,
    /// What it was opened at.
    pub subject: Option<Subject>,
    pub typed: String,
    pub list: List<Offer>,
    pub found: Vec<Found>,
    /// How many lines match, listed or not.
    pub matches: usize,
    /// Which fleet and words it was looked through for, and whether that was the past.
    looked_for: Option<(u64, String, bool)>,
}

impl Palette {
    pub(crate) fn new(place: Places, subject: Option<Subject>) -> Self {
        Self {
            place,
            subject,
            typed: String::new(),
            list: List::default(),
            found: Vec::new(),
            matches: 0,
            looked_for: None,
        }
    }

    /// Looks again for what matches, and brings the selection in line with it.
    pub(crate) fn settle(&mut self, model: &Model, body: Rect) {
        let asked = (
            model.fleet.edition,
            self.typed.clone(),
            model.past.is_some(),
        );
        let asked = Some(asked);
        if self.looked_for != asked {
            self.looked_for = asked;
            self.look(model);
        }
        let found = &self.found;
        let rows = usize::from(rows(body));
        self.list
            .settle(found.len(), rows, |row| found[row].offer.clone());
    }

    /// Looks through all there is for what was typed: a letter more may mean any of it.
    fn look(&mut self, model: &Model) {
        let mut sieve = Sieve::new(&self.typed);
        let here = self.offer_keys(model, &mut sieve);
        let verbs = Verbs::of(model, &self.typed);
        let services = self.services(model);
        offer_acts(model, &services, &verbs, &here, &mut sieve);
        offer_pages(model, &services, &mut sieve);
        self.matches = sieve.matches;
        self.found = sieve.found();
    }

    /// What the keys do from here, and the screens that can be gone to. Says what is done to
    /// what by that: those need not be offered again.
    fn offer_keys(&self, model: &Model, sieve: &mut Sieve) -> Vec<Offer> {
        let (mut here, mut done) = (Vec::new(), Vec::new());
        let offered = |place| {
            let (fixed, simulated) = (is_fixed(model), model.is_simulated());
            let keys = &model.options.keys;
            keys.offered(place, fixed, simulated)
                .filter(|bound| bound.binding.action != Action::Palette)
        };
        for bound in offered(self.place) {
            let binding = bound.binding;
            let action = binding.action;
            if here.contains(&action) {
                continue;
            }
            here.push(action);
            let named = !binding.foot.is_empty();
            let key = bound.keys.first().copied().unwrap_or_default();
            if let Some(target) = self.target(model, binding).filter(|_| named) {
                let words = act_words(model, binding, &target);
                done.push(Offer::On(action, target));
                sieve.offer(&words, key, || Offer::Key(action));
            } else {
                let names = [bound.name(), binding.foot.to_owned()];
                sieve.offer_told(told(binding).0, &names, key, || Offer::Key(action));
            }
        }
        for bound in offered(Places::PANES) {
            let binding = bound.binding;
            if is_screen(binding.action) && !here.contains(&binding.action) {
                let names = [bound.name(), binding.foot.to_owned()];
                let screen = || Offer::Screen(binding.action);
                sieve.offer_told(told(binding).0, &names, "", screen);
            }
        }
        done
    }

    /// All services, those of the cluster that it was opened in first: of equal names that one is
    /// meant, mostly.
    fn services<'a>(&self, model: &'a Model) -> Vec<&'a ServiceRow> {
        let state = &model.snapshot.state;
        let own = match &self.subject {
            Some(Subject::Service((cluster, _))) => Some(cluster),
            Some(Subject::Task(id)) => state.tasks.get(id).map(|it| &it.cluster),
            Some(Subject::Instance(name)) => state.instances.get(name).map(|it| &it.cluster),
            Some(Subject::Event(event)) => Some(&event.cluster),
            _ => None,
        };
        let mut all: Vec<_> = model.fleet.services.iter().collect();
        all.sort_by_key(|row| own != Some(&row.service.cluster));
        all
    }

    /// What a key would do it to from here: the thing itself, or the service of a task.
    fn target(&self, model: &Model, binding: &Binding) -> Option<Subject> {
        let subject = self.subject.as_ref()?;
        let task_service = match subject {
            Subject::Task(id) => model.snapshot.state.tasks.get(id).and_then(|task| {
                let service = task.service.clone()?;
                Some(Subject::Service((task.cluster.clone(), service)))
            }),
            _ => None,
        };
        let mut subjects = [Some(subject.clone()), task_service].into_iter().flatten();
        subjects.find(|subject| {
            let place = page_place(subject);
            place.is_some_and(|place| binding.places.has(place))
        })
    }
}

/// `scale web`.
fn act_words(model: &Model, binding: &Binding, target: &Subject) -> String {
    let mut words = verb(model, binding, target).to_owned();
    match target {
        Subject::Service((_, name)) => set_name(&mut words, name.as_str()),
        Subject::Instance(name) => set_name(&mut words, name.as_str()),
        Subject::Task(id) => {
            if let Some(task) = model.snapshot.state.tasks.get(id) {
                task_words(&mut words, task);
            }
        }
        Subject::Event(_)
        | Subject::Schedules
        | Subject::Definition(_)
        | Subject::Replicas(_)
        | Subject::Refused(_) => {}
    }
    words
}

/// Whether nothing can be changed from here.
fn is_fixed(model: &Model) -> bool {
    model.options.read_only || model.past.is_some()
}

/// What a binding does in a few words, and what there is to say beside it.
fn told(binding: &Binding) -> (&'static str, &'static str) {
    binding.help.split_once(": ").unwrap_or((binding.help, ""))
}

/// The box over a body of the screen.
pub(crate) fn area(body: Rect) -> Rect {
    let width = COLUMNS.min(body.width.saturating_sub(4));
    let height = ROWS.min(body.height.saturating_sub(2));
    Rect::new(
        body.x + (body.width - width) / 2,
        body.y + (body.height - height) / 3,
        width,
        height,
    )
}

/// How many lines the box shows.
pub(crate) fn rows(body: Rect) -> u16 {
    area(body).height.saturating_sub(FURNITURE)
}

fn is_screen(action: Action) -> bool {
    use Action as A;
    matches!(
        action,
        A::Pane(_) | A::Map | A::Schedules | A::Cluster | A::Help
    )
}

/// Where the keys for a kind of thing are found in the key map.
fn page_place(subject: &Subject) -> Option<Places> {
    match subject {
        Subject::Service(_) => Some(Places::SERVICE_PAGE),
        Subject::Task(_) => Some(Places::TASK_PAGE),
        Subject::Instance(_) => Some(Places::INSTANCE_PAGE),
        Subject::Event(_)
        | Subject::Schedules
        | Subject::Definition(_)
        | Subject::Replicas(_)
        | Subject::Refused(_) => None,
    }
}

/// What a binding does to a thing, in a word.
fn verb(model: &Model, binding: &Binding, subject: &Subject) -> &'static str {
    match (binding.action, subject) {
        (Action::Drain, Subject::Instance(name)) => {
            let row = model.fleet.instance(name);
            match row.map(|row| row.instance.status) {
                Some(InstanceStatus::Draining) => "activate",
                _ => binding.foot,
            }
        }
        _ => binding.foot,
    }
}

/// What can be done to any thing of a kind, as far as it was typed: the things of a fleet are
/// gone through only for what may be meant.
struct Verbs<'a> {
    words: Vec<&'a str>,
    service: Vec<&'static Binding>,
    task: Vec<&'static Binding>,
    instance: Vec<&'static Binding>,
}

impl<'a> Verbs<'a> {
    fn of(model: &Model, typed: &'a str) -> Self {
        let words: Vec<&str> = typed.split_whitespace().collect();
        let (fixed, simulated) = (is_fixed(model), model.is_simulated());
        let at = |place| {
            let keys = &model.options.keys;
            let offered = keys.offered(place, fixed, simulated);
            let meant = offered.map(|bound| bound.binding).filter(|it| {
                // An instance that is drained offers to be activated with the same key.
                let other = (it.action == Action::Drain).then_some("activate");
                let mut names = [Some(it.foot), other].into_iter().flatten();
                names.any(|name| !name.is_empty() && is_meant(&words, name))
            });
            meant.collect::<Vec<_>>()
        };
        Self {
            service: at(Places::SERVICE_PAGE),
            task: at(Places::TASK_PAGE),
            instance: at(Places::INSTANCE_PAGE),
            words,
        }
    }
}

/// Whether one of the words may stand for a verb: it begins as that does, and its letters follow
/// one another there.
fn is_meant(words: &[&str], verb: &str) -> bool {
    words.iter().any(|word| {
        let mut left = verb.chars();
        let begins = word.get(..1).zip(verb.get(..1));
        begins.is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
            && word
                .chars()
                .all(|c| left.any(|other| other.eq_ignore_ascii_case(&c)))
    })
}

/// Every action on every thing, as `verb name`, but for what is offered already.
fn offer_acts(
    model: &Model,
    services: &[&ServiceRow],
    verbs: &Verbs<'_>,
    here: &[Offer],
    sieve: &mut Sieve,
) {
    let mut line = String::new();
    let mut offer = |words: &str, offer: Offer| {
        if !here.contains(&offer) {
            sieve.offer(words, "", || offer);
        }
    };
    for binding in &verbs.service {
        for row in services {
            begin(&mut line, binding.foot);
            set_name(&mut line, row.service.name.as_str());
            offer(&line, Offer::On(binding.action, service(row)));
        }
    }
    for binding in &verbs.instance {
        for row in &model.fleet.instances {
            let subject = Subject::Instance(row.instance.name.clone());
            let verb = verb(model, binding, &subject);
            if is_meant(&verbs.words, verb) {
                begin(&mut line, verb);
                set_name(&mut line, row.instance.name.as_str());
                offer(&line, Offer::On(binding.action, subject));
            }
        }
    }
    for binding in &verbs.task {
        for row in model.fleet.tasks.iter() {
            if binding.action == Action::Stop && row.task.is_stopped() {
                continue;
            }
            begin(&mut line, binding.foot);
            task_words(&mut line, &row.task);
            offer(&line, Offer::On(binding.action, Subject::Task(row.task.id)));
        }
    }
}

/// The page of every thing.
fn offer_pages(model: &Model, services: &[&ServiceRow], sieve: &mut Sieve) {
    let state = &model.snapshot.state;
    for row in services {
        let page = || Offer::Page(service(row));
        sieve.offer(row.service.name.as_str(), "", page);
    }
    for row in &model.fleet.instances {
        let name = &row.instance.name;
        let page = || Offer::Page(Subject::Instance(name.clone()));
        sieve.offer(name.as_str(), "", page);
    }
    for (cluster, name) in state.schedules.keys() {
        if model.cluster_view.shows(cluster) {
            sieve.offer(name.as_str(), "", || Offer::Schedule(name.clone()));
        }
    }
    for view in clusters::choices(model) {
        if view != model.cluster_view {
            sieve.offer(view.label(), "", || Offer::Clusters(view.clone()));
        }
    }
    for id in state.task_definitions.keys() {
        let words = id.to_string();
        sieve.offer(&words, "", || {
            Offer::Page(Subject::Definition(Compared {
                id: id.clone(),
                with: None,
            }))
        });
    }
    let mut line = String::new();
    let tasks = &model.fleet.tasks;
    // Nothing typed: one is as good as the other, and the first are listed.
    let most = match sieve.typed.is_empty() {
        true => LISTED,
        false => tasks.len(),
    };
    for row in tasks.window(0, most) {
        begin(&mut line, "");
        task_words(&mut line, &row.task);
        sieve.offer(&line, "", || Offer::Page(Subject::Task(row.task.id)));
    }
    sieve.matches += tasks.len().saturating_sub(most);
}

fn service(row: &ServiceRow) -> Subject {
    Subject::Service(row.key())
}

fn begin(line: &mut String, verb: &str) {
    line.clear();
    line.push_str(verb);
}

fn set_name(line: &mut String, name: &str) {
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(name);
}

/// A task goes by its short id, and by its service.
fn task_words(line: &mut String, task: &Task) {
    set_name(line, &task.id.short());
    if let Some(service) = &task.service {
        set_name(line, service.as_str());
    }
}

/// What kind of thing a line is about.
pub(crate) fn note(model: &Model, offer: &Offer) -> String {
    let subject = match offer {
        Offer::Key(action) | Offer::Screen(action) => return told_of(*action),
        Offer::Schedule(_) => return "schedule".to_owned(),
        Offer::Clusters(ClusterView::One(_)) => return "cluster".to_owned(),
        Offer::Clusters(ClusterView::All) => return "side by side, by region".to_owned(),
        Offer::Page(subject) | Offer::On(_, subject) => subject,
    };
    match subject {
        Subject::Service(key) => match model.fleet.service(key) {
            Some(row) => {
                let of = match model.clusters.several() {
                    true => format!(" of {}", key.0),
                    false => String::new(),
                };
                format!("service{of} · {}", services::state(row))
            }
            None => "service".to_owned(),
        },
        Subject::Instance(name) => match model.fleet.instance(name) {
            Some(row) if !row.instance.is_connected() => "instance · LOST".to_owned(),
            Some(row) => format!("instance · {}", row.instance.status.as_str()),
            None => "instance".to_owned(),
        },
        Subject::Task(id) => model.fleet.task(*id).map_or_else(String::new, |row| {
            let state = tasks::state(model, row);
            format!("task on {} · {state}", row.task.whereabouts())
        }),
        Subject::Event(_) => "event".to_owned(),
        Subject::Schedules => "schedules".to_owned(),
        Subject::Definition(_) => "task definition".to_owned(),
        Subject::Replicas(_) => "two tasks".to_owned(),
        Subject::Refused(_) => "a text of yours".to_owned(),
    }
}

fn told_of(action: Action) -> String {
    let mut all = keymap::KEYS.iter();
    let binding = all.find(|binding| binding.action == action);
    binding.map_or("", |it| told(it).1).to_owned()
}

/// How well a line matches: as it was typed, by its name or only by what is told of it, and how much
/// of that.
type Worth = (bool, bool, u32);

/// A line that matches, and how well; of the same, what was offered first comes first.
struct Scored {
    worth: Worth,
    turn: usize,
    words: String,
    key: String,
    offer: Offer,
}

impl Scored {
    fn rank(&self) -> impl Ord + use<> {
        use std::cmp::Reverse;
        (Reverse(self.worth), self.turn)
    }
}

/// Whether every word that was typed begins a word of those told.
fn begin_words(typed: &str, told: &str) -> bool {
    let told = told.to_lowercase();
    let mut typed = typed.split_whitespace().map(str::to_lowercase);
    typed.all(|word| told.split_whitespace().any(|it| it.starts_with(&word)))
}

/// Keeps the best of what is offered.
struct Sieve {
    typed: String,
    pattern: Pattern,
    matcher: Matcher,
    characters: Vec<char>,
    best: Vec<Scored>,
    /// The score that must be exceeded to be among the best, once there are enough of them.
    floor: Option<Worth>,
    turn: usize,
    matches: usize,
}

impl Sieve {
    fn new(typed: &str) -> Self {
        let mut config = Config::DEFAULT;
        config.prefer_prefix = true;
        let typed = typed.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            pattern: Pattern::new(
                &typed,
                CaseMatching::Ignore,
                Normalization::Smart,
                AtomKind::Fuzzy,
            ),
            typed,
            matcher: Matcher::new(config),
            characters: Vec::new(),
            best: Vec::new(),
            floor: None,
            turn: 0,
            matches: 0,
        }
    }

    /// Keeps a line if it matches and is better than what there is.
    fn offer(&mut self, words: &str, key: &str, offer: impl FnOnce() -> Offer) {
        self.turn += 1;
        if let Some(score) = self.score(words) {
            let exact = words.eq_ignore_ascii_case(&self.typed);
            self.keep((exact, true, score), words, key, offer);
        }
    }

    /// The same of a line that tells about something: its names are what is typed, mostly. Of the
    /// words told, only whole beginnings count, and less than any name.
    fn offer_told(
        &mut self,
        words: &str,
        names: &[String],
        key: &str,
        offer: impl FnOnce() -> Offer,
    ) {
        self.turn += 1;
        let names = names.iter().filter(|name| !name.is_empty());
        let scores = names.filter_map(|name| self.score(&name.replace('-', " ")));
        let best = scores.collect::<Vec<_>>().into_iter().max();
        let exact = words.eq_ignore_ascii_case(&self.typed);
        let worth = match best {
            Some(score) => (exact, true, score),
            None if begin_words(&self.typed, words) => (exact, exact, 0),
            None => return,
        };
        self.keep(worth, words, key, offer);
    }

    fn score(&mut self, words: &str) -> Option<u32> {
        let line = Utf32Str::new(words, &mut self.characters);
        self.pattern.score(line, &mut self.matcher)
    }

    fn keep(&mut self, worth: Worth, words: &str, key: &str, offer: impl FnOnce() -> Offer) {
        self.matches += 1;
        if self.floor.is_some_and(|floor| worth <= floor) {
            return;
        }
        self.best.push(Scored {
            worth,
            turn: self.turn,
            words: words.to_owned(),
            key: key.to_owned(),
            offer: offer(),
        });
        if self.best.len() >= 2 * LISTED {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.best.sort_by_key(Scored::rank);
        self.best.truncate(LISTED);
        if self.best.len() == LISTED {
            self.floor = self.best.last().map(|last| last.worth);
        }
    }

    /// The best lines, best first, with what of them was typed.
    fn found(mut self) -> Vec<Found> {
        self.cut();
        let (pattern, matcher, characters) =
            (&self.pattern, &mut self.matcher, &mut self.characters);
        let found = self.best.into_iter().map(|it| {
            let mut typed = Vec::new();
            let line = Utf32Str::new(&it.words, characters);
            pattern.indices(line, matcher, &mut typed);
            typed.sort_unstable();
            typed.dedup();
            Found {
                offer: it.offer,
                words: it.words,
                typed,
                key: it.key,
            }
        });
        found.collect()
    }
}
