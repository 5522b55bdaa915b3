//! What there is to say about one thing: a sentence under the panes, or a page.

use std::collections::BTreeMap;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::client::{About, Explanation};
use crate::model::service::{Backoff, ImagePin};
use crate::model::state::ServiceKey;
use crate::model::tag::Tag;
use crate::model::task::PullProgress;
use crate::model::{
    Connection, Event, Instance, InstanceName, InstanceStatus, RolloutState, Service, Task, TaskId,
};

use crate::scheduler::smallest::Smallest;

use super::super::edit::Refused;
use super::super::fleet::{InstanceRow, Mood, ServiceRow, Stage};
use super::super::progress::Drain;
use super::super::state::{Model, Pane, Subject};
use super::super::text::{self, count};
use super::page::Page;
use super::{Screen, bar, compare, events, places, services, silent};

pub(crate) mod definition;
mod deployments;
mod health;
mod instance;
pub(crate) mod parameters;
pub(crate) mod revisions;
mod schedules;
mod service;
pub(crate) mod task;

/// Columns of the names at the left of a page.
const NAME: usize = 16;
/// Characters of a digest that are shown: `sha256:` and what Docker shows of an id.
const DIGEST: usize = 19;
/// How many instances a page shows the verdicts of.
const VERDICTS: usize = 200;
/// How many events a page shows.
const EVENTS: usize = 30;

/// The page about a subject.
pub(super) fn page(screen: &Screen<'_>, subject: &Subject, columns: u16) -> Page {
    let state = &screen.model.snapshot.state;
    let mut sheet = Sheet {
        screen,
        columns: usize::from(columns.saturating_sub(2)),
        lines: Vec::new(),
    };
    let title = match subject {
        Subject::Service(key) => {
            match state.services.get(key) {
                Some(service) => service::write(&mut sheet, service),
                None => sheet.gone("This service is gone."),
            }
            format!("Service {}", key.1)
        }
        Subject::Task(id) => {
            match state.tasks.get(id) {
                Some(task) => task::write(&mut sheet, task),
                None => sheet.gone("This task was stopped and is forgotten by now."),
            }
            format!("Task {}", id.short())
        }
        Subject::Instance(name) => {
            match state.instances.get(name) {
                Some(instance) => instance::write(&mut sheet, instance),
                None => sheet.gone("This instance is no longer in the config."),
            }
            format!("Instance {name}")
        }
        Subject::Event(event) => {
            sheet.event(event);
            "Event".to_owned()
        }
        Subject::Schedules => {
            schedules::write(&mut sheet);
            format!("Schedules of {}", screen.model.shown_words())
        }
        Subject::Refused(refused) => {
            sheet.refused(refused);
            format!("Not applied: {}", refused.ask.name)
        }
        Subject::Replicas(of) => return compare::page(screen, of, columns),
        Subject::Definition(compared) => {
            revisions::write(&mut sheet, compared);
            format!("Task definition {}", compared.id)
        }
    };
    Page::new(title, sheet.lines)
}

/// Lines of a page being written.
struct Sheet<'a> {
    screen: &'a Screen<'a>,
    columns: usize,
    lines: Vec<Line<'static>>,
}

