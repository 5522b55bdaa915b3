//! The stowage map: zones as bays, instances as holds, tasks as blocks.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::model::{InstanceStatus, LaunchType, Resources, ServiceName};

use super::super::fleet::{InstanceRow, Mood, Stage, TaskRow};
use super::super::ghosts::Ghost;
use super::super::hit::Target;
use super::super::layout::Layout;
use super::super::map::{self, Block, Cargo, Chart, GUTTER, MapPage, Measure};
use super::super::text::{self, count};
use super::livery::{self, Dress};
use super::theme::{Colours, pip, sign};
use super::{Screen, grid, header, instances, page, places};

/// Columns of the words that some services are not in the legend.
const MORE_COLUMNS: usize = 11;

/// From this width on the legend's samples are three cells wide.
const ROOMY: u16 = 100;

/// Which line of a block is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Whose it is.
    Label,
    /// How much it takes.
    Amount,
    Plain,
}

/// What drawing the map has at hand.
struct Map<'a> {
    screen: &'a Screen<'a>,
    page: &'a MapPage,
    chart: Chart,
    dresses: BTreeMap<ServiceName, Dress>,
    /// Where bays are drawn; rows beyond it are not.
    area: Rect,
}

pub(super) fn draw(screen: &Screen<'_>, page: &MapPage, layout: &Layout, buffer: &mut Buffer) {
    let fleet = &screen.model.fleet;
    let area = map::area(layout.body);
    let map = Map {
        screen,
        page,
        chart: Chart::new(fleet, &screen.model.clusters, page.measure, area),
        dresses: livery::dresses(fleet, &screen.theme),
        area,
    };
    let last = map.chart.rows().saturating_sub(usize::from(area.height));
    let position = match (page.top, last) {
        (_, 0) => String::new(),
        (0, _) => "more below".to_owned(),
        (top, last) if top >= last => "end".to_owned(),
        (top, last) => format!("{}%", top * 100 / last),
    };
    let plan = match (fleet.ghosts.is_empty(), page.planned) {
        (false, _) => " · with the plan",
        (true, true) => " · the plan is being made anew",
        (true, false) => "",
    };
    let title = format!("Stowage map · {}{plan}", page.measure.word());
    page::title(screen, &title, &position, layout.body, buffer);
    if fleet.instances.is_empty() {
        let words = "No instance in this cluster. Name one in the config: [[instance]].";
        super::empty(screen, area, words, buffer);
    }
    for bay in 0..map.chart.bays.len() {
        map.bay(bay, buffer);
    }
    let bottom = Rect {
        y: layout.body.bottom().saturating_sub(1),
        height: 1,
        ..layout.body
    };
    map.legend(bottom, buffer);
    if screen.model.is_stale() {
        header::detail(screen, layout.detail, buffer);
    } else {
        let (mood, words) = map.sentence();
        header::say(screen, mood, &words, layout.detail, buffer);
    }
}

