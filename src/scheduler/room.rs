//! Room for tasks that found none: what a service's own stops give back, and which further stops
//! would.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::Deal;
use super::index::Index;
use super::reconcile::{Member, Place};
use super::rollout::{Search, Turn};
use crate::model::Resources;

impl Turn<'_> {
    /// Notes what found no place, by the ways in which it was looked for; `left` is how many could
    /// still start.
    pub(super) fn fall_short(&mut self, ways: Vec<Search>, deal: &Deal, left: u32) {
        let mut rest = left;
        let mut short = Vec::new();
        let mut first = None;
        for (at, way) in ways.into_iter().enumerate() {
            match deal.lack_of_full(at) {
                Some(lack) => {
                    let lack = lack.min(rest);
                    rest -= lack;
                    short.push((way, lack));
                }
                None => first = first.or(Some(way)),
            }
        }
        self.missing = left - rest;
        let mut short = short.into_iter();
        self.search = short.next().map(|(way, _)| way).or(first);
        self.also_short = short.collect();
    }

    /// For tasks that found no place: waits where this service's own stops will make room, makes
    /// room by further stops above the floor, and calls the rest unplaced.
    pub fn make_room(&mut self, index: &mut Index) {
        let Some(search) = self.search.take() else {
            self.unplaced = self.missing;
            return;
        };
        let also = std::mem::take(&mut self.also_short);
        let elsewhere = also.iter().map(|(_, lack)| *lack).sum();
        let here = self.missing.saturating_sub(elsewhere);
        let mut room = Room {
            ceiling: self.ceiling(),
            occupancy: self.occupancy(),
            hopes: Hopes::new(&self.members),
        };
        let mut left = 0;
        for (mut search, lack) in std::iter::once((search, here)).chain(also) {
            let without = self.make_room_in(index, &mut search, &mut room, lack);
            // What is told later is the first way in which something finds none.
            if self.search.is_none() || (left == 0 && without > 0) {
                self.search = Some(search);
            }
            left += without;
        }
        if left > 0 && !self.moves_on() {
            // As many as the ceiling and the floor would allow to start.
            let victims = u32::try_from(self.victims.len()).unwrap_or(u32::MAX);
            let open = room.ceiling.saturating_sub(room.occupancy);
            self.unplaced = left.min(open.saturating_add(victims));
        }
    }

    /// Makes room in one way; gives how many still have none.
    fn make_room_in(
        &mut self,
        index: &mut Index,
        search: &mut Search,
        room: &mut Room,
        missing: u32,
    ) -> u32 {
        for left in (1..=missing).rev() {
            if room.occupancy < room.ceiling && room.hopes.wait(index, search) {
                room.occupancy += 1;
                continue;
            }
            let chosen = self.room_makers(index, search, &room.hopes);
            if chosen.is_empty() {
                return left;
            }
            for victim in chosen {
                self.victims.take(victim);
                self.stop_victim(index, search, victim);
                if let Some(member) = self.members.get(victim) {
                    room.hopes.release(member);
                }
                room.occupancy = room.occupancy.saturating_sub(1);
            }
            if room.hopes.wait(index, search) {
                room.occupancy += 1;
            }
        }
        0
    }

    /// Whether what is under way will let more tasks go, and so make room by itself.
    fn moves_on(&self) -> bool {
        let under_way = |m: &Member<'_>| {
            !m.out_of_reach() && (m.stopping || (m.place == Place::Keeper && !m.serving()))
        };
        let to_go = |m: &Member<'_>| m.wanted() && m.place != Place::Keeper;
        self.members.iter().any(to_go)
            && (!self.starts.is_empty() || self.members.iter().any(under_way))
    }

    /// The fewest victims, on the first instance that then will have room; empty if none has.
    fn room_makers(&self, index: &Index, search: &Search, hopes: &Hopes) -> Vec<usize> {
        let candidates: BTreeSet<usize> = search.ranker.candidates().iter().copied().collect();
        let mut by_node: BTreeMap<usize, (Released, Vec<usize>, usize)> = BTreeMap::new();
        for (victim, serves) in self.victims.iter() {
            let Some(member) = self.members.get(victim) else {
                continue;
            };
            let Some(node) = member.node.filter(|node| candidates.contains(node)) else {
                continue;
            };
            let (released, victims, serving) = by_node.entry(node).or_default();
            *serving += usize::from(serves);
            if *serving > self.victims.budget {
                continue;
            }
            released.add(&member.task.resources);
            victims.push(victim);
            let fewer = u32::try_from(victims.len()).unwrap_or(u32::MAX);
            if hopes.fits(index, search, node, released, fewer) {
                return victims.clone();
            }
        }
        Vec::new()
    }
}