impl Sheet<'_> {
    fn gone(&mut self, words: &str) {
        let style = self.screen.theme.mood(Mood::Warn);
        self.lines
            .push(Line::from(Span::styled(words.to_owned(), style)));
    }

    /// What is wrong with an edited text, each fault with its line.
    fn refused(&mut self, refused: &Refused) {
        for fault in &refused.why {
            let mut lines = fault.lines();
            let first = lines.next().unwrap_or_default();
            let style = self.screen.theme.mood(Mood::Bad);
            for piece in text::wrap(&text::clean(first), self.columns) {
                self.lines.push(Line::from(Span::styled(piece, style)));
            }
            for line in lines {
                let line = text::clean(line).into_owned();
                self.lines.push(Line::from(line));
            }
            self.lines.push(Line::default());
        }
        let dim = self.screen.theme.dim();
        let words = "What you typed is kept: e edits it again, esc leaves it, ] comes back here.";
        for piece in text::wrap(words, self.columns) {
            self.lines.push(Line::from(Span::styled(piece, dim)));
        }
    }

    /// A heading with an empty line before it.
    fn heading(&mut self, words: impl Into<String>) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        let style = self.screen.theme.accent();
        self.lines
            .push(Line::from(Span::styled(words.into(), style)));
    }

    /// A name and what it stands for, over as many lines as it takes.
    fn field(&mut self, name: &str, value: impl AsRef<str>) {
        self.field_in(name, value, Style::new());
    }

    fn field_in(&mut self, name: &str, value: impl AsRef<str>, style: Style) {
        let value = text::clean(value.as_ref()).into_owned();
        let pieces = text::wrap(&value, self.columns.saturating_sub(NAME + 2));
        for (at, piece) in pieces.into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(format!("  {name:<NAME$}"), self.screen.theme.dim()),
                Span::styled(piece, style),
            ]));
        }
    }

    /// A name, and what was drawn of it, in one line.
    fn figures(&mut self, name: &str, drawn: Vec<Span<'static>>) {
        let mut spans = vec![Span::styled(
            format!("  {name:<NAME$}"),
            self.screen.theme.dim(),
        )];
        spans.extend(drawn);
        self.line(spans);
    }

    /// Tags, if there are any.
    fn tags(&mut self, tags: &[Tag]) {
        if !tags.is_empty() {
            self.field("tags", tag_words(tags));
        }
    }

    /// A line of its own, wrapped, set in by two.
    fn words(&mut self, words: &str, style: Style) {
        let words = text::clean(words).into_owned();
        for piece in text::wrap(&words, self.columns.saturating_sub(2)) {
            self.lines
                .push(Line::from(Span::styled(format!("  {piece}"), style)));
        }
    }

    /// A name, a bar, and how far it has come in words.
    fn progress(&mut self, name: &str, (done, all): (u64, u64), words: &str, mood: Mood) {
        let theme = self.screen.theme;
        let mut spans = vec![Span::styled(format!("  {name:<NAME$}"), theme.dim())];
        spans.extend(bar::bar(theme, done, all, bar::CELLS, mood).spans);
        spans.push(Span::raw(format!("  {}", text::clean(words))));
        self.line(spans);
    }

    fn line(&mut self, spans: Vec<Span<'static>>) {
        self.lines.push(Line::from(spans));
    }

    /// The latest events that are about something.
    fn events(&mut self, about: impl Fn(&Event) -> bool) {
        self.heading("Events, newest first");
        let all = self.screen.model.snapshot.state.events.iter().rev();
        let before = self.lines.len();
        for event in all.filter(|event| about(event)).take(EVENTS) {
            let mut line = events::line(self.screen, event);
            line.spans.insert(0, Span::raw("  "));
            self.lines.push(line);
        }
        if self.lines.len() == before {
            self.words("None kept.", self.screen.theme.dim());
        }
    }

    /// The answer to why, once it is there.
    fn explanation(&self, about: &About) -> Option<&Result<Box<Explanation>, String>> {
        let (of, answer) = self.screen.model.explained.as_ref()?;
        (of == about).then_some(answer)
    }

    /// What would place a task that no instance takes.
    fn smallest(&mut self, smallest: &Smallest) {
        self.heading("The smallest change that would place one");
        self.words(&smallest.sentence, Style::new());
        for command in &smallest.commands {
            self.words(&format!("$ {command}"), self.screen.theme.dim());
        }
    }

    /// What every instance says to one more such task.
    fn verdicts(&mut self, explanation: &Explanation) {
        if explanation.instances.is_empty() {
            return;
        }
        self.heading("What every instance says to one more");
        for verdict in explanation.instances.iter().take(VERDICTS) {
            let (word, style) = if verdict.takes {
                ("takes it: ", Style::new())
            } else {
                ("", self.screen.theme.mood(Mood::Warn))
            };
            let words = format!("{word}{}", verdict.reasons.join("; "));
            self.field_in(&verdict.instance, words, style);
        }
        let more = explanation.instances.len().saturating_sub(VERDICTS);
        if more > 0 {
            let words = format!("And {more} more: qd explain lists them all.");
            self.words(&words, self.screen.theme.dim());
        }
    }

    fn event(&mut self, event: &Event) {
        self.field("when", self.screen.moment(event.at));
        let style = match events::mood(event.severity) {
            Mood::Calm => Style::new(),
            mood => self.screen.theme.mood(mood),
        };
        self.field_in("what", &event.message, style);
        self.field("kind", format!("{:?}", event.kind));
        self.field("cluster", event.cluster.as_str());
        if let Some(service) = &event.service {
            self.field("service", service.as_str());
        }
        if let Some(task) = &event.task {
            self.field("task", task.to_string());
        }
        if let Some(instance) = &event.instance {
            self.field("instance", instance.as_str());
        }
    }
}

/// `team=db, stage=test`.
pub(crate) fn tag_words(tags: &[Tag]) -> String {
    let each = tags.iter().map(|tag| format!("{}={}", tag.key, tag.value));
    each.collect::<Vec<_>>().join(", ")
}

/// A sentence about what is selected in the focused list.
pub(super) fn summary(screen: &Screen<'_>) -> (Mood, String) {
    let model = screen.model;
    let found = match model.focus {
        Pane::Services => {
            let key = model.services.selected.as_ref();
            key.and_then(|key| about_service(screen, key))
        }
        Pane::Tasks => model.tasks.selected.and_then(|id| about_task(screen, id)),
        Pane::Instances => {
            let name = model.instances.selected.as_ref();
            name.and_then(|name| about_instance(screen, name))
        }
        Pane::Events => {
            let event = model.events.selected.as_ref();
            event.map(|e| (events::mood(e.severity), e.message.clone()))
        }
    };
    found.unwrap_or((Mood::Quiet, String::new()))
}

