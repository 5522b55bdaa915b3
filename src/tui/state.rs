//! What the console knows and shows. Changed only by [`update`](super::update()).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::client::{About, Explanation, Standing};
use crate::docker::StatsSample;
use crate::model::state::ServiceKey;
use crate::model::{
    ClusterName, ContainerName, Event, InstanceName, Snapshot, Task, TaskDefinitionId, TaskId,
    TimeMs,
};

use super::bindings::KeyMap;
use super::checks::Checks;
use super::clusters::{ClusterView, Clusters};
use super::compare::Replicas;
use super::edit::{Change, EditAsk, Refused};
use super::event::Ticket;
use super::fleet::{Fleet, InstanceRow, Rows, belongs};
use super::kept::View;
use super::keymap::Places;
use super::layout::Layout;
use super::logs::{LogPage, Looks, Sight};
use super::map::{MapPage, Measure};
use super::marks::Marks;
use super::narrow::Narrow;
use super::palette::Palette;
use super::progress::Progress;
use super::proposal::Proposal;
use super::settings::ConsoleSettings;
use super::shell::ShellPrompt;
use super::sort::{Sort, Sorting};
use super::stats::{Scope, StatsPage, Usage};
use super::timeline::{Past, Timeline};
use super::toast::Toasts;
use super::update::Click;
use super::view::theme::Theme;
use super::yank::Source;

/// How the console is opened.
#[derive(Clone, Debug)]
pub struct TuiOptions {
    /// The clusters to show first.
    pub cluster_view: ClusterView,
    /// Whether nothing may be changed from this console.
    pub read_only: bool,
    /// Whether the fleet is simulated.
    pub simulated: bool,
    /// This process's id, to tell whether it carries the scheduler itself.
    pub pid: u32,
    /// Colours and signs.
    pub theme: Theme,
    /// Which keys do what.
    pub keys: KeyMap,
    /// Whether the mouse is taken from the beginning.
    pub mouse: bool,
    /// The file in which it is kept how the console looks when it is left; nothing is without.
    pub view: Option<PathBuf>,
    /// Where the clock times of the screen are.
    pub time_zone: TimeZone,
    /// What is to be said when it opens.
    pub notice: Option<String>,
}

impl TuiOptions {
    /// Options for a console on this terminal: colours, signs and time zone as the environment
    /// has them, the rest as the config file says.
    #[must_use]
    pub fn new(cluster_view: ClusterView, settings: &ConsoleSettings) -> Self {
        Self {
            cluster_view,
            read_only: settings.read_only,
            simulated: false,
            pid: std::process::id(),
            theme: settings.theme(Theme::detect(|name| std::env::var(name).ok())),
            keys: settings.keys.clone(),
            mouse: settings.mouse.unwrap_or(true),
            view: None,
            time_zone: TimeZone::system(),
            notice: None,
        }
    }
}

/// How many panes there are.
pub(crate) const PANES: usize = 4;

/// The lists of the main screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pane {
    Services,
    Tasks,
    Instances,
    Events,
}

impl Pane {
    pub(crate) const ALL: [Self; PANES] =
        [Self::Services, Self::Tasks, Self::Instances, Self::Events];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn place(self) -> Places {
        match self {
            Self::Services => Places::SERVICES,
            Self::Tasks => Places::TASKS,
            Self::Instances => Places::INSTANCES,
            Self::Events => Places::EVENTS,
        }
    }

    /// The pane that many places on, round and round.
    pub(crate) fn step(self, by: usize) -> Self {
        Self::ALL[(self.index() + by) % PANES]
    }
}

/// A list's selection, by id: rows may come, go and move.
#[derive(Clone, Debug)]
pub(crate) struct List<Id> {
    pub selected: Option<Id>,
    /// Where the selected one was last; its neighbour is taken when it goes.
    pub row: usize,
    /// The first row shown.
    pub top: usize,
}

impl<Id> Default for List<Id> {
    fn default() -> Self {
        Self {
            selected: None,
            row: 0,
            top: 0,
        }
    }
}