impl Map<'_> {
    /// The line on the screen of a row of the chart, if it is there.
    fn line(&self, row: usize) -> Option<u16> {
        let at = u16::try_from(row.checked_sub(self.page.top)?).ok()?;
        (at < self.area.height).then_some(self.area.y + at)
    }

    /// Draws the part of a bay that is on the screen.
    fn bay(&self, at: usize, buffer: &mut Buffer) {
        let chart = &self.chart;
        let bay = &chart.bays[at];
        let column = u16::try_from(at % chart.across).unwrap_or(0);
        let x = self.area.x + column * (chart.columns + GUTTER);
        let first = chart.row(at, 0);
        if let Some(y) = self.line(first - 1) {
            self.bay_title(at, Rect::new(x, y, chart.columns, 1), buffer);
        }
        let rows = chart.shape.rows();
        let skip = self.page.top.saturating_sub(first) / rows;
        let shown = usize::from(self.area.height) / rows + 2;
        let holds = bay.holds.iter().enumerate().skip(skip).take(shown);
        for (n, hold) in holds {
            if let Some(row) = self.screen.model.fleet.instances.get(*hold) {
                self.hold(row, x, first + n * rows, buffer);
            }
        }
    }

    fn bay_title(&self, at: usize, area: Rect, buffer: &mut Buffer) {
        let theme = self.screen.theme;
        let bay = &self.chart.bays[at];
        let measure = self.page.measure;
        let (mut used, mut all) = (0_u64, 0_u64);
        for hold in &bay.holds {
            if let Some(row) = self.screen.model.fleet.instances.get(*hold) {
                used = used.saturating_add(measure.of(&row.used));
                all = all.saturating_add(measure.of(&row.instance.capacity));
            }
        }
        let zone = match bay.zone.as_str() {
            "" => "no zone",
            zone => zone,
        };
        let name = format!("{}{zone}", places::prefix(self.screen, &bay.cluster));
        let (fares, style) = match self.screen.model.clusters.lost_with(&bay.cluster) {
            Some(_) => ("REGION LOST".to_owned(), theme.mood(Mood::Bad)),
            None => (share(used, all), theme.dim()),
        };
        let mut instances = format!("{} · ", count(bay.holds.len() as u64, "instance"));
        let said = [&name, &instances, &fares].map(|it| text::width(it));
        if said.iter().sum::<usize>() + 3 > usize::from(area.width) {
            instances.clear();
        }
        let mut line = Line::from(vec![
            Span::styled(format!("{name}  "), theme.strong()),
            Span::styled(instances, theme.dim()),
            Span::styled(format!("{fares} "), style),
        ]);
        let rule = usize::from(area.width).saturating_sub(line.width());
        line.push_span(Span::styled("─".repeat(rule), theme.rule()));
        grid::put(buffer, area.x, area.y, &line, area.width);
    }

    /// Draws an instance whose first row is `top`.
    fn hold(&self, row: &InstanceRow, x: u16, top: usize, buffer: &mut Buffer) {
        let chart = &self.chart;
        let theme = self.screen.theme;
        let instance = &row.instance;
        let here = self.page.host.as_ref() == Some(&instance.name);
        let all = self.page.measure.of(&instance.capacity);
        let used = self.page.measure.of(&row.used);
        let unknown = if instance.is_connected() { "" } else { "?" };
        let percent = format!("{}{unknown}", share(used, all));
        let (mark, name) = match here {
            true => ("▸", theme.accent()),
            false => (" ", theme.strong()),
        };
        let mut head = vec![
            Span::styled(mark, theme.accent()),
            Span::styled(sign(row.mood), theme.mood(row.mood)),
            Span::raw(" "),
        ];
        let cells = chart.cells(row, self.page.measure);
        let (bar_x, bar_top) = if chart.shape.name == 0 {
            let columns = chart.name_columns;
            let short = text::cut(instance.name.as_str(), columns);
            head.push(Span::styled(format!("{short:<columns$} "), name));
            (x + u16::try_from(columns + 4).unwrap_or(0), top)
        } else {
            head.push(Span::styled(instance.name.to_string(), name));
            if row.mood != Mood::Calm {
                let state = instances::state(self.screen, instance);
                head.push(Span::styled(format!(" {state}"), theme.mood(row.mood)));
            }
            let tasks = count(u64::from(row.tally.live()), "task");
            let mut more = format!("  {percent} of {}", amount(self.page.measure, all));
            let taken: usize = head.iter().map(Span::width).sum();
            if taken + text::width(&more) + text::width(&tasks) + 3 <= usize::from(chart.columns) {
                more.push_str(&format!(" · {tasks}"));
            }
            head.push(Span::styled(more, theme.dim()));
            (x + 2, top + chart.shape.name)
        };
        if let Some(y) = self.line(top) {
            let first = || Target::Block(instance.name.clone(), 0);
            self.screen.hit(Rect::new(x, y, chart.columns, 1), first);
            grid::put(buffer, x, y, &Line::from(head), chart.columns);
            if chart.shape.name == 0 {
                let after = bar_x + u16::try_from(cells + 1).unwrap_or(0);
                let room = (x + chart.columns).saturating_sub(after);
                let percent = Line::from(Span::styled(percent, theme.dim()));
                grid::put(buffer, after, y, &percent, room);
            }
        }
        let blocks = map::blocks(&self.screen.model.fleet, row, self.page.measure);
        let widths = map::spread(&blocks, cells, if here { self.page.at } else { 0 });
        for n in 0..chart.shape.bar {
            let Some(y) = self.line(bar_top + n) else {
                continue;
            };
            let part = match n.checked_sub(chart.shape.bar / 2) {
                Some(0) => Part::Label,
                Some(1) => Part::Amount,
                _ => Part::Plain,
            };
            let mut left = bar_x;
            for (at, (block, width)) in blocks.iter().zip(&widths).enumerate() {
                let columns = u16::try_from(*width).unwrap_or(0);
                let area = Rect::new(left, y, columns, 1);
                let name = &instance.name;
                self.screen.hit(area, || Target::Block(name.clone(), at));
                self.block(row, block, area, part, buffer);
                if here && at == self.page.at {
                    self.cursor(area, buffer);
                }
                left += columns;
            }
        }
    }

    /// Draws one line of a block.
    fn block(&self, row: &InstanceRow, block: &Block, area: Rect, part: Part, buffer: &mut Buffer) {
        let theme = self.screen.theme;
        let width = usize::from(area.width);
        if width == 0 {
            return;
        }
        let ghosts = self.screen.model.fleet.ghosts.on(&row.instance.name);
        if let Cargo::Ghost(at) = block.cargo {
            if let Some(ghost) = ghosts.get(at) {
                self.ghost(ghost, block, area, part, buffer);
            }
            return;
        }
        let fill = match block.cargo {
            Cargo::Task(_) | Cargo::Ghost(_) => "",
            Cargo::Foreign => "▒",
            Cargo::Reserved => "░",
            Cargo::Free => "·",
        };
        let task = match block.cargo {
            Cargo::Task(id) => self.screen.model.fleet.task(id),
            _ => None,
        };
        let Some(task) = task else {
            let style = match block.cargo {
                Cargo::Free => theme.rule(),
                _ => theme.dim(),
            };
            buffer.set_string(area.x, area.y, fill.repeat(width), style);
            return;
        };
        let dress = self.dress(task);
        let leaves = self.screen.model.fleet.ghosts.stops(task.task.id);
        let solid = row.instance.is_connected() && !leaves;
        let (solid, edge) = styles(self.screen, task, dress, solid);
        let colourless = theme.colours == Colours::None;
        // Blocks of one service side by side stay apart.
        let inner = if width > 1 { width - 1 } else { width };
        let filling = match (leaves, colourless) {
            (true, _) => '╱',
            (false, true) => dress.letter,
            (false, false) => ' ',
        };
        let body: String = std::iter::repeat_n(filling, inner).collect();
        buffer.set_string(area.x, area.y, body, solid);
        // A single cell has room for its letter or for its edge.
        if width > 1 || part != Part::Label {
            let (end, style) = match colourless || edge.fg.is_none() {
                true => ("▏", solid),
                false => ("▉", edge),
            };
            buffer.set_string(area.x + area.width - 1, area.y, end, style);
        }
        if part == Part::Amount {
            let words = amount(self.page.measure, block.amount);
            if text::width(&words) <= inner {
                buffer.set_string(area.x, area.y, words, solid);
            }
        }
        if part != Part::Label {
            return;
        }
        let mut x = area.x;
        let mut room = inner;
        if leaves || task.stage != Stage::Running {
            let (sign, mood) = match leaves {
                true => ("✕", Mood::Warn),
                false => pip(task.stage),
            };
            let style = match solid.bg {
                Some(_) if task.stage == Stage::Unhealthy => theme.badge(Color::LightRed),
                Some(bg) => theme.mood(mood).bg(bg),
                None => theme.mood(mood),
            };
            buffer.set_string(x, area.y, sign, style);
            x += 1;
            room -= 1;
        }
        let label = label(task);
        let words = if text::width(label) <= room {
            label.to_owned()
        } else if room > 0 {
            dress.letter.to_string()
        } else {
            String::new()
        };
        buffer.set_string(x, area.y, words, solid);
    }

    /// Draws one line of a task that would start: an outline, filled by nothing yet.
    fn ghost(&self, ghost: &Ghost, block: &Block, area: Rect, part: Part, buffer: &mut Buffer) {
        let theme = self.screen.theme;
        let width = usize::from(area.width);
        let dress = ghost
            .service
            .as_ref()
            .and_then(|it| self.dresses.get(&it.1));
        let dress = dress.copied().unwrap_or(livery::BY_HAND);
        let style = match theme.colours {
            Colours::None => theme.strong(),
            _ => Style::new().fg(dress.colour).add_modifier(Modifier::BOLD),
        };
        let inner = if width > 1 { width - 1 } else { width };
        buffer.set_string(area.x, area.y, "╌".repeat(inner), style);
        if width > 1 {
            buffer.set_string(area.right() - 1, area.y, "│", style);
        }
        let named = format!("+{}", ghost.subject);
        let words = match part {
            Part::Label if text::width(&named) <= inner => named,
            Part::Label if inner > 1 => format!("+{}", dress.letter),
            Part::Label => "+".to_owned(),
            Part::Amount => amount(self.page.measure, block.amount),
            Part::Plain => String::new(),
        };
        if text::width(&words) <= inner {
            buffer.set_string(area.x, area.y, words, style);
        }
    }

    /// Marks what is under the cursor.
    fn cursor(&self, area: Rect, buffer: &mut Buffer) {
        if !self.screen.theme.is_rich() {
            let style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
            buffer.set_style(area, style);
            return;
        }
        for position in area.intersection(buffer.area).positions() {
            let cell = &mut buffer[position];
            if matches!(cell.symbol(), "▉" | "▏") {
                cell.set_symbol(" ");
            }
            cell.set_style(self.screen.theme.cursor());
        }
    }

    fn dress(&self, row: &TaskRow) -> Dress {
        let service = match row.task.launch_type {
            // Whose it is does not concern the host.
            LaunchType::Fargate => None,
            LaunchType::Ec2 => row.task.service.as_ref(),
        };
        let dress = service.and_then(|name| self.dresses.get(name));
        dress.copied().unwrap_or(livery::BY_HAND)
    }

    /// What stands for what, those about the cursor first should there be too many.
    fn legend(&self, area: Rect, buffer: &mut Buffer) {
        let theme = self.screen.theme;
        let entry = |sample: Span<'static>, name: &str| {
            vec![sample, Span::styled(format!(" {name}  "), theme.dim())]
        };
        let fixed = [
            (Span::styled("▒", theme.dim()), "others"),
            (Span::styled("░", theme.dim()), "reserved"),
            (Span::styled("·", theme.rule()), "free"),
        ];
        let mut fixed = fixed.map(|(sample, name)| entry(sample, name)).concat();
        if !self.screen.model.fleet.ghosts.is_empty() {
            let starts = entry(Span::styled("+╌", theme.strong()), "would start");
            let stops = entry(Span::styled("╱╱", theme.strong()), "would stop");
            fixed = [starts, stops, fixed].concat();
        }
        let own = self.task().and_then(|row| row.task.service.clone());
        let rows = self.screen.model.fleet.services.iter();
        let live = rows.filter(|row| row.tally.live() > 0);
        let aboard: BTreeSet<&ServiceName> = live.map(|row| &row.service.name).collect();
        let all = self
            .dresses
            .iter()
            .filter(|(name, _)| aboard.contains(name));
        let all: Vec<(&ServiceName, &Dress)> = all.collect();
        let services = all.iter().map(|(name, dress)| {
            let style = match theme.colours {
                Colours::None => theme.strong(),
                _ => theme.block(dress.colour),
            };
            let sample = match area.width {
                0..ROOMY => dress.letter.to_string(),
                _ => format!(" {} ", dress.letter),
            };
            let sample = Span::styled(sample, style);
            entry(sample, name.as_str())
        });
        let services: Vec<Vec<Span<'static>>> = services.collect();
        let width = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
        let sum = |some: &[Vec<Span<'_>>]| some.iter().map(|spans| width(spans)).sum::<usize>();
        let more = |n: usize| Span::styled(format!("+{n} more  "), theme.dim());
        let room = usize::from(area.width.saturating_sub(2)).saturating_sub(width(&fixed));
        // Room for the words that some are left out, should some be.
        let room = match sum(&services) > room {
            true => room.saturating_sub(MORE_COLUMNS),
            false => room,
        };
        let at = own.and_then(|own| all.iter().position(|(name, _)| **name == own));
        let mut first = at.unwrap_or(0);
        while first > 0 && sum(&services[first - 1..]) <= room {
            first -= 1;
        }
        let mut line = Vec::new();
        let mut left = room;
        let mut shown = 0;
        for spans in services.iter().skip(first) {
            let Some(rest) = left.checked_sub(width(spans)) else {
                break;
            };
            left = rest;
            shown += 1;
            line.extend(spans.iter().cloned());
        }
        if shown < services.len() {
            line.push(more(services.len() - shown));
        }
        line.extend(fixed);
        grid::put(
            buffer,
            area.x + 1,
            area.y,
            &Line::from(line),
            area.width - 2,
        );
    }

    /// The task under the cursor.
    fn task(&self) -> Option<&TaskRow> {
        let fleet = &self.screen.model.fleet;
        let row = fleet.instance(self.page.host.as_ref()?)?;
        let mut same = row
            .live()
            .filter(|row| Some(Cargo::Task(row.task.id)) == self.page.cargo);
        same.next()
    }

    /// What there is to say about the block under the cursor.
    fn sentence(&self) -> (Mood, String) {
        let fleet = &self.screen.model.fleet;
        let host = self
            .page
            .host
            .as_ref()
            .and_then(|name| fleet.instance(name));
        let Some(row) = host else {
            return (Mood::Quiet, String::new());
        };
        let instance = &row.instance;
        let name = &instance.name;
        let ghosts = &fleet.ghosts;
        if let Some(task) = self.task() {
            let about = self.about(task, row);
            return match ghosts.stops(task.task.id) {
                true => (Mood::Warn, format!("would stop: {about}")),
                false => (task.mood, about),
            };
        }
        if let Some(Cargo::Ghost(at)) = self.page.cargo
            && let Some(it) = ghosts.on(name).get(at)
        {
            let (what, size) = (&it.definition, both(&it.resources));
            let words = format!("would start: {what} · {size} · {name} · {}", it.why);
            return (Mood::Busy, words);
        }
        let all = both(&instance.capacity);
        let (mood, words) = match self.page.cargo {
            Some(Cargo::Foreign) => {
                let containers = count(u64::from(instance.foreign_count), "container");
                let words = format!("{containers} of others: {}", both(&instance.foreign));
                (Mood::Calm, words)
            }
            Some(Cargo::Reserved) => {
                let words = format!("kept for the host: {}", both(&instance.reserved));
                (Mood::Calm, words)
            }
            _ => {
                let free = Resources {
                    cpu: instance.capacity.cpu.saturating_sub(row.used.cpu),
                    memory: instance.capacity.memory.saturating_sub(row.used.memory),
                    ..Resources::default()
                };
                (Mood::Calm, format!("free: {} of {all}", both(&free)))
            }
        };
        let state = match (row.mood, instance.status) {
            (Mood::Calm, _) => String::new(),
            (_, InstanceStatus::Draining) if instance.is_connected() => {
                " · DRAINING: takes no tasks".to_owned()
            }
            _ => format!(
                " · {}: as last heard",
                instances::state(self.screen, instance)
            ),
        };
        (row.mood.max(mood), format!("{name} · {words}{state}"))
    }

    fn about(&self, row: &TaskRow, host: &InstanceRow) -> String {
        let task = &row.task;
        let of = match &task.service {
            Some(service) if self.screen.model.clusters.several() => {
                format!("{service} in {}", task.cluster)
            }
            Some(service) => service.to_string(),
            None => format!("{} (run by hand)", task.task_definition.family),
        };
        let state = match row.stage {
            Stage::Running | Stage::Starting | Stage::Stopping | Stage::Stopped => {
                task.last_status.as_str().to_owned()
            }
            stage => format!("{stage:?}").to_uppercase(),
        };
        let since = task.started_at.unwrap_or(task.created_at);
        let mut words = format!(
            "{of} · {} · {state} · {} · for {} · {}",
            task.id.short(),
            both(&task.resources),
            self.screen.age(since),
            task.whereabouts(),
        );
        if !host.instance.is_connected() {
            let state = instances::state(self.screen, &host.instance);
            words.push_str(&format!(" {state}"));
        } else if host.instance.status == InstanceStatus::Draining {
            words.push_str(" DRAINING");
        }
        words
    }
}