fn about_service(screen: &Screen<'_>, key: &ServiceKey) -> Option<(Mood, String)> {
    let row = screen.model.fleet.service(key)?;
    let service = &row.service;
    let name = &service.name;
    // A column of air on either side, and the name before it.
    let columns = usize::from(screen.model.size.0);
    let room = columns.saturating_sub(text::width(name.as_str()) + 4);
    if let Some(loss) = places::loss_of(screen, &service.cluster, room) {
        return Some((Mood::Bad, format!("{name}: {loss}")));
    }
    if let Some(unplaced) = &service.unplaced {
        let tasks = count(u64::from(unplaced.count), "task");
        let reasons = refusals(service).join("; ");
        return Some((
            Mood::Warn,
            format!("{name}: no place for {tasks}: {reasons}"),
        ));
    }
    let mut parts = Vec::new();
    if let Some(primary) = service.primary()
        && primary.rollout_state != RolloutState::Completed
    {
        let of = &primary.task_definition;
        let reason = &primary.rollout_state_reason;
        parts.push(format!("{of}: {reason}"));
    }
    if service.backoff.until > screen.now {
        let failures = Backoff::in_a_row(service.backoff.failures);
        let next = screen.until(service.backoff.until);
        parts.push(format!("{failures}, next start in {next}"));
    }
    if row.tally.unreachable > 0 {
        parts.push(format!(
            "{} on instances that do not answer: {}",
            count(u64::from(row.tally.unreachable), "task"),
            next_given_up(screen, service)
        ));
    }
    if row.tally.lost > 0 {
        parts.push(format!(
            "{} lost with their instance and replaced",
            count(u64::from(row.tally.lost), "task")
        ));
    }
    parts.push(spread(screen, service));
    Some((row.mood, format!("{name}: {}", parts.join(" · "))))
}

/// What comes of the first of its tasks that nobody hears of.
fn next_given_up(screen: &Screen<'_>, service: &Service) -> String {
    let fleet = &screen.model.fleet;
    let unheard = fleet
        .row_of(service)
        .into_iter()
        .flat_map(ServiceRow::unheard);
    let end = |name| {
        let host = fleet.instance(name);
        host.map(|host| host.instance.given_up_at(service.grace_s))
    };
    let first = unheard.min_by_key(|(name, _)| end(name));
    let first = first.and_then(|(_, task)| fleet.task(task));
    let outlook = first.and_then(|row| silent::outlook(screen, row));
    outlook.unwrap_or_else(|| format!("waited for {} s", service.grace_s))
}

/// Where a service's tasks are, by zone.
fn spread(screen: &Screen<'_>, service: &Service) -> String {
    if let Some(loss) = places::loss_of(screen, &service.cluster, usize::MAX) {
        return loss;
    }
    let row = screen.model.fleet.row_of(service);
    let zones = row.map(|row| &row.zones).filter(|zones| !zones.is_empty());
    let Some(zones) = zones else {
        return "no task is up".to_owned();
    };
    let parts: Vec<String> = zones
        .iter()
        .map(|(zone, n)| match zone.as_str() {
            "" => format!("{n} in no zone"),
            zone => format!("{n} in {zone}"),
        })
        .collect();
    parts.join(", ")
}

/// What an image stands for throughout a deployment.
fn pinned(pin: &ImagePin) -> String {
    match &pin.digest {
        Some(digest) => format!("pinned to {}", short_digest(digest)),
        None => format!("not pinned: {}", pin.reason()),
    }
}

/// As much of a digest as tells it from others.
fn short_digest(digest: &str) -> String {
    digest.chars().take(DIGEST).collect()
}

/// Every reason with the instances that have it, the most frequent first.
fn refusals(service: &Service) -> Vec<String> {
    let refusals = service.unplaced.iter().flat_map(|u| &u.refusals);
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for refusal in refusals {
        for reason in &refusal.reasons {
            let instances = by_reason.entry(reason).or_default();
            instances.push(refusal.instance.as_str());
        }
    }
    if by_reason.is_empty() {
        return vec!["the cluster has no instance".to_owned()];
    }
    let mut list: Vec<_> = by_reason.into_iter().collect();
    list.sort_by_key(|(_, instances)| std::cmp::Reverse(instances.len()));
    let line = |(reason, instances): (&str, Vec<&str>)| match instances.as_slice() {
        [one] => format!("{one}: {reason}"),
        [one, two] => format!("{one}, {two}: {reason}"),
        [one, rest @ ..] => format!("{one} and {} others: {reason}", rest.len()),
        [] => reason.to_owned(),
    };
    list.into_iter().map(line).collect()
}

