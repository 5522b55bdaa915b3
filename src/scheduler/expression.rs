//! The cluster query language of `memberOf` constraints, as far as it speaks of attributes.
//!
//! `attribute:NAME` followed by `==`, `!=`, `=~`, `!~`, `in [..]`, `not_in [..]`, `exists` or
//! `!exists`; joined by `&&`, `||` and `!`, grouped by parentheses. `&&` binds tighter than `||`.
//! A pattern (`=~`) must match the whole value. An instance without the attribute differs from
//! every value: `!=`, `!~` and `not_in` hold for it.

use regex::Regex;

use crate::model::Instance;

/// Groups may nest this deep; deeper ones are refused rather than risking the stack.
const DEPTH_MAX: usize = 32;

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct ExpressionError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What was found there, and what was expected.
    pub message: String,
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expression(Term);

#[derive(Clone, Debug)]
enum Term {
    Test { attribute: String, test: Test },
    Not(Box<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
}

#[derive(Clone, Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    NotMatches(Regex),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    NotExists,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] with the column at which the text stops making sense.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser {
            text: text.chars().collect(),
            at: 0,
            depth: 0,
        };
        let term = parser.any_of()?;
        parser.skip_space();
        if parser.at < parser.text.len() {
            return Err(parser.error("expected '&&', '||' or the end"));
        }
        Ok(Self(term))
    }

    /// Whether the instance meets it.
    #[must_use]
    pub fn matches(&self, instance: &Instance) -> bool {
        self.0.holds(instance)
    }
}