impl<Id: Clone + PartialEq> List<Id> {
    /// Finds the selected one among `len` rows again, or its neighbour, and scrolls so that it
    /// is among the `height` rows shown.
    pub(crate) fn settle(&mut self, len: usize, height: usize, id: impl Fn(usize) -> Id) {
        if len == 0 {
            *self = Self::default();
            return;
        }
        let at_row = |row: usize| row < len && self.selected.as_ref() == Some(&id(row));
        self.row = if at_row(self.row) {
            self.row
        } else {
            let found = self
                .selected
                .as_ref()
                .and_then(|wanted| (0..len).find(|row| &id(*row) == wanted));
            found.unwrap_or(self.row.min(len - 1))
        };
        self.selected = Some(id(self.row));
        let height = height.max(1);
        // By half a window, not by a row at every key: scrolling writes all rows anew.
        if self.row < self.top {
            self.top = (self.row + 1).saturating_sub(height.div_ceil(2));
        } else if self.row >= self.top + height {
            self.top = self.row - height / 2;
        }
        self.top = self.top.min(len.saturating_sub(height));
    }

    /// Moves the window over the rows; what is selected stays so while it is in sight.
    pub(crate) fn scroll(
        &mut self,
        by: isize,
        len: usize,
        height: usize,
        id: impl Fn(usize) -> Id,
    ) {
        if len > 0 {
            let height = height.max(1);
            let last_top = len.saturating_sub(height);
            self.top = self.top.saturating_add_signed(by).min(last_top);
            let last = (self.top + height).min(len) - 1;
            self.row = self.row.clamp(self.top, last);
            self.selected = Some(id(self.row));
        }
    }

    /// Selects the row that is `by` rows away, stopping at the ends.
    pub(crate) fn step(&mut self, by: isize, len: usize, id: impl Fn(usize) -> Id) {
        if len > 0 {
            self.row = self.row.saturating_add_signed(by).min(len - 1);
            self.selected = Some(id(self.row));
        }
    }
}

/// The thing that is selected in the focused list, to tell what belongs to it. Asked row by row,
/// for those on the screen.
#[derive(Clone, Debug, Default)]
pub(crate) enum Links {
    #[default]
    Nothing,
    Service(ServiceKey),
    /// With the services of its live tasks.
    Instance(InstanceName, BTreeSet<ServiceKey>),
    Task(Arc<Task>),
    Event(Arc<Event>),
}

impl Links {
    /// Whether a task belongs to it.
    pub(crate) fn task(&self, task: &Task) -> bool {
        match self {
            Self::Nothing => false,
            Self::Service(key) => !task.is_stopped() && belongs(task, key),
            Self::Instance(name, _) => !task.is_stopped() && task.instance == *name,
            Self::Task(it) => it.id == task.id,
            Self::Event(event) => event.task == Some(task.id),
        }
    }

    /// Whether a service belongs to it.
    pub(crate) fn service(&self, wanted: &ServiceKey) -> bool {
        match self {
            Self::Nothing => false,
            Self::Service(key) => key == wanted,
            Self::Instance(_, services) => services.contains(wanted),
            Self::Task(task) => belongs(task, wanted),
            Self::Event(event) => {
                event.service.as_ref() == Some(&wanted.1) && event.cluster == wanted.0
            }
        }
    }

    /// Whether an instance belongs to it; with how many of its live tasks there.
    pub(crate) fn instance(&self, row: &InstanceRow) -> Option<usize> {
        let name = &row.instance.name;
        match self {
            Self::Nothing => None,
            Self::Service(key) => {
                let there = row.live().filter(|it| belongs(&it.task, key)).count();
                (there > 0).then_some(there)
            }
            Self::Instance(it, _) => (it == name).then(|| row.live().count()),
            Self::Task(task) => (task.instance == *name).then_some(1),
            Self::Event(event) => (event.instance.as_ref() == Some(name)).then_some(0),
        }
    }
}

/// What the rows of a list were chosen by; the same again are the same rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    /// Of the fleet; 0 is none.
    pub edition: u64,
    pub filter: String,
    pub sort: Sort,
    /// What tasks are narrowed to.
    pub scope: Option<Scope>,
}

/// What passes each list's filter, in the order in which it is shown. Chosen anew only when what
/// it was chosen by is another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Places in the [`Fleet`].
    pub services: Vec<usize>,
    pub tasks: Rows,
    /// Whether they are all in the fleet's own order: one is found there without a search.
    pub tasks_in_order: bool,
    /// How many tasks there would be without their filter: their pane keeps that height while
    /// a filter is typed.
    pub tasks_in_scope: usize,
    /// Places in the [`Fleet`].
    pub instances: Vec<usize>,
    pub events: Vec<Arc<Event>>,
    /// What of each list's filter could not be read.
    pub wrong: [Option<String>; PANES],
    pub asked: [Asked; PANES],
}

