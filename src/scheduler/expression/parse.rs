//! From text to terms.

use regex::{Regex, RegexBuilder};

use super::value::time;
use super::why::WHOLE;
use super::{Counted, DEPTH_MAX, EXPRESSION_MAX, ExpressionError, Order, Term, Test};

/// A compiled pattern may be this large, in bytes: enough for any name, too little to do harm.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// So many patterns may stand in one expression: each takes memory for as long as it is in use.
const PATTERNS_MAX: usize = 8;

/// The operators with their words, each longer sign before those that it begins with.
const OPERATORS: &[(Operator, &str, &str)] = &[
    (Operator::Ordered(Order::Equal), "==", "equals"),
    (Operator::NotMatches, "!~", "not_matches"),
    (Operator::Matches, "=~", "matches"),
    (Operator::Ordered(Order::NotEqual), "!=", "not_equals"),
    (
        Operator::Ordered(Order::GreaterEqual),
        ">=",
        "greater_than_equal",
    ),
    (Operator::Ordered(Order::Greater), ">", "greater_than"),
    (Operator::Ordered(Order::LessEqual), "<=", "less_than_equal"),
    (Operator::Ordered(Order::Less), "<", "less_than"),
    (Operator::NotExists, "!exists", "not_exists"),
    (Operator::Exists, "exists", "exists"),
    (Operator::NotIn, "!in", "not_in"),
    (Operator::In, "in", "in"),
];

const ALL: &str = "==, !=, >, >=, <, <=, exists, !exists, in, !in, =~ or !~";
const UNORDERED: &str = "==, !=, exists, !exists, in, !in, =~ or !~";
const TIMES: &str = "==, !=, >, >=, <, <=, exists or !exists";
const COUNTS: &str = "==, !=, >, >=, <, <=, exists, !exists, in or !in";
const SUBJECTS: &str = "attribute:NAME, agentConnected, agentVersion, ec2InstanceId, registeredAt, \
                        runningTasksCount, task:group";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Ordered(Order),
    Exists,
    NotExists,
    In,
    NotIn,
    Matches,
    NotMatches,
}

enum Subject {
    Attribute(String),
    Connected,
    AgentVersion,
    Name,
    RegisteredAt,
    Running,
    Group,
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
    patterns: usize,
}

