//! Every binding: places, keys, what they do, and its words in the footer and in the help.

use super::{Action, Binding, Places, change, key};

type P = Places;
const OF_SERVICE: P = P::SERVICES.or(P::TASKS).or(P::SERVICE_PAGE);
const OF_TASK: P = P::TASKS.or(P::TASK_PAGE).or(P::STATS);
/// Where something with figures of its own is selected.
const OF_FIGURES: P = P::SERVICES
    .or(P::TASKS)
    .or(P::INSTANCES)
    .or(P::SERVICE_PAGE)
    .or(P::TASK_PAGE)
    .or(P::INSTANCE_PAGE);
const OF_INSTANCE: P = P::INSTANCES.or(P::INSTANCE_PAGE);
const WITH_LOGS: P = P::SERVICES
    .or(P::TASKS)
    .or(P::SERVICE_PAGE)
    .or(P::TASK_PAGE)
    .or(OF_INSTANCE)
    .or(P::EVENTS)
    .or(P::MAP)
    .or(P::TIMELINE)
    .or(P::STATS);
/// Where left and right mean something; `l` is for logs there, too.
const SIDEWAYS: P = P::LOGS.or(P::MAP).or(P::TIMELINE);
/// Where the past can be looked at and stepped through.
const SHOWN_THEN: P = P::PANES.or(P::DETAILS).or(P::MAP);
/// The lists with columns.
const LISTS: P = P::SERVICES.or(P::TASKS).or(P::INSTANCES);
const EVERYWHERE: P = P::PANES.or(P::PAGES);
/// Where something is selected or shown that has a name to copy.
const COPIES: P = P::PANES
    .or(P::DETAILS)
    .or(P::LOGS)
    .or(P::MAP)
    .or(P::TIMELINE)
    .or(P::STATS);
/// Where lines scroll.
const SCROLLS: P = EVERYWHERE.or(P::CONFIRM);