/// What a page or a question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Service(ServiceKey),
    Task(TaskId),
    Instance(InstanceName),
    Event(Arc<Event>),
    /// All schedules of the cluster shown.
    Schedules,
    Definition(Compared),
    /// Two tasks side by side.
    Replicas(Replicas),
    /// An edited text that was not applied.
    Refused(Arc<Refused>),
}

/// A revision of a task definition, and which one it is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    pub id: TaskDefinitionId,
    /// `None` is the one before it.
    pub with: Option<TaskDefinitionId>,
}

/// What a confirmed question does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Scale(ServiceKey, u32),
    Update(ServiceKey, TaskDefinitionId),
    Restart(ServiceKey),
    /// Back to a definition that it had.
    Rollback(ServiceKey, TaskDefinitionId),
    Rebalance(ServiceKey),
    Delete(ServiceKey),
    Stop(TaskId),
    Drain(InstanceName),
    Activate(InstanceName),
    /// What an edited text asks for.
    Apply(Arc<Change>),
    Quit,
}

impl Act {
    /// The service that it changes, if it changes one.
    pub(crate) fn service(&self) -> Option<&ServiceKey> {
        match self {
            Self::Scale(key, _)
            | Self::Update(key, _)
            | Self::Restart(key)
            | Self::Rollback(key, _)
            | Self::Rebalance(key)
            | Self::Delete(key) => Some(key),
            Self::Apply(change) => change.service.as_ref(),
            Self::Stop(_) | Self::Drain(_) | Self::Activate(_) | Self::Quit => None,
        }
    }

    /// The name of what it is about.
    pub(crate) fn thing(&self) -> String {
        match (self.service(), self) {
            (Some(key), _) => key.1.to_string(),
            (None, Self::Stop(task)) => task.short(),
            (None, Self::Drain(name) | Self::Activate(name)) => name.to_string(),
            (None, Self::Apply(change)) => change.thing(),
            (None, _) => String::new(),
        }
    }

    /// The text that asks for it, if an edited one does.
    pub(crate) fn edited(&self) -> Option<&EditAsk> {
        match self {
            Self::Apply(change) => Some(&change.ask),
            _ => None,
        }
    }
}

/// What is chosen from a list of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Revision(ServiceKey),
    /// What a revision is compared with.
    Compared(TaskDefinitionId),
    /// What a task is put beside.
    Replica(TaskId),
    Cluster,
    /// From when on logs are read.
    Since,
    /// The fields of JSON lines that have a column of their own.
    Columns,
    /// What of something is copied.
    Copy(Source),
}

/// What lies over the panes; the last one has the keys.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    Details {
        subject: Subject,
        top: usize,
        /// What is asked about the page's subject again and again, and with which number.
        explaining: Option<(Ticket, About)>,
        /// Only the lines that pass are shown.
        narrow: Narrow,
    },
    Logs(Box<LogPage>),
    /// What lies where, as blocks.
    Map(MapPage),
    /// What happened: [`Model::timeline`] outlives it, to step through the past by it.
    Timeline,
    /// What a service's or an instance's tasks use.
    Stats(StatsPage),
    Help {
        top: usize,
        narrow: Narrow,
    },
    /// Asks for a service's new desired count.
    Number {
        service: ServiceKey,
        input: String,
    },
    Picker {
        choice: Choice,
        typed: String,
        selected: String,
    },
    /// Finds what can be done or gone to.
    Palette(Box<Palette>),
    /// Asks before something is changed, with the plan of it.
    Confirm(Box<Proposal>),
    /// Asks what to run in which container.
    Shell(ShellPrompt),
    /// Says something that must be read: esc alone leads on, every other key is dead.
    Notice(Notice),
}

/// Something that must be read before any key means anything again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub title: String,
    /// A paragraph each.
    pub words: Vec<String>,
}