/// The whole text as one term.
pub(super) fn expression(text: &str) -> Result<Term, ExpressionError> {
    let mut parser = Parser {
        text: text.chars().collect(),
        at: 0,
        depth: 0,
        patterns: 0,
    };
    let length = parser.text.len();
    if length > EXPRESSION_MAX {
        let message = format!("it has {length} characters; {EXPRESSION_MAX} are allowed");
        return Err(parser.error_at(EXPRESSION_MAX, message));
    }
    let term = parser.any_of()?;
    parser.skip_space();
    if parser.at < parser.text.len() {
        return Err(parser.error("expected '&&', '||' or the end"));
    }
    Ok(term)
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
        let next = self.text.iter().skip(self.at).take(length).copied();
        if next.eq(sign.chars()) {
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
                .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
            if !goes_on {
                return true;
            }
        }
        self.at = start;
        false
    }

    fn any_of(&mut self) -> Result<Term, ExpressionError> {
        let mut terms = vec![self.all_of()?];
        while self.take("||") || self.take_word("or") {
            terms.push(self.all_of()?);
        }
        Ok(match terms.len() {
            1 => terms.remove(0),
            _ => Term::Or(terms),
        })
    }

    fn all_of(&mut self) -> Result<Term, ExpressionError> {
        let mut terms = vec![self.one()?];
        while self.take("&&") || self.take_word("and") {
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
        if self.take("!") || self.take_word("not") {
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
        let subject = self.subject()?;
        Ok(match subject {
            Subject::Attribute(name) => Term::Attribute {
                name,
                test: self.text_test(ALL)?,
            },
            Subject::Connected => Term::Connected(self.connected()?),
            Subject::AgentVersion => Term::AgentVersion(self.text_test(ALL)?),
            Subject::Name => Term::Name(self.text_test(UNORDERED)?),
            Subject::RegisteredAt => self.registered_at()?,
            Subject::Running => Term::Running(self.running()?),
            Subject::Group => group(self.text_test(UNORDERED)?),
        })
    }

    fn subject(&mut self) -> Result<Subject, ExpressionError> {
        if self.take("attribute:") {
            let start = self.at;
            let name = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '\\');
            while self.text.get(self.at).is_some_and(name) {
                self.at += 1;
            }
            if self.at == start {
                return Err(self.error("expected the attribute's name"));
            }
            let name = self.text.iter().take(self.at).skip(start).collect();
            return Ok(Subject::Attribute(name));
        }
        for (word, subject) in [
            ("agentConnected", Subject::Connected),
            ("agentVersion", Subject::AgentVersion),
            ("ec2InstanceId", Subject::Name),
            ("registeredAt", Subject::RegisteredAt),
            ("runningTasksCount", Subject::Running),
            ("task:group", Subject::Group),
        ] {
            if self.take_word(word) {
                return Ok(subject);
            }
        }
        self.skip_space();
        Err(self.error(&format!("expected {SUBJECTS}, '!' or '('")))
    }

    /// The next operator, which the subject must have.
    fn operator(&mut self, allowed: &str) -> Result<Operator, ExpressionError> {
        self.skip_space();
        let start = self.at;
        for (operator, sign, word) in OPERATORS {
            let letters = sign.ends_with(|c: char| c.is_alphabetic());
            let found = if letters {
                self.take_word(sign)
            } else {
                self.take(sign)
            };
            if !found && !self.take_word(word) {
                continue;
            }
            if !allowed.split([' ', ',']).any(|one| one == *sign) {
                let message = format!("'{sign}' says nothing here; expected {allowed}");
                return Err(self.error_at(start, message));
            }
            return Ok(*operator);
        }
        Err(self.error(&format!("expected {allowed}")))
    }

    fn text_test(&mut self, allowed: &str) -> Result<Test, ExpressionError> {
        Ok(match self.operator(allowed)? {
            Operator::Ordered(Order::Equal) => Test::Equal(self.value()?),
            Operator::Ordered(Order::NotEqual) => Test::NotEqual(self.value()?),
            Operator::Ordered(order) => Test::Ordered(order, self.value()?),
            Operator::Matches => Test::Matches(self.pattern()?),
            Operator::NotMatches => Test::NotMatches(self.pattern()?),
            Operator::In => Test::In(self.list(Self::value)?),
            Operator::NotIn => Test::NotIn(self.list(Self::value)?),
            Operator::Exists => Test::Exists,
            Operator::NotExists => Test::NotExists,
        })
    }

    fn connected(&mut self) -> Result<Test, ExpressionError> {
        self.skip_space();
        let start = self.at;
        let test = self.text_test(UNORDERED)?;
        let wrong = match &test {
            Test::Equal(value) | Test::NotEqual(value) => [value].into_iter().find(not_a_flag),
            Test::In(values) | Test::NotIn(values) => values.iter().find(not_a_flag),
            _ => None,
        };
        match wrong {
            Some(value) => {
                let message = format!("agentConnected is true or false, never \"{value}\"");
                Err(self.error_at(start, message))
            }
            None => Ok(test),
        }
    }

    fn registered_at(&mut self) -> Result<Term, ExpressionError> {
        match self.operator(TIMES)? {
            Operator::Ordered(order) => {
                self.skip_space();
                let start = self.at;
                let text = self.value()?;
                let at = time(&text).ok_or_else(|| {
                    self.error_at(
                        start,
                        format!(
                            "\"{text}\" is no time; expected one such as 2026-05-04, \
                             2026-05-04T12:00:00Z or seconds since 1970"
                        ),
                    )
                })?;
                Ok(Term::RegisteredAt(order, at))
            }
            operator => Ok(Term::Registered(operator == Operator::Exists)),
        }
    }

    fn running(&mut self) -> Result<Counted, ExpressionError> {
        Ok(match self.operator(COUNTS)? {
            Operator::Ordered(order) => Counted::Ordered(order, self.number()?),
            Operator::In => Counted::In(self.list(Self::number)?),
            Operator::NotIn => Counted::NotIn(self.list(Self::number)?),
            operator => Counted::Always(operator == Operator::Exists),
        })
    }

    fn number(&mut self) -> Result<u64, ExpressionError> {
        self.skip_space();
        let start = self.at;
        let text = self.value()?;
        text.parse().map_err(|_| {
            self.error_at(
                start,
                format!("\"{text}\" is no number of tasks; expected a whole number"),
            )
        })
    }

    fn pattern(&mut self) -> Result<Regex, ExpressionError> {
        self.skip_space();
        let at = self.at;
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            let message =
                format!("more than {PATTERNS_MAX} patterns; one can hold alternatives: a|b");
            return Err(self.error_at(at, message));
        }
        let text = self.value()?;
        let build = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(PATTERN_SIZE_MAX)
                .dfa_size_limit(PATTERN_SIZE_MAX)
                .nest_limit(64)
                .build()
        };
        // By itself first: brackets that only fit ours are not the writer's pattern.
        build(&text)
            .and_then(|_| build(&format!("{}{text}{}", WHOLE.0, WHOLE.1)))
            .map_err(|error| {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default();
                let why = why.strip_prefix("error: ").unwrap_or(why);
                self.error_at(at, format!("\"{text}\" is not a regular expression: {why}"))
            })
    }

    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<Vec<T>, ExpressionError> {
        if !self.take("[") {
            return Err(self.error("expected '[' and a list such as [a, b]"));
        }
        let mut values = vec![item(self)?];
        while self.take(",") {
            values.push(item(self)?);
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
        let next = self.text.get(self.at).copied();
        if let Some(quote) = next.filter(|c| "'\"".contains(*c)) {
            self.at += 1;
            let rest = self.text.iter().skip(self.at);
            let value: String = rest.take_while(|c| **c != quote).collect();
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

fn not_a_flag(value: &&String) -> bool {
    !matches!(value.as_str(), "true" | "false")
}

/// An instance has many groups: a test that denies holds if its opposite holds for none.
fn group(test: Test) -> Term {
    let (wanted, test) = match test {
        Test::NotEqual(value) => (false, Test::Equal(value)),
        Test::NotMatches(pattern) => (false, Test::Matches(pattern)),
        Test::NotIn(list) => (false, Test::In(list)),
        Test::NotExists => (false, Test::Exists),
        test => (true, test),
    };
    Term::Group { wanted, test }
}
