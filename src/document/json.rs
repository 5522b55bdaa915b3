//! JSON with places. serde_json judges the text; a walk over what it accepted finds the places.

use std::collections::HashSet;

use serde_json::{Number, Value};

use super::fault::{Fault, Faults};
use super::node::{Entry, Kind, Node};

/// The value of a JSON text, or all that is wrong with it. serde_json bounds the depth to 128.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, Faults> {
    if let Err(error) = serde_json::from_str::<Value>(text) {
        return Err(refusal(file, text, &error).into());
    }
    let mut walk = Walk {
        file,
        text,
        at: 0,
        faults: Faults::default(),
    };
    let root = walk.value();
    walk.faults.or(root)
}

fn refusal(file: &str, text: &str, error: &serde_json::Error) -> Fault {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    // serde_json counts bytes and points behind the last one it read.
    let at = line_start + error.column().saturating_sub(1);
    let message = error.to_string();
    let what = message
        .split_once(" at line ")
        .map_or(message.as_str(), |(what, _)| what);
    Fault::at(file, text, at..at + 1, format!("this is not JSON: {what}"))
}

/// Goes over a text that is known to be JSON.
struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    at: usize,
    faults: Faults,
}

impl Walk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Steps over this byte if it is the next one.
    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.byte() == Some(wanted);
        if found {
            self.at += 1;
        }
        found
    }

    fn value(&mut self) -> Node {
        let first = self.byte();
        let start = self.at;
        let kind = match first {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Kind::String(self.string()),
            _ => self.word(),
        };
        Node {
            span: start..self.at,
            kind,
        }
    }

    fn object(&mut self) -> Kind {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys = HashSet::new();
        while self.byte() == Some(b'"') {
            let start = self.at;
            let key = self.string();
            let key_span = start..self.at;
            self.eat(b':');
            let value = self.value();
            if !keys.insert(key.clone()) && self.faults.has_room() {
                let what = format!("\"{key}\" is given twice");
                self.faults
                    .push(Fault::at(self.file, self.text, key_span.clone(), what));
            }
            entries.push(Entry {
                key,
                key_span,
                value,
            });
            self.eat(b',');
        }
        self.eat(b'}');
        Kind::Object(entries)
    }

    fn array(&mut self) -> Kind {
        self.at += 1;
        let mut items = Vec::new();
        while !matches!(self.byte(), Some(b']') | None) {
            items.push(self.value());
            self.eat(b',');
        }
        self.eat(b']');
        Kind::Array(items)
    }

    fn string(&mut self) -> String {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        match serde_json::from_str(&self.text[start..self.at]) {
            Ok(text) => text,
            Err(error) => {
                let fault = Fault::at(self.file, self.text, start..self.at, error.to_string());
                self.faults.push(fault);
                String::new()
            }
        }
    }

    /// `null`, `true`, `false` or a number.
    fn word(&mut self) -> Kind {
        let start = self.at;
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b",]}".contains(byte);
        while self.text.as_bytes().get(self.at).is_some_and(|b| !ends(b)) {
            self.at += 1;
        }
        match &self.text[start..self.at] {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            number => match serde_json::from_str::<Number>(number) {
                Ok(number) => Kind::Number(number),
                Err(error) => {
                    let fault = Fault::at(self.file, self.text, start..self.at, error.to_string());
                    self.faults.push(fault);
                    Kind::Null
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;
    use serde_json::{Value, json};

    #[test]
    fn the_walk_finds_what_serde_json_finds() {
        let text = r#" { "a" : [ 1 , -2.5e3, true, null, {} , [] ], "b\"\u00e9" : "x\\\"y" } "#;
        let document = Document::parse("f.json", text).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(document.to_value(), value);
        let node = document.root().at(&"a[1]".parse().unwrap()).unwrap();
        assert_eq!(&text[node.span.clone()], "-2.5e3");
        assert_eq!(document.root().entries()[1].key, "b\"é");
    }

    #[test]
    fn a_broken_text_is_pointed_at() {
        let faults = Document::parse("f.json", "{\n  \"cpu\": 1\n  \"memory\": 2\n}").unwrap_err();
        assert_eq!(
            faults.to_string(),
            "f.json:3:3: this is not JSON: expected `,` or `}`\n  3 |   \"memory\": 2\n    |   ^"
        );
    }

    #[test]
    fn a_key_given_twice_is_a_fault() {
        let faults = Document::parse("f.json", r#"{"cpu": 1, "cpu": 2}"#).unwrap_err();
        assert_eq!(
            faults.0[0].headline(),
            "f.json:1:12: \"cpu\" is given twice"
        );
    }

    #[test]
    fn a_deep_or_crowded_text_is_refused_with_a_message_in_time() {
        let faults = Document::parse("f.json", &"[".repeat(1 << 20)).unwrap_err();
        assert!(faults.to_string().contains("recursion limit"), "{faults}");
        let many = format!("{{{}}}", vec!["\"a\": 1"; 400_000].join(","));
        let faults = Document::parse("f.json", &many).unwrap_err();
        assert_eq!(faults.0.len(), super::super::FAULTS_MAX);
        assert!(faults.to_string().len() < 256 * 1024);
        let many: Vec<String> = (0..200_000).map(|n| format!("\"a{n}\": 1")).collect();
        let document = Document::parse("f.json", &format!("{{{}}}", many.join(","))).unwrap();
        assert_eq!(document.root().entries().len(), 200_000);
    }

    #[test]
    fn a_list_without_a_file_name_is_json_and_a_table_header_is_not() {
        assert_eq!(
            Document::parse("-", "[{\"a\": 1}]").unwrap().to_value(),
            json!([{"a": 1}])
        );
        assert_eq!(
            Document::parse("-", "[[service]]\na = 1")
                .unwrap()
                .to_value(),
            json!({"service": [{"a": 1}]})
        );
    }
}