fn about_task(screen: &Screen<'_>, id: TaskId) -> Option<(Mood, String)> {
    let model = screen.model;
    let row = model.fleet.task(id)?;
    let task = &row.task;
    let name = id.short();
    let words = match (row.stage, silent::outlook(screen, row)) {
        (Stage::Lost | Stage::Unreachable | Stage::Stopping, Some(outlook)) => {
            let heard = silent::since(model, task).map(|at| screen.age_exact(at));
            let heard = heard.unwrap_or_default();
            format!("{name}: {outlook} · what is shown was last heard {heard} ago")
        }
        _ => match (&task.stopped_reason, model.snapshot.live.pulls.get(&id)) {
            (Some(reason), _) => format!("{name}: {reason}{}", container_reasons(task)),
            (None, Some(pull)) => format!(
                "{name}: pulling {}: {}",
                pull.image,
                pulled(model, id, pull)
            ),
            (None, None) => {
                format!("{name}: on {}: {}", task.whereabouts(), task.placement)
            }
        },
    };
    Some((row.mood, words))
}

/// How much of a pull has arrived, and how fast it goes.
fn pulled(model: &Model, task: TaskId, pull: &PullProgress) -> String {
    let (done, all) = (text::bytes(pull.done_bytes), text::bytes(pull.total_bytes));
    let rate = model.progress.pull_rate(task).map(bar::bytes_rate);
    let rate = rate.map_or_else(String::new, |rate| format!(" · {rate}"));
    format!("{done} of {all}{rate}")
}

/// What went wrong in a task's containers.
fn container_reasons(task: &Task) -> String {
    let reasons = task.containers.iter().filter_map(|c| {
        let reason = c.reason.as_ref()?;
        Some(format!(" · {}: {reason}", c.name))
    });
    reasons.collect()
}

fn about_instance(screen: &Screen<'_>, name: &InstanceName) -> Option<(Mood, String)> {
    let row = screen.model.fleet.instance(name)?;
    let instance = &row.instance;
    if let Connection::Disconnected { since, reason } = &instance.connection {
        let since = instance.silent_since().unwrap_or(*since);
        let mut words = format!(
            "{name}: has not answered for {}: {reason}",
            screen.age_exact(since)
        );
        let agent = screen.model.snapshot.live.agents.get(name);
        if let Some(at) = agent.and_then(|a| a.retry_at).filter(|at| *at > screen.now) {
            words.push_str(&format!(" · next attempt in {}", screen.until(at)));
        }
        return Some((row.mood, words));
    }
    let mut words = format!("{name}: {}", tenants(screen, instance));
    if instance.status == InstanceStatus::Draining {
        let drain = drain(screen, instance);
        words.push_str(&format!(" · {} of {} left to drain", drain.left, drain.of));
    }
    if instance.foreign_count > 0 {
        let foreign = count(u64::from(instance.foreign_count), "container");
        words.push_str(&format!(" · {foreign} of others"));
    }
    words.push_str(&format!(
        " · {} vCPU, {} · Docker {}",
        text::vcpu(instance.capacity.cpu.0),
        text::mib(instance.capacity.memory.0),
        instance.docker_version
    ));
    Some((row.mood, words))
}

/// How far an instance's drain has come.
fn drain(screen: &Screen<'_>, instance: &Instance) -> Drain {
    let model = screen.model;
    let row = model.fleet.instance(&instance.name);
    let tasks = row.into_iter().flat_map(InstanceRow::live);
    let left = tasks.filter(|row| row.task.service.is_some());
    let left = u32::try_from(left.count()).unwrap_or(u32::MAX);
    model.progress.drain(&instance.name, left)
}

/// Whose tasks live on an instance: `web ×2, api ×1`.
fn tenants(screen: &Screen<'_>, instance: &Instance) -> String {
    let mut tenants: BTreeMap<&str, u32> = BTreeMap::new();
    let here = screen.model.fleet.instance(&instance.name);
    for row in here.into_iter().flat_map(InstanceRow::live) {
        let of = row.task.service.as_ref();
        *tenants
            .entry(of.map_or("run by hand", |s| s.as_str()))
            .or_default() += 1;
    }
    if tenants.is_empty() {
        return "no tasks".to_owned();
    }
    let list: Vec<String> = tenants.iter().map(|(s, n)| format!("{s} ×{n}")).collect();
    list.join(", ")
}

/// The state of a service in words, with its colour.
fn service_state(screen: &Screen<'_>, service: &Service) -> (String, Style) {
    let row = screen.model.fleet.row_of(service);
    row.map_or_else(Default::default, |row| {
        (services::state(row), screen.theme.mood(row.mood))
    })
}