/// Everything the console knows.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) options: TuiOptions,
    pub(crate) size: (u16, u16),
    /// This machine's time at the last event.
    pub(crate) now: TimeMs,
    pub(crate) snapshot: Arc<Snapshot>,
    /// This machine's time when the snapshot came.
    pub(crate) received: TimeMs,
    pub(crate) standing: Standing,
    pub(crate) cluster_view: ClusterView,
    pub(crate) clusters: Clusters,
    pub(crate) fleet: Fleet,
    pub(crate) focus: Pane,
    /// The list that the tasks shown belong to: services or instances.
    pub(crate) driver: Pane,
    pub(crate) all_tasks: bool,
    pub(crate) services: List<ServiceKey>,
    pub(crate) tasks: List<TaskId>,
    /// The task whose row was last gone to by hand: only that one is stayed at from elsewhere.
    pub(crate) chosen_task: Option<TaskId>,
    pub(crate) instances: List<InstanceName>,
    pub(crate) events: List<Arc<Event>>,
    pub(crate) filters: [String; PANES],
    /// Whether the focused list's filter is being typed.
    pub(crate) filtering: bool,
    pub(crate) sorting: Sorting,
    pub(crate) marks: Marks,
    pub(crate) shown: Shown,
    pub(crate) links: Links,
    pub(crate) layers: Vec<Layer>,
    /// Pages that were left, to come back to; the one left last is the last.
    pub(crate) left: Vec<Subject>,
    pub(crate) toasts: Toasts,
    /// What tasks use, as far as it was sampled.
    pub(crate) usage: Usage,
    /// What the health checks of the task on the screen said, as far as it was read.
    pub(crate) checks: Checks,
    /// Why what the page is about is where it is, or why that is not to be had.
    pub(crate) explained: Option<(About, Result<Box<Explanation>, String>)>,
    pub(crate) progress: Progress,
    pub(crate) timeline: Timeline,
    /// The past, while that is what is shown.
    pub(crate) past: Option<Past>,
    /// Which past is asked for, and right after which happening that is.
    pub(crate) looking: Option<(Ticket, u64)>,
    /// How log lines are shown.
    pub(crate) log_looks: Looks,
    /// What the stowage map's blocks are sized by.
    pub(crate) measure: Measure,
    /// How it looked when it was left, until there is a picture to look so at.
    pub(crate) restoring: Option<Box<View>>,
    /// The cluster it showed when it was left.
    pub(crate) kept_cluster: Option<ClusterName>,
    /// Whether the mouse is taken; else it is the terminal's.
    pub(crate) mouse: bool,
    /// The last click, to tell a double one.
    pub(crate) clicked: Option<Click>,
    /// Commands that were sent and not answered yet.
    pub(crate) waiting: u32,
    pub(crate) tickets: Ticket,
    pub(crate) quit: bool,
}

/// One sample a container, or why there is none.
pub(crate) type StatsResult = Result<Vec<(ContainerName, StatsSample)>, String>;

impl Model {
    /// A console of that size before its first picture.
    #[must_use]
    pub fn new(options: TuiOptions, size: (u16, u16), now: TimeMs) -> Self {
        Self {
            cluster_view: options.cluster_view.clone(),
            clusters: Clusters::default(),
            log_looks: Looks::default(),
            measure: Measure::default(),
            restoring: None,
            kept_cluster: None,
            mouse: options.mouse,
            clicked: None,
            toasts: Toasts::opening(options.notice.as_deref(), now),
            options,
            size,
            now,
            snapshot: Arc::default(),
            received: now,
            standing: Standing::Carrying,
            fleet: Fleet::default(),
            focus: Pane::Services,
            driver: Pane::Services,
            all_tasks: false,
            services: List::default(),
            tasks: List::default(),
            chosen_task: None,
            instances: List::default(),
            events: List::default(),
            filters: Default::default(),
            filtering: false,
            sorting: Sorting::default(),
            marks: Marks::default(),
            shown: Shown::default(),
            links: Links::default(),
            layers: Vec::new(),
            left: Vec::new(),
            usage: Usage::default(),
            checks: Checks::default(),
            explained: None,
            progress: Progress::default(),
            timeline: Timeline::default(),
            past: None,
            looking: None,
            waiting: 0,
            tickets: 0,
            quit: false,
        }
    }

    /// Shows everything in other colours and signs from now on.
    pub fn set_theme(&mut self, theme: Theme) {
        self.options.theme = theme;
    }

    /// Looks, with the first picture, as it did when it was left.
    pub fn restore(&mut self, view: View) {
        self.kept_cluster = view.cluster.clone();
        self.restoring = Some(Box::new(view));
    }

    /// How it looks, for the next time.
    #[must_use]
    pub fn view(&self) -> View {
        match &self.restoring {
            // It never came to look as it did: that is not forgotten for it.
            Some(view) => View::clone(view),
            None => View::of(self),
        }
    }

