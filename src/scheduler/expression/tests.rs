//! Tests of the cluster query language.

use proptest::prelude::*;

use super::*;
use crate::model::{Connection, Instance};
use crate::scheduler::fixture;

/// `ops-1`, with a RUNNING task of `service:web` and a PENDING one of `database`.
struct Host(Instance);

impl Facts for Host {
    fn instance(&self) -> &Instance {
        &self.0
    }

    fn running_tasks(&self) -> u32 {
        1
    }

    fn any_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        ["service:web", "database"].into_iter().any(test)
    }
}

fn host() -> Host {
    let attributes = [
        ("disk", "ssd"),
        ("ecs.instance-type", "t2.small"),
        ("cores", "8"),
        ("kernel-version", "6.10"),
        ("rack/row", "r-9"),
    ];
    let mut instance = fixture::instance("ops-1", "a", 1024, 1024, &attributes);
    // 2018-06-18T22:28:28Z
    instance.registered_at = Some(TimeMs(1_529_360_908_000));
    Host(instance)
}

#[track_caller]
fn assert_each(cases: &[(&str, bool)]) {
    let host = host();
    for (text, holds) in cases {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.matches(&host), *holds, "{text}");
    }
}

#[test]
fn every_operator_its_word_and_its_opposite() {
    assert_each(&[
        ("attribute:disk == ssd", true),
        ("attribute:disk equals ssd", true),
        ("attribute:disk != ssd", false),
        ("attribute:disk not_equals hdd", true),
        ("attribute:none != ssd", true),
        ("attribute:cores > 7", true),
        ("attribute:cores greater_than 10", false),
        ("attribute:cores >= 8.0", true),
        ("attribute:cores greater_than_equal 9", false),
        ("attribute:cores < 10", true),
        ("attribute:cores less_than 8", false),
        ("attribute:cores <= 8", true),
        ("attribute:cores less_than_equal 7", false),
        ("attribute:none < 10", false),
        ("attribute:disk > sad", true),
        ("attribute:disk exists", true),
        ("attribute:none !exists", true),
        ("attribute:none not_exists", true),
        ("attribute:disk in [hdd, 'ssd']", true),
        ("attribute:disk in [hdd]", false),
        ("attribute:disk !in [hdd]", true),
        ("attribute:disk not_in [hdd, ssd]", false),
        ("attribute:none in [hdd]", false),
        ("attribute:ecs.instance-type =~ t2.*", true),
        ("attribute:ecs.instance-type matches t2", false),
        ("attribute:ecs.instance-type =~ (m5|t2).(large|small)", true),
        ("attribute:ecs.instance-type !~ t2.*", false),
        ("attribute:ecs.instance-type not_matches m5.*", true),
        ("attribute:none !~ t2.*", true),
        ("attribute:rack/row == r-9", true),
    ]);
}

#[test]
fn every_subject() {
    assert_each(&[
        ("agentConnected == true", true),
        ("agentConnected in [false]", false),
        ("agentVersion >= 0.1", true),
        ("agentVersion < 1000.0.0", true),
        ("ec2InstanceId == ops-1", true),
        ("ec2InstanceId in ['ops-2', 'ops-1']", true),
        ("ec2InstanceId =~ ops-[2-9]", false),
        ("registeredAt == 2018-06-18T22:28:28Z", true),
        ("registeredAt == 2018-06-19T00:28:28+02:00", true),
        ("registeredAt == 2018-06-18T22:28:28", true),
        ("registeredAt == 1529360908", true),
        ("registeredAt > 2018-06-18", true),
        ("registeredAt < 2018-06-18", false),
        ("registeredAt exists", true),
        ("runningTasksCount == 1", true),
        ("runningTasksCount < 1", false),
        ("runningTasksCount in [0, 1]", true),
        ("task:group == service:web", true),
        ("task:group == database", true),
        ("task:group == web", false),
        ("task:group != service:web", false),
        ("task:group != service:api", true),
        ("task:group =~ service:.*", true),
        ("task:group !~ service:.*", false),
        ("task:group !in [service:api, cache]", true),
        ("task:group exists", true),
    ]);
}

#[test]
fn an_instance_that_never_answered_is_registered_at_no_time() {
    let mut host = host();
    host.0.registered_at = None;
    host.0.connection = Connection::Disconnected {
        since: TimeMs(0),
        reason: String::new(),
    };
    for (text, holds) in [
        ("registeredAt > 1970-01-01", false),
        ("registeredAt != 1970-01-01", true),
        ("registeredAt !exists", true),
        ("agentConnected != true", true),
    ] {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(expression.matches(&host), holds, "{text}");
    }
}