/// What is written on a task's block.
fn label(row: &TaskRow) -> &str {
    match (row.task.launch_type, &row.task.service) {
        (LaunchType::Fargate, _) => row.task.launch_type.as_str(),
        (LaunchType::Ec2, Some(service)) => service.as_str(),
        (LaunchType::Ec2, None) => row.task.task_definition.family.as_str(),
    }
}

/// How a task's block is filled, and its edge: solid if it runs, hollow if not (yet, any more,
/// or for all that is known).
fn styles(screen: &Screen<'_>, row: &TaskRow, dress: Dress, connected: bool) -> (Style, Style) {
    let theme = screen.theme;
    let solid = matches!(row.stage, Stage::Running | Stage::Unhealthy);
    let hollow = theme.palette.idle;
    match (theme.colours, connected && solid) {
        (Colours::None, true) => (theme.strong(), Style::new()),
        (Colours::None, false) => (theme.dim(), Style::new()),
        (_, true) => (theme.block(dress.colour), Style::new().fg(dress.colour)),
        (Colours::Basic, false) => {
            let style = Style::new().fg(dress.colour).add_modifier(Modifier::DIM);
            (style, Style::new())
        }
        (_, false) if !connected => (theme.dim().bg(hollow), Style::new().fg(hollow)),
        (_, false) => (
            Style::new().fg(dress.colour).bg(hollow),
            Style::new().fg(hollow),
        ),
    }
}

/// A share in percent; nothing where the whole is not known yet.
fn share(used: u64, all: u64) -> String {
    match all {
        0 => "–".to_owned(),
        all => format!("{}%", used.saturating_mul(100) / all),
    }
}

/// An amount of what blocks are sized by.
fn amount(measure: Measure, n: u64) -> String {
    match measure {
        Measure::Memory => text::mib(n),
        Measure::Cpu => format!("{} vCPU", text::vcpu(n)),
    }
}

fn both(resources: &Resources) -> String {
    let memory = text::mib(resources.memory.0);
    format!("{memory}, {} vCPU", text::vcpu(resources.cpu.0))
}
