//! Services and task definitions in the operator's editor: what is offered, and what comes of it.

use std::sync::Arc;

use quarterdeck::client::ClientError;
use quarterdeck::controller::Command;
use quarterdeck::model::{Change, Cluster, ClusterName, Service};
use quarterdeck::tui::{EditAsk, Effect, Event, Model, update};

use crate::fleet::{NOW, console, options, service_name, snapshot};
use crate::screens::{LARGE, foresee, frame, press, text};

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

/// What the editor is given by these keys.
fn asked(model: &mut Model, keys: &str) -> EditAsk {
    let effects = press(model, keys);
    let [.., Effect::Edit(ask)] = effects.as_slice() else {
        panic!("{keys}: {effects:?}\n{}", shown(model));
    };
    EditAsk::clone(ask)
}

/// The editor comes back with that text.
fn edited(model: &mut Model, ask: &EditAsk, text: &str) -> Vec<Effect> {
    let event = Event::Edited {
        ask: Box::new(ask.clone()),
        outcome: Ok(text.to_owned()),
    };
    update(model, NOW, event)
}

fn changed(ask: &EditAsk, from: &str, to: &str) -> String {
    assert!(ask.text.contains(from), "no {from} in {}", ask.text);
    ask.text.replace(from, to)
}

#[test]
fn a_service_is_given_as_its_request_and_nothing_of_it_is_lost_on_the_way() {
    let names: Vec<String> = snapshot()
        .state
        .services
        .keys()
        .map(|(_, name)| name.to_string())
        .collect();
    assert!(names.len() > 3);
    for name in names {
        let mut model = console(LARGE);
        let ask = asked(&mut model, &format!("/{name}<enter>e"));
        assert_eq!(ask.name, format!("service {name}"));
        assert_eq!(ask.file, format!("{name}.json"));
        assert!(
            !ask.text.contains("runningCount") && !ask.text.contains("events"),
            "{}",
            ask.text
        );
        // Another text that says the same asks for nothing.
        assert_eq!(edited(&mut model, &ask, &format!("{}\n", ask.text)), []);
        assert!(
            shown(&model).contains("is like that already"),
            "{name}\n{}",
            shown(&model)
        );
    }
}

#[test]
fn a_definition_is_given_from_its_page_and_nothing_of_it_is_lost_on_the_way() {
    let state = snapshot().state;
    for definition in state.task_definitions.values() {
        let newest = state.latest_definition(&definition.family).unwrap();
        if newest.revision != definition.revision {
            continue;
        }
        let mut model = console(LARGE);
        let ask = asked(&mut model, &format!(":{}<enter>e", definition.id()));
        assert_eq!(ask.name, format!("task definition {}", definition.id()));
        assert_eq!(edited(&mut model, &ask, &format!("{}\n", ask.text)), []);
        assert!(
            shown(&model).contains("Nothing to change: task definition"),
            "{}\n{}",
            ask.text,
            shown(&model)
        );
    }
}

#[test]
fn an_unchanged_text_changes_nothing_and_says_so() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "e");
    assert_eq!(edited(&mut model, &ask, &ask.text), []);
    assert!(
        shown(&model).contains("You changed nothing: service api"),
        "{}",
        shown(&model)
    );
    let event = Event::Edited {
        ask: Box::new(ask),
        outcome: Err("vi ended with exit status: 1".to_owned()),
    };
    assert_eq!(update(&mut model, NOW, event), []);
    assert!(
        shown(&model).contains("Nothing was changed: vi ended"),
        "{}",
        shown(&model)
    );
}

