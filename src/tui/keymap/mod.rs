//! Which key does what, as data: the handler, the footer and the help are all made from it.

mod table;

pub(crate) use table::KEYS;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    NextPane,
    PreviousPane,
    /// Focuses the pane of that index.
    Pane(usize),
    Open,
    Logs,
    Shell,
    Stats,
    Order,
    Scale,
    Update,
    Restart,
    Rollback,
    Rebalance,
    Stop,
    Drain,
    Delete,
    /// Opens the service or the task definition in the operator's editor.
    Edit,
    /// Goes on with an edited text.
    EditAgain,
    Filter,
    /// Marks the selected row, to be changed with others.
    Mark,
    MarkAll,
    /// Sorts by the next column.
    Sort,
    ReverseSort,
    AllTasks,
    Cluster,
    Schedules,
    Map,
    Measure,
    Timeline,
    ZoomIn,
    ZoomOut,
    /// The happening before, or after, while the past is looked at.
    Earlier,
    Later,
    Fault,
    Wrap,
    Follow,
    Search,
    Since,
    Stamps,
    Fields,
    Columns,
    Save,
    NextMatch,
    PreviousMatch,
    /// Lets go of what narrows the view, or of the page.
    LetGo,
    Help,
    /// Opens the page about the task definition.
    Definition,
    OlderRevision,
    NewerRevision,
    Compare,
    /// Two tasks side by side, or another one beside the first.
    Against,
    /// Only what differs between two tasks, or everything.
    OnlyDifferent,
    Palette,
    /// Takes the mouse, or leaves it to the terminal.
    Mouse,
    /// Copies what is most wanted of the selected thing, by the terminal.
    Copy,
    /// Chooses what of it is copied.
    CopyOther,
    /// Opens again what was left last.
    Forward,
    Back,
    /// Back, by the key beside that of forward.
    Backward,
    Yes,
    No,
    /// Does what the question says without a plan.
    Blind,
    Quit,
}

/// Where a key means something. A set: one bit a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places(u32);

impl Places {
    pub(crate) const SERVICES: Self = Self(1);
    pub(crate) const TASKS: Self = Self(1 << 1);
    pub(crate) const INSTANCES: Self = Self(1 << 2);
    pub(crate) const EVENTS: Self = Self(1 << 3);
    pub(crate) const DETAILS: Self = Self(1 << 4);
    pub(crate) const LOGS: Self = Self(1 << 5);
    pub(crate) const HELP: Self = Self(1 << 6);
    pub(crate) const CONFIRM: Self = Self(1 << 7);
    /// The service or task that a details page is about takes the same keys as its row.
    pub(crate) const SERVICE_PAGE: Self = Self(1 << 8);
    pub(crate) const TASK_PAGE: Self = Self(1 << 9);
    pub(crate) const INSTANCE_PAGE: Self = Self(1 << 10);

    /// The stowage map.
    pub(crate) const MAP: Self = Self(1 << 11);
    /// What tasks use, over time.
    pub(crate) const STATS: Self = Self(1 << 15);
    /// What happened.
    pub(crate) const TIMELINE: Self = Self(1 << 13);

    pub(crate) const PANES: Self = Self(0b1111);
    const PAGES: Self = Self(0b1010_1000_0111_0000);

    /// A revision of a task definition.
    pub(crate) const DEFINITION_PAGE: Self = Self(1 << 12);

    /// Two tasks side by side.
    pub(crate) const REPLICAS: Self = Self(1 << 14);

    /// An edited text that was not applied.
    pub(crate) const REFUSED: Self = Self(1 << 16);

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Both places at once.
    pub(crate) const fn and(self, other: Self) -> Self {
        self.or(other)
    }

    /// Whether there is a place that both have.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One line of the keymap.
pub(crate) struct Binding {
    /// Where it counts.
    pub places: Places,
    /// The keys, by name.
    pub keys: &'static [&'static str],
    /// What they do.
    pub action: Action,
    /// Its word in the footer; empty if it is not shown there.
    pub foot: &'static str,
    /// What the help says.
    pub help: &'static str,
    /// Whether it changes the fleet (not offered in a read-only console).
    pub changes: bool,
    /// Whether it is for simulated fleets only.
    pub simulated: bool,
}

const fn key(
    places: Places,
    keys: &'static [&'static str],
    action: Action,
    foot: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        places,
        keys,
        action,
        foot,
        help,
        changes: false,
        simulated: false,
    }
}

const fn change(
    places: Places,
    keys: &'static [&'static str],
    action: Action,
    foot: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        changes: true,
        ..key(places, keys, action, foot, help)
    }
}

/// How soon the footer of a place offers an action, the lowest first: what is most at hand for what
/// is selected there. Within one rank the table's order holds.
pub(crate) fn rank(place: Places, action: Action) -> u8 {
    use Action as A;
    // A page says what it is about at once; a list is searched first.
    if action == A::Filter && place.has(Places::DETAILS) {
        return u8::MAX;
    }
    let own: &[Action] = if place.has(Places::TASKS.and(Places::TASK_PAGE)) {
        &[
            A::Open,
            A::Logs,
            A::Stop,
            A::Shell,
            A::Against,
            A::Stats,
            A::Filter,
            A::Definition,
        ]
    } else if place.has(Places::SERVICES.and(Places::SERVICE_PAGE)) {
        &[
            A::Open,
            A::Logs,
            A::Scale,
            A::Update,
            A::Restart,
            A::Filter,
            A::Stats,
            A::Rollback,
        ]
    } else if place.has(Places::INSTANCES.and(Places::INSTANCE_PAGE)) {
        &[
            A::Open,
            A::Logs,
            A::Drain,
            A::Fault,
            A::Filter,
            A::Stats,
            A::Map,
        ]
    } else {
        &[]
    };
    let at = own.iter().position(|it| *it == action);
    u8::try_from(at.unwrap_or(own.len())).unwrap_or(u8::MAX)
}

/// Whether an action is done to all that is marked in the list of that place.
pub(crate) fn is_for_marked(place: Places, action: Action) -> bool {
    use Action as A;
    match action {
        A::Mark | A::MarkAll | A::Back | A::Filter | A::Help | A::Quit | A::Palette => true,
        A::Stop => place.has(Places::TASKS),
        A::Drain | A::Fault => place.has(Places::INSTANCES),
        A::Restart | A::Rollback | A::Rebalance | A::Delete => {
            place.has(Places::SERVICES.and(Places::TASKS))
        }
        _ => false,
    }
}

/// Whether an action changes the fleet.
pub(crate) fn changes(action: Action) -> bool {
    KEYS.iter().any(|b| b.action == action && b.changes)
}

/// Which part of the help a binding belongs to.
pub(crate) fn chapters() -> [(&'static str, Places); 9] {
    [
        ("Everywhere in the fleet", Places::PANES),
        ("In details and help", Places::DETAILS),
        ("On a task definition", Places::DEFINITION_PAGE),
        ("On the page of figures", Places::STATS),
        ("On two tasks side by side", Places::REPLICAS),
        ("On the stowage map", Places::MAP),
        ("On the timeline", Places::TIMELINE),
        ("In logs", Places::LOGS),
        ("At a question", Places::CONFIRM),
    ]
}

#[cfg(test)]
mod tests;
