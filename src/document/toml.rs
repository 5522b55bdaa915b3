//! TOML, parsed with places by the `toml` crate.

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults};
use super::node::{Entry, Kind, Node};

/// The value of a TOML text, or all that is wrong with it.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, Faults> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults = Faults::default();
    faults.extend(errors.iter().map(|error| {
        let span = error.span().unwrap_or(0..0);
        let (what, expected) = split(error.message());
        let fault = Fault::at(file, text, span, what);
        match expected {
            Some(expected) => fault.expected(expected),
            None => fault,
        }
    }));
    let mut reader = Reader {
        file,
        text,
        faults: &mut faults,
    };
    let span = table.span();
    let root = Node {
        kind: reader.table(table.get_ref()),
        span,
    };
    faults.or(root)
}

/// The parser's message in two: what is wrong, and what was expected.
fn split(message: &str) -> (String, Option<String>) {
    match message.split_once(", expected ") {
        Some((what, expected)) => (what.to_owned(), Some(expected.to_owned())),
        None => (message.to_owned(), None),
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Kind {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().clone().into_owned(),
                key_span: key.span(),
                value: self.value(value),
            })
            .collect();
        // The parser sorts by key; people read top to bottom.
        entries.sort_by_key(|entry| entry.key_span.start);
        Kind::Object(entries)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let kind = match value.get_ref() {
            DeValue::String(text) => Kind::String(text.clone().into_owned()),
            DeValue::Boolean(value) => Kind::Bool(*value),
            DeValue::Datetime(moment) => Kind::String(moment.to_string()),
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(value) => Kind::Number(value.into()),
                    Err(_) => self.refuse(&span, "a number that does not fit into 64 bits"),
                }
            }
            DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Kind::Number(number),
                None => self.refuse(&span, "a number that is not finite"),
            },
            DeValue::Array(items) => {
                Kind::Array(items.iter().map(|item| self.value(item)).collect())
            }
            DeValue::Table(table) => self.table(table),
        };
        Node { span, kind }
    }

    fn refuse(&mut self, span: &std::ops::Range<usize>, what: &str) -> Kind {
        self.faults
            .push(Fault::at(self.file, self.text, span.clone(), what));
        Kind::Null
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Path};

    #[test]
    fn every_value_knows_its_place() {
        let text = "[[service]]\nserviceName = \"web\"\n[[service]]\ndesiredCount = 3\n";
        let document = Document::parse("f.toml", text).unwrap();
        let path: Path = "service[1].desiredCount".parse().unwrap();
        let node = document.root().at(&path).unwrap();
        assert_eq!(&text[node.span.clone()], "3");
        let entry = document.root().at(&"service[0]".parse().unwrap()).unwrap();
        assert_eq!(&text[entry.entries()[0].key_span.clone()], "serviceName");
        assert_eq!(
            document.to_value(),
            serde_json::json!({"service": [{"serviceName": "web"}, {"desiredCount": 3}]})
        );
    }

    #[test]
    fn a_deep_text_is_refused_with_a_message() {
        let lists = format!("a = {}", "[".repeat(100_000));
        let tables = format!("a = {}", "{a=".repeat(100_000));
        let key = format!("{} = 1", vec!["a"; 100_000].join("."));
        let header = format!("[{}]", vec!["a"; 100_000].join("."));
        let headers = format!("[[{}]]", vec!["a"; 100_000].join("."));
        for text in [lists, tables, key, header, headers] {
            let faults = Document::parse("f.toml", &text).unwrap_err();
            let told = faults.to_string();
            assert!(
                told.len() < 256 * 1024 && !told.is_empty(),
                "{}",
                told.len()
            );
        }
    }

    #[test]
    fn every_fault_of_the_text_is_told_at_once() {
        let text = "a = 1\na = 2\nb = \nc = inf\n";
        let faults = Document::parse("f.toml", text).unwrap_err();
        let lines: Vec<usize> = faults.0.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4], "{faults}");
    }
}
