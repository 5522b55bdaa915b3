//! Prometheus's text format, version 0.0.4.

use std::fmt::Write as _;

use crate::controller::meters::Reading;

/// What `Content-Type` says of it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page(String);

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, and begins at 0 with every control plane.
    Counter,
}

/// One family of figures, under one name.
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Page {
    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }

    /// Begins a family.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        self.head(name, word, help);
        Family { page: self, name }
    }

    /// A family of one figure.
    #[allow(clippy::cast_precision_loss)] // 2^53 of anything is out of reach here
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: u64) {
        self.family(name, kind, help).put(&[], value as f64);
    }

    /// A histogram.
    #[allow(clippy::cast_precision_loss)]
    pub fn histogram(&mut self, name: &'static str, help: &str, reading: &Reading) {
        self.head(name, "histogram", help);
        for (bound, count) in &reading.buckets {
            self.line(
                &format!("{name}_bucket"),
                &[("le", &bound.to_string())],
                *count as f64,
            );
        }
        let count = reading.count as f64;
        self.line(&format!("{name}_bucket"), &[("le", "+Inf")], count);
        self.line(&format!("{name}_sum"), &[], reading.sum_s);
        self.line(&format!("{name}_count"), &[], count);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing into a text does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        let mut sign = '{';
        for (label, value) in labels {
            self.0.push(sign);
            sign = ',';
            self.0.push_str(label);
            self.0.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

impl Family<'_> {
    /// One figure of it.
    pub fn put(&mut self, labels: &[(&str, &str)], value: f64) {
        self.page.line(self.name, labels, value);
    }

    /// One that is counted.
    #[allow(clippy::cast_precision_loss)]
    pub fn count(&mut self, labels: &[(&str, &str)], value: u64) {
        self.put(labels, value as f64);
    }
}