    /// Whether the console is to be closed.
    #[must_use]
    pub fn has_quit(&self) -> bool {
        self.quit
    }

    /// The earliest moment, in this machine's time, at which a notice goes away, or a sample or a
    /// health log is due.
    #[must_use]
    pub fn wakes_at(&self) -> Option<TimeMs> {
        let toasts = self.toasts.iter().map(|toast| toast.until);
        let due = self.usage.wakes_at.into_iter().chain(self.checks.wakes_at);
        toasts.chain(due).min()
    }

    /// The control plane's time: its clock need not be this machine's.
    pub(crate) fn plane_time(&self, now: TimeMs) -> TimeMs {
        match self.past {
            // Ages are those of that moment.
            Some(_) => self.snapshot.at,
            None => self.snapshot.at.plus_ms(now.since_ms(self.received)),
        }
    }

    /// The newest picture, whatever is shown.
    pub(crate) fn present(&self) -> &Snapshot {
        match &self.past {
            Some(past) => &past.present,
            None => &self.snapshot,
        }
    }

    /// Whether the control plane does not answer: what is shown is what was.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.standing, Standing::Lost { .. })
    }

    /// Whether the fleet is a simulated one.
    pub(crate) fn is_simulated(&self) -> bool {
        self.options.simulated || self.present().holder.simulated
    }

    /// Whether this very process carries the scheduler.
    pub(crate) fn carries(&self) -> bool {
        let holder = &self.present().holder;
        !holder.role.is_empty() && holder.pid == self.options.pid
    }

    /// The control plane's time at the last event.
    pub(crate) fn moment(&self) -> TimeMs {
        self.plane_time(self.now)
    }

    /// Where everything is on the screen.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let most = self.fleet.services.len().max(self.fleet.instances.len());
        Layout::new(self.size, self.focus, most, self.shown.tasks_in_scope)
    }

    /// Whether a list shows which row is selected: the focused one does, and the one whose
    /// tasks are shown.
    pub(crate) fn marks(&self, pane: Pane) -> bool {
        self.focus == pane || (self.driver == pane && !self.all_tasks)
    }

    /// What the keys mean now; `None` while text is being typed.
    pub(crate) fn place(&self) -> Option<Places> {
        match self.layers.last() {
            None if self.filtering => None,
            None => Some(self.focus.place()),
            Some(Layer::Details { narrow, .. } | Layer::Help { narrow, .. }) if narrow.typing => {
                None
            }
            Some(Layer::Details { subject, .. }) => Some(match subject {
                Subject::Service(_) => Places::DETAILS.and(Places::SERVICE_PAGE),
                Subject::Task(_) => Places::DETAILS.and(Places::TASK_PAGE),
                Subject::Instance(_) => Places::DETAILS.and(Places::INSTANCE_PAGE),
                Subject::Definition(_) => Places::DETAILS.and(Places::DEFINITION_PAGE),
                Subject::Replicas(_) => Places::DETAILS.and(Places::REPLICAS),
                Subject::Refused(_) => Places::DETAILS.and(Places::REFUSED),
                Subject::Event(_) | Subject::Schedules => Places::DETAILS,
            }),
            Some(Layer::Logs(page)) => page.typing.is_none().then_some(Places::LOGS),
            Some(Layer::Map(_)) => Some(Places::MAP),
            Some(Layer::Timeline) => (!self.timeline.typing).then_some(Places::TIMELINE),
            Some(Layer::Help { .. }) => Some(Places::HELP),
            Some(Layer::Confirm(proposal)) => {
                let wanted = proposal.wanted_name(&self.snapshot.state);
                wanted.is_none().then_some(Places::CONFIRM)
            }
            Some(Layer::Stats(_)) => Some(Places::STATS),
            Some(
                Layer::Number { .. }
                | Layer::Picker { .. }
                | Layer::Palette(_)
                | Layer::Shell(_)
                | Layer::Notice(_),
            ) => None,
        }
    }

    /// The logs that lie over everything but a question, and what there is room for on them.
    pub(crate) fn logs_on_top(&self) -> Option<(&LogPage, Sight)> {
        let body = self.layout()?.body;
        self.layers.iter().rev().find_map(|layer| match layer {
            Layer::Logs(page) => Some((page.as_ref(), page.sight(body.width, body.height))),
            _ => None,
        })
    }
}