#[test]
fn versions_compare_as_versions_and_numbers_as_numbers() {
    assert_each(&[
        // As a number 6.10 is less than 6.9.
        ("attribute:kernel-version > 6.9", true),
        ("attribute:kernel-version == 6.10.0", true),
        ("attribute:kernel-version > 6.10-rc.1", true),
        // As text 10 is less than 8.
        ("attribute:cores < 10", true),
    ]);
}

#[test]
fn the_examples_of_ecs() {
    for text in [
        "attribute:ecs.instance-type == t2.small",
        "attribute:ecs.instance-type =~ t2.*",
        "attribute:ecs.instance-type in [t2.small, t2.medium]",
        "attribute:ecs.availability-zone in [a, us-east-1b]",
        "attribute:ecs.instance-type =~ t2.* and attribute:ecs.availability-zone != us-east-1d",
        "task:group == service:web",
        "not(task:group == service:production)",
        "task:group == database",
        "runningTasksCount == 1",
        "agentVersion < 1.35.0",
        "registeredAt < 2019-02-13",
        "registeredAt >= 2018-06-18T22:28:28+00:00",
        "ec2InstanceId in ['ops-1', 'i-wxyx7890']",
    ] {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(expression.matches(&host()), "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_parentheses_group() {
    assert_each(&[
        (
            "attribute:disk==ssd || attribute:disk==x && attribute:disk==y",
            true,
        ),
        (
            "attribute:disk==ssd or attribute:disk==x and attribute:disk==y",
            true,
        ),
        (
            "(attribute:disk==ssd || attribute:disk==x) && attribute:disk==y",
            false,
        ),
        ("!(attribute:disk == hdd) && !attribute:none exists", true),
        ("not attribute:none exists and attribute:disk exists", true),
        ("attribute:disk==ssd&&attribute:cores exists", true),
    ]);
}

#[test]
fn only_running_tasks_and_groups_depend_on_tasks() {
    for (text, depends) in [
        (
            "attribute:disk == ssd || agentVersion > 1 and registeredAt exists",
            false,
        ),
        ("ec2InstanceId == a || agentConnected == true", false),
        (
            "attribute:disk == ssd && !(runningTasksCount > 3 || agentConnected == true)",
            true,
        ),
        ("not task:group == database", true),
    ] {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(expression.depends_on_tasks(), depends, "{text}");
    }
}

#[test]
fn an_error_points_at_its_column() {
    for (text, column, says) in [
        ("", 1, "the text ends here"),
        ("disk == ssd", 1, "attribute:NAME"),
        ("attribute: == ssd", 11, "name"),
        ("attribute:disk = ssd", 16, "found '='"),
        ("attribute:disk ==", 18, "expected a value"),
        ("attribute:disk == ssd extra", 23, "the end"),
        ("(attribute:disk == ssd", 23, "')'"),
        ("attribute:disk in hdd", 19, "[a, b]"),
        ("attribute:disk in [hdd", 23, "']'"),
        ("attribute:disk =~ (", 19, "unclosed group"),
        ("attribute:disk =~ a)|(b", 20, "'&&', '||' or the end"),
        ("attribute:disk =~ 'a)|(b'", 19, "regular expression"),
        ("attribute:disk =~ '(?=x)'", 19, "look-around"),
        ("attribute:disk == 'ssd", 19, "never closed"),
        ("attribute:disk inside [a]", 16, "expected =="),
        ("runningTasksCount == many", 22, "whole number"),
        ("runningTasksCount =~ 1", 19, "'=~' says nothing here"),
        ("registeredAt > yesterday", 16, "is no time"),
        ("registeredAt matches 2018.*", 14, "'=~' says nothing here"),
        ("agentConnected == yes", 16, "true or false"),
        ("agentConnected > false", 16, "says nothing here"),
        ("task:group > a", 12, "says nothing here"),
        ("task:groups == a", 1, "task:group"),
        ("agentConnected", 15, "the text ends here"),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(says), "{text}: {error}");
    }
}

#[test]
fn length_and_nesting_are_bounded() {
    let deep = "(".repeat(DEPTH_MAX + 1);
    assert_eq!(Expression::parse(&deep).unwrap_err().column, DEPTH_MAX + 1);
    let nots = "!".repeat(EXPRESSION_MAX);
    assert_eq!(Expression::parse(&nots).unwrap_err().column, DEPTH_MAX + 1);
    let of_length = |length: usize| {
        let head = "attribute:disk == ";
        format!("{head}{}", "x".repeat(length - head.len()))
    };
    assert!(Expression::parse(&of_length(EXPRESSION_MAX)).is_ok());
    let error = Expression::parse(&of_length(EXPRESSION_MAX + 1)).unwrap_err();
    assert_eq!(error.column, EXPRESSION_MAX + 1);
    let large = "attribute:disk =~ (((a{99}){99}){99}){99}";
    assert_eq!(Expression::parse(large).unwrap_err().column, 19);
}

/// Pieces of expressions, whole and broken.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "attribute:disk",
            "attribute:",
            "agentConnected",
            "agentVersion",
            "registeredAt",
            "runningTasksCount",
            "task:group",
            "ec2InstanceId",
            "==",
            "!=",
            ">",
            "<=",
            "=~",
            "!~",
            "in",
            "!in",
            "exists",
            "!exists",
            "not_in",
            "matches",
            "&&",
            "||",
            "!",
            "and",
            "or",
            "not",
            "(",
            ")",
            "[",
            "]",
            ",",
            "'",
            "\"",
            "t2.*",
            "1",
            "true",
            "2018-06-18",
            "[a-",
            "é",
            "\u{2028}",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    (prop::collection::vec(piece, 0..24), any::<bool>())
        .prop_map(|(pieces, spaced)| pieces.join(if spaced { " " } else { "" }))
}