/// What is looked at over all ways while room is made.
struct Room {
    ceiling: u32,
    occupancy: u32,
    hopes: Hopes,
}

/// Resources that stops will give back.
#[derive(Clone, Debug, Default)]
pub(super) struct Released {
    tasks: u32,
    cpu: i128,
    memory: i128,
    named: BTreeMap<String, i128>,
    ports: BTreeSet<crate::model::HostPort>,
}

impl Released {
    pub(super) fn add(&mut self, resources: &Resources) {
        self.tasks += 1;
        self.cpu += i128::from(resources.cpu.0);
        self.memory += i128::from(resources.memory.0);
        for (name, count) in &resources.named {
            *self.named.entry(name.clone()).or_default() += i128::from(*count);
        }
        self.ports.extend(&resources.ports);
    }
}

/// What a service's own stops will give back, and how much of it is spoken for.
pub(super) struct Hopes {
    released: BTreeMap<usize, Released>,
    claimed: BTreeMap<usize, u32>,
}

impl Hopes {
    pub(super) fn new(members: &[Member<'_>]) -> Self {
        let mut hopes = Self {
            released: BTreeMap::new(),
            claimed: BTreeMap::new(),
        };
        for member in members.iter().filter(|m| m.stopping) {
            hopes.release(member);
        }
        hopes
    }

    fn release(&mut self, member: &Member<'_>) {
        if let Some(node) = member.node {
            let released = self.released.entry(node).or_default();
            released.add(&member.task.resources);
        }
    }

    /// Claims room for one task where it will be; false if nowhere.
    fn wait(&mut self, index: &Index, search: &Search) -> bool {
        let none = Released::default();
        let found = search
            .ranker
            .candidates()
            .iter()
            .copied()
            .find(|&node| self.fits(index, search, node, &none, 0));
        if let Some(node) = found {
            *self.claimed.entry(node).or_default() += 1;
        }
        found.is_some()
    }

    /// Whether a node takes one more task once what is stopping, and `also`, has ended.
    pub(super) fn fits(
        &self,
        index: &Index,
        search: &Search,
        at: usize,
        also: &Released,
        fewer: u32,
    ) -> bool {
        let Some(node) = index.nodes.get(at) else {
            return false;
        };
        let ask = &search.ask;
        let none = Released::default();
        let released = self.released.get(&at).unwrap_or(&none);
        let claimed = self.claimed.get(&at).copied().unwrap_or(0);
        let after = |room: u64, used: u64, back: i128, each: u64| {
            i128::from(room) - i128::from(used) + back - i128::from(each) * i128::from(claimed)
        };
        let cpu = after(
            node.room.cpu.0,
            node.used_cpu.0,
            released.cpu + also.cpu,
            ask.resources.cpu.0,
        );
        let memory = after(
            node.room.memory.0,
            node.used_memory.0,
            released.memory + also.memory,
            ask.resources.memory.0,
        );
        let group = search.ranker.group_on(at).saturating_sub(fewer) + claimed;
        let back = |of: &Released, name: &str| of.named.get(name).copied().unwrap_or(0);
        let named = ask.resources.named.iter().all(|(name, each)| {
            let back = back(released, name) + back(also, name);
            let (room, used) = (node.room_named(name), node.used_named(name));
            i128::from(*each) <= after(room, used, back, *each).max(0)
        });
        let ports = &ask.resources.ports;
        let gone = released.tasks.saturating_add(also.tasks);
        named
            && ask.company(node, &search.group, gone, claimed)
            && (!ask.distinct || group == 0)
            && i128::from(ask.resources.cpu.0) <= cpu.max(0)
            && i128::from(ask.resources.memory.0) <= memory.max(0)
            && (ports.is_empty() || claimed == 0)
            && ports.iter().all(|port| {
                !node.ports.contains_key(port)
                    || released.ports.contains(port)
                    || also.ports.contains(port)
            })
    }
}