#[test]
fn a_changed_service_is_asked_about_with_the_difference_the_plan_and_the_command() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    let text = changed(&ask, "\"desiredCount\": 6", "\"desiredCount\": 4");
    let effects = edited(&mut model, &ask, &text);
    assert_eq!(foresee(&mut model, &snapshot(), &effects), 1, "{effects:?}");
    let screen = shown(&model);
    for words in [
        "Change service web",
        "desiredCount: 6 → 4",
        "2 of 6 healthy tasks",
        "$ qd apply web.json",
        "e edit again",
    ] {
        assert!(screen.contains(words), "no {words}\n{screen}");
    }
    let effects = press(&mut model, "<enter>");
    let [
        Effect::Apply {
            commands, planned, ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    assert!(planned.is_some(), "exactly what was planned");
    let [Command::UpdateService(update)] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(
        (update.service.as_str(), update.desired_count),
        ("web", Some(4))
    );
    assert_eq!(
        update.task_definition, None,
        "what is not changed is not asked for"
    );
}

#[test]
fn a_changed_definition_is_a_new_revision_and_that_alone_rolls_nothing_out() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, ":web:7<enter>e");
    let image = ask
        .text
        .lines()
        .find(|line| line.contains("\"image\""))
        .unwrap();
    let text = changed(&ask, image, "      \"image\": \"nginx:1.99\",");
    let effects = edited(&mut model, &ask, &text);
    assert!(
        matches!(effects.as_slice(), [Effect::Plan { .. }]),
        "{effects:?}"
    );
    let screen = shown(&model);
    for words in [
        "Register a new revision of web",
        "+ task definition web:8, against web:7:",
        "nginx:1.99",
        "That alone rolls nothing out",
    ] {
        assert!(screen.contains(words), "no {words}\n{screen}");
    }
}

#[test]
fn what_is_wrong_is_shown_with_its_place_and_the_text_is_kept_to_go_on_with() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    let line = ask
        .text
        .lines()
        .position(|it| it.contains("desiredCount"))
        .unwrap()
        + 1;
    let text = changed(&ask, "\"desiredCount\"", "\"desiredConut\"");
    assert_eq!(edited(&mut model, &ask, &text), []);
    let screen = shown(&model);
    for words in [
        "Not applied: service web".to_owned(),
        format!("web.json:{line}:3"),
        "did you mean \"desiredCount\"?".to_owned(),
        "\"desiredConut\": 6".to_owned(),
        "^^^^".to_owned(),
    ] {
        assert!(screen.contains(&words), "no {words}\n{screen}");
    }
    // Left and come back to; nothing is lost.
    press(&mut model, "<esc>");
    assert!(!shown(&model).contains("Not applied"));
    let again = asked(&mut model, "]e");
    assert_eq!(again.text, text);
    assert_eq!(again.original, ask.text);
    let mended = again.text.replace("desiredConut\": 6", "desiredCount\": 7");
    let effects = edited(&mut model, &again, &mended);
    assert!(
        matches!(effects.as_slice(), [Effect::Plan { .. }]),
        "{effects:?}"
    );
    assert!(!shown(&model).contains("Not applied"), "{}", shown(&model));
    // JSON that is none, too.
    press(&mut model, "<esc>");
    assert_eq!(edited(&mut model, &ask, "{ \"serviceName\": "), []);
    assert!(shown(&model).contains("web.json:1:"), "{}", shown(&model));
}

#[test]
fn a_text_that_is_not_applied_is_not_lost() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    let text = changed(&ask, "\"desiredCount\": 6", "\"desiredCount\": 4");
    let effects = edited(&mut model, &ask, &text);
    foresee(&mut model, &snapshot(), &effects);
    // At the question: edited again, or left and come back to.
    assert_eq!(asked(&mut model, "e").text, text);
    let effects = edited(&mut model, &ask, &text);
    foresee(&mut model, &snapshot(), &effects);
    press(&mut model, "n");
    assert!(
        shown(&model).contains("] goes back to what you had typed"),
        "{}",
        shown(&model)
    );
    assert_eq!(asked(&mut model, "]e").text, text);
    // Refused by the control plane.
    let effects = edited(&mut model, &ask, &text);
    foresee(&mut model, &snapshot(), &effects);
    let effects = press(&mut model, "<enter>");
    let [Effect::Apply { ticket, what, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let refused = Event::Applied {
        ticket: *ticket,
        what: what.clone(),
        result: Err(ClientError::Engine("the store is full".to_owned())),
    };
    assert_eq!(update(&mut model, NOW, refused), []);
    let screen = shown(&model);
    assert!(
        screen.contains("It was refused: the store is full"),
        "{screen}"
    );
    assert_eq!(asked(&mut model, "e").text, text);
}

/// The editor fails.
fn failed(model: &mut Model, ask: &EditAsk) {
    let event = Event::Edited {
        ask: Box::new(ask.clone()),
        outcome: Err("vi ended with exit status: 1".to_owned()),
    };
    assert_eq!(update(model, NOW, event), []);
}

#[test]
fn an_editor_that_fails_the_second_time_loses_nothing_of_the_first() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    let text = changed(&ask, "\"desiredCount\": 6", "\"desiredCount\": 4");
    let effects = edited(&mut model, &ask, &text);
    foresee(&mut model, &snapshot(), &effects);
    // From the question.
    let again = asked(&mut model, "e");
    failed(&mut model, &again);
    let screen = shown(&model);
    assert!(screen.contains("Not applied: service web"), "{screen}");
    assert!(screen.contains("vi ended with exit status: 1"), "{screen}");
    // From that page, which stays, and is one.
    let again = asked(&mut model, "e");
    assert_eq!(again.text, text);
    failed(&mut model, &again);
    assert!(shown(&model).contains("Not applied: service web"));
    assert_eq!(asked(&mut model, "e").text, text);
    press(&mut model, "<esc>");
    assert!(!shown(&model).contains("Not applied"), "{}", shown(&model));
}

