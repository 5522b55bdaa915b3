//! JSON lines taken apart into fields.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::{ansi, text};
use super::level::Level;

/// The most fields that are read of one line.
const FIELDS_MAX: usize = 48;
/// How deep objects within objects are taken apart.
const DEPTH_MAX: usize = 3;
/// The most different fields that are offered as columns.
const SEEN_MAX: usize = 64;
/// The widest that a column of a field is drawn.
pub(crate) const WIDTH_MAX: usize = 24;

const LEVELS: [&str; 6] = [
    "level",
    "lvl",
    "severity",
    "levelname",
    "log.level",
    "loglevel",
];
const MESSAGES: [&str; 4] = ["msg", "message", "@message", "event"];
const TIMES: [&str; 7] = [
    "time",
    "ts",
    "timestamp",
    "@timestamp",
    "t",
    "datetime",
    "date",
];

/// A JSON line's fields, in its order, each made harmless.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub level: Option<Level>,
    pub message: Option<String>,
    /// All but the time, the level if it is known and the message.
    pub others: Vec<(String, String)>,
    /// The program's own time, as it wrote it.
    pub time: Option<String>,
}

impl Fields {
    /// The fields of a line that is a JSON object; `None` for every other line.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let line = line.trim();
        if !line.starts_with('{') || !line.ends_with('}') {
            return None;
        }
        let mut flat = Vec::new();
        flatten("", line, 1, &mut flat)?;
        let mut fields = Self::default();
        for (name, value) in flat {
            let lower = name.to_ascii_lowercase();
            let known = |names: &[&str]| names.contains(&lower.as_str());
            let level = known(&LEVELS).then(|| Level::named(&value)).flatten();
            if fields.level.is_none() && level.is_some() {
                fields.level = level;
            } else if fields.message.is_none() && known(&MESSAGES) {
                fields.message = Some(value);
            } else if fields.time.is_none() && known(&TIMES) {
                fields.time = Some(value);
            } else {
                fields.others.push((name, value));
            }
        }
        Some(fields)
    }

    /// What a field says; nothing if the line has none of that name.
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut others = self.others.iter();
        let found = others.find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

/// The fields of an object and of those in it, named `outer.inner`.
fn flatten(prefix: &str, text: &str, depth: usize, out: &mut Vec<(String, String)>) -> Option<()> {
    let object: Object<'_> = serde_json::from_str(text).ok()?;
    for (name, value) in object.0 {
        if out.len() >= FIELDS_MAX {
            break;
        }
        let name = ansi::plain(&name);
        let name = match prefix {
            "" => name.into_owned(),
            prefix => format!("{prefix}.{name}"),
        };
        let raw = value.get();
        let is_object = raw.starts_with('{') && depth < DEPTH_MAX;
        if is_object && flatten(&name, raw, depth + 1, out).is_some() {
            continue;
        }
        let value = match serde_json::from_str::<String>(raw) {
            Ok(text) => ansi::plain(&text).into_owned(),
            Err(_) => ansi::plain(raw).into_owned(),
        };
        out.push((name, value));
    }
    Some(())
}

/// An object's members in their order.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        from.deserialize_map(Members)
    }
}

/// A field that was seen in some line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub name: String,
    /// Columns of the widest value so far, within bounds.
    pub width: usize,
}

/// The fields that were seen, in the order of their coming.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllSeen(Vec<Seen>);

impl AllSeen {
    /// Notes a line's fields.
    pub(crate) fn note(&mut self, fields: &Fields) {
        for (name, value) in &fields.others {
            let width = text::width(value).min(WIDTH_MAX);
            if let Some(seen) = self.0.iter_mut().find(|seen| seen.name == *name) {
                seen.width = seen.width.max(width);
            } else if self.0.len() < SEEN_MAX && name.len() <= WIDTH_MAX {
                self.0.push(Seen {
                    name: name.clone(),
                    width: width.max(text::width(name)),
                });
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter()
    }

    pub(crate) fn width(&self, name: &str) -> usize {
        let found = self.0.iter().find(|seen| seen.name == name);
        found.map_or_else(|| text::width(name), |seen| seen.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_taken_apart_in_its_order() {
        let text = r#" {"ts":"12:00","level":"warn","b":1.50,"msg":"slow \"query\"","a":{"c":[1],"d":null}} "#;
        let fields = Fields::of_line(text).unwrap();
        assert_eq!(fields.level, Some(Level::Warn));
        assert_eq!(fields.message.as_deref(), Some("slow \"query\""));
        assert_eq!(fields.time.as_deref(), Some("12:00"));
        let others: Vec<_> = fields
            .others
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(others, ["b=1.50", "a.c=[1]", "a.d=null"]);
        assert_eq!(fields.value("A.C"), "[1]");
        assert_eq!(fields.value("x"), "");
    }

    #[test]
    fn levels_are_names_or_numbers_and_others_stay_fields() {
        let level = |text: &str| Fields::of_line(text).unwrap().level;
        assert_eq!(level(r#"{"level":50}"#), Some(Level::Error));
        assert_eq!(level(r#"{"log":{"level":"DEBUG"}}"#), Some(Level::Debug));
        let odd = Fields::of_line(r#"{"level":"verbose"}"#).unwrap();
        assert_eq!(odd.value("level"), "verbose");
    }

    #[test]
    fn what_is_no_object_is_left_alone_and_escapes_are_harmless() {
        for text in ["", "{", "{}x", "[1]", "{\"a\":}", "plain"] {
            assert_eq!(Fields::of_line(text), None, "{text}");
        }
        let evil = Fields::of_line(r#"{"msg":"\u001b]52;c;eA==\u0007\u0000ok","\u001b[2Jk":"\r"}"#);
        let evil = evil.unwrap();
        assert_eq!(evil.message.as_deref(), Some("?ok"));
        assert_eq!(evil.others, [("k".to_owned(), String::new())]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let many: Vec<_> = (0..500).map(|n| format!("\"f{n}\":{n}")).collect();
        let fields = Fields::of_line(&format!("{{{}}}", many.join(","))).unwrap();
        assert_eq!(fields.others.len(), FIELDS_MAX);
        let mut seen = AllSeen::default();
        for n in 0..1_000 {
            let fields = Fields::of_line(&format!("{{\"g{n}\":\"{}\"}}", "x".repeat(n))).unwrap();
            seen.note(&fields);
        }
        assert_eq!(seen.iter().count(), SEEN_MAX);
        assert!(seen.iter().all(|seen| seen.width <= WIDTH_MAX));
    }
}