impl Term {
    fn holds(&self, instance: &Instance) -> bool {
        match self {
            Self::Test { attribute, test } => test.holds(instance.attribute(attribute)),
            Self::Not(term) => !term.holds(instance),
            Self::And(terms) => terms.iter().all(|term| term.holds(instance)),
            Self::Or(terms) => terms.iter().any(|term| term.holds(instance)),
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::Equal(wanted) => value == Some(wanted),
            Self::NotEqual(wanted) => value != Some(wanted),
            Self::Matches(pattern) => value.is_some_and(|v| pattern.is_match(v)),
            Self::NotMatches(pattern) => !value.is_some_and(|v| pattern.is_match(v)),
            Self::In(list) => value.is_some_and(|v| list.iter().any(|wanted| wanted == v)),
            Self::NotIn(list) => !value.is_some_and(|v| list.iter().any(|wanted| wanted == v)),
            Self::Exists => value.is_some(),
            Self::NotExists => value.is_none(),
        }
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn error(&self, expected: &str) -> ExpressionError {
        let found = match self.text.get(self.at) {
            Some(c) => format!("found '{c}'"),
            None => "the text ends here".to_owned(),
        };
        self.error_at(self.at, format!("{found}; {expected}"))
    }

    fn error_at(&self, at: usize, message: String) -> ExpressionError {
        ExpressionError {
            column: at + 1,
            message,
        }
    }

    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    /// Takes a sign such as `&&` if it comes next.
    fn take(&mut self, sign: &str) -> bool {
        self.skip_space();
        let length = sign.chars().count();
        let next = self.text.iter().skip(self.at).take(length);
        if next.eq(sign.chars().collect::<Vec<_>>().iter()) {
            self.at += length;
            return true;
        }
        false
    }

    /// Takes a word such as `in` if it comes next and ends there.
    fn take_word(&mut self, word: &str) -> bool {
        let start = self.at;
        if self.take(word) {
            let goes_on = self
                .text
                .get(self.at)
                .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
            if !goes_on {
                return true;
            }
        }
        self.at = start;
        false
    }

    fn any_of(&mut self) -> Result<Term, ExpressionError> {
        let mut terms = vec![self.all_of()?];
        while self.take("||") {
            terms.push(self.all_of()?);
        }
        Ok(match terms.len() {
            1 => terms.remove(0),
            _ => Term::Or(terms),
        })
    }

    fn all_of(&mut self) -> Result<Term, ExpressionError> {
        let mut terms = vec![self.one()?];
        while self.take("&&") {
            terms.push(self.one()?);
        }
        Ok(match terms.len() {
            1 => terms.remove(0),
            _ => Term::And(terms),
        })
    }

    fn one(&mut self) -> Result<Term, ExpressionError> {
        self.skip_space();
        let start = self.at;
        if self.take("!") {
            self.enter(start)?;
            let term = self.one()?;
            self.depth -= 1;
            return Ok(Term::Not(Box::new(term)));
        }
        if self.take("(") {
            self.enter(start)?;
            let term = self.any_of()?;
            if !self.take(")") {
                return Err(self.error("expected ')'"));
            }
            self.depth -= 1;
            return Ok(term);
        }
        self.test()
    }

    fn enter(&mut self, at: usize) -> Result<(), ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error_at(at, format!("more than {DEPTH_MAX} groups in one another")));
        }
        Ok(())
    }

    fn test(&mut self) -> Result<Term, ExpressionError> {
        if !self.take("attribute:") {
            return Err(self.error("expected attribute:NAME, '!' or '('"));
        }
        let start = self.at;
        while self
            .text
            .get(self.at)
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))
        {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("expected the attribute's name"));
        }
        let attribute = self.text.iter().take(self.at).skip(start).collect();
        let test = self.operator()?;
        Ok(Term::Test { attribute, test })
    }

    fn operator(&mut self) -> Result<Test, ExpressionError> {
        if self.take("==") {
            Ok(Test::Equal(self.value()?))
        } else if self.take("!=") {
            Ok(Test::NotEqual(self.value()?))
        } else if self.take("=~") {
            Ok(Test::Matches(self.pattern()?))
        } else if self.take("!~") {
            Ok(Test::NotMatches(self.pattern()?))
        } else if self.take_word("not_in") {
            Ok(Test::NotIn(self.list()?))
        } else if self.take_word("in") {
            Ok(Test::In(self.list()?))
        } else if self.take_word("!exists") {
            Ok(Test::NotExists)
        } else if self.take_word("exists") {
            Ok(Test::Exists)
        } else {
            self.skip_space();
            Err(self.error("expected ==, !=, =~, !~, in, not_in, exists or !exists"))
        }
    }

    fn pattern(&mut self) -> Result<Regex, ExpressionError> {
        self.skip_space();
        let at = self.at;
        let text = self.value()?;
        Regex::new(&format!("^(?:{text})$"))
            .map_err(|_| self.error_at(at, format!("\"{text}\" is not a regular expression")))
    }

    fn list(&mut self) -> Result<Vec<String>, ExpressionError> {
        if !self.take("[") {
            return Err(self.error("expected '[' and a list such as [a, b]"));
        }
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        if !self.take("]") {
            return Err(self.error("expected ',' or ']'"));
        }
        Ok(values)
    }

    /// A value in quotes, or a bare one up to a space, comma, or closing bracket of its own.
    fn value(&mut self) -> Result<String, ExpressionError> {
        self.skip_space();
        let start = self.at;
        if let Some(quote) = self
            .text
            .get(self.at)
            .copied()
            .filter(|c| "'\"".contains(*c))
        {
            self.at += 1;
            let length = self.text.iter().skip(self.at).take_while(|c| **c != quote);
            let value: String = length.collect();
            self.at += value.chars().count() + 1;
            if self.at > self.text.len() {
                return Err(self.error_at(start, format!("the quote {quote} is never closed")));
            }
            return Ok(value);
        }
        let mut open = 0usize;
        while let Some(c) = self.text.get(self.at).copied() {
            match c {
                c if c.is_whitespace() => break,
                '(' | '[' => open += 1,
                ')' | ']' if open > 0 => open -= 1,
                ')' | ']' | ',' if open == 0 => break,
                '&' if self.text.get(self.at + 1) == Some(&'&') => break,
                '|' if open == 0 && self.text.get(self.at + 1) == Some(&'|') => break,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("expected a value"));
        }
        Ok(self.text.iter().take(self.at).skip(start).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::fixture;

    fn instance() -> Instance {
        fixture::instance(
            "ops-1",
            "a",
            1024,
            1024,
            &[("disk", "ssd"), ("size", "m5.large")],
        )
    }

    #[test]
    fn every_operator_and_its_opposite() {
        for (text, holds) in [
            ("attribute:disk == ssd", true),
            ("attribute:disk != ssd", false),
            ("attribute:none != ssd", true),
            ("attribute:size =~ m5.*", true),
            ("attribute:size =~ m5", false),
            ("attribute:size =~ (m4|m5).(large|small)", true),
            ("attribute:size !~ m5.*", false),
            ("attribute:none !~ m5.*", true),
            ("attribute:disk in [hdd, 'ssd']", true),
            ("attribute:disk in [hdd]", false),
            ("attribute:disk not_in [hdd]", true),
            ("attribute:none in [hdd]", false),
            ("attribute:disk exists", true),
            ("attribute:none !exists", true),
            ("attribute:disk !exists", false),
            ("attribute:ecs.availability-zone == a", true),
        ] {
            assert_eq!(
                Expression::parse(text).unwrap().matches(&instance()),
                holds,
                "{text}"
            );
        }
    }

    #[test]
    fn and_binds_tighter_than_or_and_parentheses_group() {
        for (text, holds) in [
            (
                "attribute:disk==ssd || attribute:disk==x && attribute:disk==y",
                true,
            ),
            (
                "(attribute:disk==ssd || attribute:disk==x) && attribute:disk==y",
                false,
            ),
            ("!(attribute:disk == hdd) && !attribute:none exists", true),
            ("attribute:disk==ssd&&attribute:size exists", true),
        ] {
            assert_eq!(
                Expression::parse(text).unwrap().matches(&instance()),
                holds,
                "{text}"
            );
        }
    }

    #[test]
    fn an_error_points_at_its_column() {
        for (text, column) in [
            ("", 1),
            ("disk == ssd", 1),
            ("attribute: == ssd", 11),
            ("attribute:disk = ssd", 16),
            ("attribute:disk ==", 18),
            ("attribute:disk == ssd extra", 23),
            ("(attribute:disk == ssd", 23),
            ("attribute:disk in hdd", 19),
            ("attribute:disk in [hdd", 23),
            ("attribute:disk =~ (", 19),
            ("attribute:disk == 'ssd", 19),
            ("attribute:disk inside [a]", 16),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let text = "(".repeat(100_000);
        assert_eq!(Expression::parse(&text).unwrap_err().column, DEPTH_MAX + 1);
    }
}