#[test]
fn the_same_thing_twice_in_one_text_is_a_fault() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    let other = changed(&ask, "\"desiredCount\": 6", "\"desiredCount\": 4");
    assert_eq!(
        edited(&mut model, &ask, &format!("[{}, {other}]", ask.text)),
        []
    );
    let screen = shown(&model);
    assert!(
        screen.contains("the service web is given twice"),
        "{screen}"
    );
}

#[test]
fn texts_that_were_left_are_bounded_like_pages() {
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    for count in 100..160 {
        let wanted = format!("\"desiredCount\": {count}");
        let text = changed(&ask, "\"desiredCount\": 6", &wanted);
        edited(&mut model, &ask, &text);
        press(&mut model, "n");
    }
    let mut kept = 0;
    press(&mut model, "]");
    while !shown(&model).contains("no page to go forward") && kept < 70 {
        kept += 1;
        press(&mut model, "]");
    }
    assert_eq!(kept, 50);
}

#[test]
fn what_changed_while_it_was_edited_is_told_and_set_against_how_it_is_now() {
    let told = "It changed while you edited";
    let mut model = console(LARGE);
    let ask = asked(&mut model, "/web<enter>e");
    let text = changed(&ask, "\"desiredCount\": 6", "\"desiredCount\": 4");
    let mut later = snapshot();
    let key = (ClusterName::default_cluster(), service_name("web"));
    let mut web = Service::clone(&later.state.services[&key]);
    web.desired_count = 9;
    later.state.apply(&Change::Service(Arc::new(web)));
    later.version += 1;
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(later)));
    edited(&mut model, &ask, &text);
    let screen = shown(&model);
    for words in [told, "desiredCount: 6 → 9", "desiredCount: 9 → 4"] {
        assert!(screen.contains(words), "no {words}\n{screen}");
    }
    // Begun after that, it is nothing to tell.
    press(&mut model, "n");
    let ask = asked(&mut model, "e");
    let text = changed(&ask, "\"desiredCount\": 9", "\"desiredCount\": 4");
    edited(&mut model, &ask, &text);
    let screen = shown(&model);
    assert!(screen.contains("desiredCount: 9 → 4"), "{screen}");
    assert!(!screen.contains(told), "{screen}");
}

#[test]
fn a_schedule_in_a_protected_cluster_wants_its_name() {
    let mut model = console(LARGE);
    let mut fleet = snapshot();
    let mut cluster = Cluster::clone(&fleet.state.clusters[&ClusterName::default_cluster()]);
    cluster.protected = true;
    fleet.state.apply(&Change::Cluster(Arc::new(cluster)));
    fleet.version += 1;
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(fleet)));
    let ask = asked(&mut model, "/web<enter>e");
    let text =
        r#"{"name": "hourly", "scheduleExpression": "rate(1 hour)", "taskDefinition": "web"}"#;
    edited(&mut model, &ask, text);
    let screen = shown(&model);
    assert!(screen.contains("type hourly to go on:"), "{screen}");
}

#[test]
fn nothing_is_edited_from_a_read_only_console() {
    let mut read_only = options();
    read_only.read_only = true;
    let mut model = Model::new(read_only, LARGE, NOW);
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot())));
    assert_eq!(press(&mut model, "e"), []);
    assert!(shown(&model).contains("read-only"), "{}", shown(&model));
}