proptest! {
    /// No text panics, neither when it is read nor when it is asked; an error points into the
    /// text or just behind it.
    #[test]
    fn any_text_is_read_or_refused_in_place(text in pieces()) {
        match Expression::parse(&text) {
            Ok(expression) => {
                let _ = expression.matches(&host());
            }
            Err(error) => {
                let length = text.chars().count();
                prop_assert!((1..=length + 1).contains(&error.column), "{error}");
            }
        }
    }

    /// `!` before a group turns its answer round, whatever it holds.
    #[test]
    fn not_turns_every_answer_round(text in pieces()) {
        if let Ok(expression) = Expression::parse(&text)
            && let Ok(opposite) = Expression::parse(&format!("!({text})"))
        {
            prop_assert_ne!(expression.matches(&host()), opposite.matches(&host()));
        }
    }
}

#[test]
fn the_part_that_fails_is_named_with_what_the_instance_has() {
    let host = host();
    for (text, why) in [
        ("attribute:disk == hdd", "it has disk = ssd"),
        ("attribute:none exists", "it has no none"),
        (
            "attribute:disk == ssd and attribute:cores > 9",
            "attribute:cores > 9 fails: it has cores = 8",
        ),
        (
            "attribute:disk == hdd or attribute:cores in [9, 10]",
            "attribute:disk == hdd fails: it has disk = ssd; attribute:cores in [9, 10] fails: it has cores = 8",
        ),
        (
            "not(attribute:disk =~ s.*)",
            "attribute:disk =~ s.* holds: it has disk = ssd",
        ),
        ("runningTasksCount < 1", "1 task runs on it"),
        ("attribute:disk == ssd", ""),
    ] {
        assert_eq!(Expression::parse(text).unwrap().why(&host), why, "{text}");
    }
}

#[test]
fn attributes_are_named_where_they_would_make_an_instance_match() {
    let host = host();
    let with = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Some(pairs.collect())
    };
    for (text, expected) in [
        ("attribute:disk == hdd", with(&[("disk", "hdd")])),
        (
            "attribute:disk == hdd and attribute:row in [1, 2]",
            with(&[("disk", "hdd"), ("row", "1")]),
        ),
        ("attribute:disk == hdd and attribute:disk == nvme", None),
        (
            "attribute:cores > 9 or attribute:big == yes",
            with(&[("big", "yes")]),
        ),
        ("attribute:ecs.instance-type == m5.large", None),
        ("runningTasksCount < 1", None),
    ] {
        assert_eq!(
            Expression::parse(text).unwrap().attributes(&host),
            expected,
            "{text}"
        );
    }
}

#[test]
fn so_many_patterns_and_no_more() {
    let all = |count: usize| vec!["attribute:a =~ b"; count].join(" || ");
    assert!(Expression::parse(&all(8)).is_ok());
    let error = Expression::parse(&all(9)).unwrap_err();
    assert!(error.message.contains("more than 8 patterns"), "{error}");
    let error = Expression::parse(r"attribute:a =~ (\w{900}){900}").unwrap_err();
    assert!(
        error.message.contains("not a regular expression"),
        "{error}"
    );
}