/// Every binding, in the order in which the footer offers and the help lists them. The first
/// that fits a key and a place counts. Nothing is on ctrl-a, b, d or k: those belong to tmux,
/// screen and the shell.
pub(crate) const KEYS: &[Binding] = &[
    key(
        P::CONFIRM,
        &["enter", "y"],
        Action::Yes,
        "do it",
        "do what the question says: exactly the plan it shows",
    ),
    key(
        P::CONFIRM,
        &["n", "esc", "q"],
        Action::No,
        "leave it",
        "leave everything as it is",
    ),
    key(
        P::CONFIRM,
        &["w"],
        Action::Blind,
        "",
        "do it without a plan, where none is to be had",
    ),
    key(
        P::TIMELINE,
        &["enter"],
        Action::Open,
        "the fleet then",
        "show the whole fleet as it was right after this",
    ),
    key(
        P::TIMELINE,
        &["+", "="],
        Action::ZoomIn,
        "zoom in",
        "show less of the time",
    ),
    key(
        P::TIMELINE,
        &["-"],
        Action::ZoomOut,
        "zoom out",
        "show more of the time",
    ),
    key(
        P::TIMELINE,
        &["/"],
        Action::Filter,
        "filter",
        "filter by words, kind:exit, service:web, severity:warning",
    ),
    key(
        P::PANES.or(P::MAP).or(P::STATS),
        &["enter"],
        Action::Open,
        "details",
        "details of the selected thing",
    ),
    key(
        P::STATS,
        &["o"],
        Action::Order,
        "order",
        "order by task, cpu, memory, network or disk",
    ),
    key(
        WITH_LOGS,
        &["l"],
        Action::Logs,
        "logs",
        "logs of the service, the task or all on the instance, live; of an event: around it",
    ),
    key(
        P::CONFIRM,
        &["m"],
        Action::Map,
        "map",
        "the stowage map with what the plan starts and stops",
    ),
    change(
        OF_SERVICE,
        &["s"],
        Action::Scale,
        "scale",
        "scale the service",
    ),
    change(
        OF_SERVICE,
        &["u"],
        Action::Update,
        "update",
        "update the service to another revision",
    ),
    change(
        OF_SERVICE,
        &["r"],
        Action::Restart,
        "restart",
        "restart the service: replace every task",
    ),
    change(
        OF_SERVICE,
        &["R"],
        Action::Rollback,
        "rollback",
        "roll the service back to what last completed",
    ),
    change(
        OF_SERVICE,
        &["b"],
        Action::Rebalance,
        "balance",
        "balance the service's zones: move tasks to emptier ones",
    ),
    change(OF_TASK, &["x", "S"], Action::Stop, "stop", "stop the task"),
    change(
        OF_TASK,
        &["!"],
        Action::Shell,
        "shell",
        "a shell in one of the task's containers",
    ),
    change(
        OF_INSTANCE,
        &["d"],
        Action::Drain,
        "drain",
        "drain the instance, or activate it again",
    ),
    Binding {
        changes: true,
        simulated: true,
        ..key(
            OF_INSTANCE,
            &["f"],
            Action::Fault,
            "fail/mend",
            "fail or mend the instance (simulated fleets)",
        )
    },
    change(
        OF_SERVICE,
        &["D"],
        Action::Delete,
        "delete",
        "delete the service and stop its tasks",
    ),
    change(
        OF_SERVICE.or(P::TASK_PAGE).or(P::DEFINITION_PAGE),
        &["e"],
        Action::Edit,
        "",
        "edit: the service, or the task definition, in $EDITOR; the difference is shown first",
    ),
    change(
        P::REFUSED,
        &["e"],
        Action::EditAgain,
        "edit again",
        "edit again what you had typed",
    ),
    change(
        P::CONFIRM,
        &["e"],
        Action::EditAgain,
        "",
        "edit again what you had typed",
    ),
    key(
        P::LOGS,
        &["/"],
        Action::Search,
        "search",
        "search as you type: words, or /regex/",
    ),
    key(
        P::LOGS,
        &["n"],
        Action::NextMatch,
        "",
        "to the next line that has it",
    ),
    key(
        P::LOGS,
        &["N"],
        Action::PreviousMatch,
        "",
        "to the line before that has it",
    ),
    key(
        P::LOGS,
        &["&"],
        Action::Filter,
        "filter",
        "only some lines: words, !word, level:warn, status:502, /regex/",
    ),
    key(
        P::LOGS,
        &["f", "space"],
        Action::Follow,
        "follow",
        "follow the end, or hold still",
    ),
    key(
        OF_SERVICE.or(P::TASK_PAGE),
        &["v"],
        Action::Definition,
        "revisions",
        "the task definition: its revisions, and what differs",
    ),
    key(
        OF_TASK,
        &["="],
        Action::Against,
        "compare",
        "the task beside another of its service: what differs",
    ),
    key(
        P::REPLICAS,
        &["=", "tab"],
        Action::Against,
        "another",
        "compare with another task",
    ),
    key(
        P::REPLICAS,
        &["d"],
        Action::OnlyDifferent,
        "only what differs",
        "only what differs, or everything",
    ),
    key(
        P::DEFINITION_PAGE,
        &["left", "h"],
        Action::OlderRevision,
        "older",
        "the revision before",
    ),
    key(
        P::DEFINITION_PAGE,
        &["right", "l"],
        Action::NewerRevision,
        "newer",
        "the revision after",
    ),
    key(
        P::DEFINITION_PAGE,
        &["c"],
        Action::Compare,
        "compare with",
        "compare with another revision",
    ),
    key(
        P::LOGS,
        &["S"],
        Action::Since,
        "since",
        "choose from when on: minutes, hours, everything",
    ),
    key(
        P::LOGS,
        &["t"],
        Action::Stamps,
        "times",
        "clock times, dates and times, or none",
    ),
    key(
        P::LOGS,
        &["w"],
        Action::Wrap,
        "wrap",
        "wrap long lines, or cut them",
    ),
    key(
        P::LOGS,
        &["s"],
        Action::Save,
        "save",
        "save the lines that pass the filter in a file",
    ),
    key(
        P::LOGS,
        &["J"],
        Action::Fields,
        "json",
        "JSON lines as fields, or as they are",
    ),
    key(
        P::LOGS,
        &["C"],
        Action::Columns,
        "columns",
        "choose the fields that have a column of their own",
    ),
    key(
        P::PANES,
        &["/"],
        Action::Filter,
        "filter",
        "filter: every word must occur; !word, state:lost, /regex/",
    ),
    key(
        LISTS,
        &["o"],
        Action::Sort,
        "sort",
        "sort by the next column; after the last as it was",
    ),
    key(
        LISTS,
        &["O"],
        Action::ReverseSort,
        "",
        "turn the order round",
    ),
    key(
        LISTS,
        &["space"],
        Action::Mark,
        "mark",
        "mark the row; what changes things is then done to all marked",
    ),
    key(
        LISTS,
        &["V"],
        Action::MarkAll,
        "",
        "mark all rows that pass the filter, or none",
    ),
    key(
        P::PANES,
        &["a"],
        Action::AllTasks,
        "all tasks",
        "all tasks, or those of the selected service or instance",
    ),
    key(
        P::PANES,
        &["tab"],
        Action::NextPane,
        "next pane",
        "next pane",
    ),
    key(
        P::PANES,
        &["backtab"],
        Action::PreviousPane,
        "",
        "previous pane",
    ),
    key(EVERYWHERE, &["1"], Action::Pane(0), "", "to the services"),
    key(EVERYWHERE, &["2"], Action::Pane(1), "", "to the tasks"),
    key(EVERYWHERE, &["3"], Action::Pane(2), "", "to the instances"),
    key(EVERYWHERE, &["4"], Action::Pane(3), "", "to the events"),
    key(
        P::PANES,
        &["c"],
        Action::Cluster,
        "",
        "choose a cluster, or all of them",
    ),
    key(
        P::PANES,
        &["t"],
        Action::Schedules,
        "",
        "schedules: what runs at which times, and what came of it",
    ),
    key(
        P::PANES,
        &["m"],
        Action::Map,
        "map",
        "the stowage map: what lies where, and what is free",
    ),
    key(
        P::PANES,
        &["H"],
        Action::Timeline,
        "history",
        "the timeline: what happened, and the fleet as it was at any moment",
    ),
    key(
        SHOWN_THEN,
        &["<"],
        Action::Earlier,
        "",
        "in the past: as it was at the happening before",
    ),
    key(
        SHOWN_THEN,
        &[">"],
        Action::Later,
        "",
        "in the past: as it was at the next happening",
    ),
    key(
        OF_FIGURES,
        &["%"],
        Action::Stats,
        "figures",
        "figures: cpu, memory, network and disk of the tasks, live",
    ),
    key(
        P::MAP,
        &["z"],
        Action::Measure,
        "memory/cpu",
        "size blocks by memory, or by cpu",
    ),
    key(
        COPIES,
        &["y"],
        Action::Copy,
        "",
        "copy: the id or name of what is selected, the event, the log lines",
    ),
    key(
        COPIES,
        &["Y"],
        Action::CopyOther,
        "",
        "choose what to copy: ARN, addresses, image digests, the qd command",
    ),
    key(SCROLLS, &["j", "down"], Action::Down, "", "down"),
    key(SCROLLS, &["k", "up"], Action::Up, "", "up"),
    key(SCROLLS, &["pgdn"], Action::PageDown, "", "a page down"),
    key(SCROLLS, &["pgup"], Action::PageUp, "", "a page up"),
    key(SCROLLS, &["g", "home"], Action::Top, "", "to the top"),
    key(SCROLLS, &["G", "end"], Action::Bottom, "", "to the end"),
    key(SIDEWAYS, &["h", "left"], Action::Left, "", "to the left"),
    key(SIDEWAYS, &["right"], Action::Right, "", "to the right"),
    key(
        P::PANES,
        &["esc"],
        Action::Back,
        "",
        "let go of the marks, then of the filter, then of the other lists' filters",
    ),
    key(
        P::LOGS,
        &["esc"],
        Action::LetGo,
        "",
        "let go of the search, then of the filter; then back",
    ),
    key(P::LOGS, &["q"], Action::Back, "back", "back"),
    key(
        P::PAGES.without(P::LOGS),
        &["esc", "q"],
        Action::Back,
        "back",
        "back",
    ),
    key(
        P::PAGES,
        &["[", "alt-left"],
        Action::Backward,
        "",
        "back to where you came from",
    ),
    key(
        EVERYWHERE,
        &["]", "alt-right"],
        Action::Forward,
        "",
        "forward again to the page you left",
    ),
    key(
        P::DETAILS.or(P::HELP),
        &["/"],
        Action::Filter,
        "filter",
        "only the lines that have it: words, !word, /regex/",
    ),
    key(
        EVERYWHERE,
        &[":"],
        Action::Palette,
        "find",
        "find an action or a thing by a few letters: drain h3",
    ),
    key(
        EVERYWHERE,
        &["M"],
        Action::Mouse,
        "",
        "mouse off, so that the terminal selects text; or on again",
    ),
    key(EVERYWHERE, &["?"], Action::Help, "help", "this help"),
    key(P::PANES, &["q"], Action::Quit, "quit", "quit the console"),
    key(
        EVERYWHERE,
        &["ctrl-c"],
        Action::Quit,
        "",
        "quit the console",
    ),
];
