//! `qd history`: what happened and who did it, as far back as the change log reaches; and the fleet
//! as it was.

use std::sync::Arc;

use serde_json::{Value, json};

use super::args::{AsOf, HistoryOf, Output};
use super::error::{CliError, CliResult};
use super::session::Session;
use super::{out, resolve, stream, time};
use crate::agent::{Clock as _, SystemClock};
use crate::model::{Event, Happening, HistoryAsk, Outcome, Snapshot, TimeMs};

/// Lists it.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, asked: &HistoryOf, output: Output) -> CliResult {
    let snapshot = session.snapshot();
    let cluster = session.cluster(&snapshot)?;
    let service = asked.service.as_deref();
    let service = service.map(resolve::service_name).transpose()?;
    let wanted = |event: &Event| {
        event.cluster == cluster
            && (service.is_none() || event.service == service)
            && (!asked.audit || event.audit.is_some())
    };
    let (found, begins) = gather(session, asked, wanted).await?;
    if output == Output::Json {
        let lines: Vec<Value> = found.iter().map(json).collect();
        return out::json(&json!({
            "logBegins": begins.map(TimeMs::as_wire_seconds),
            "happenings": lines,
        }));
    }
    let mut last = None;
    for it in &found {
        print(it)?;
        last = Some(it.at);
    }
    match begins {
        Some(begins) if last.is_none() => out::note(format!(
            "nothing of that happened; the log begins at {}",
            time::local(begins)
        )),
        Some(begins) => out::note(format!("the log begins at {}", time::local(begins))),
        None => out::note("nothing has happened yet"),
    }
    Ok(())
}

/// The last that are wanted, oldest first, and where the log begins.
async fn gather(
    session: &Session,
    asked: &HistoryOf,
    wanted: impl Fn(&Event) -> bool,
) -> CliResult<(Vec<Happening>, Option<TimeMs>)> {
    let moment = |flag: &str, text: &Option<String>| match text {
        Some(text) => time::moment(text, SystemClock.now())
            .map_err(|error| CliError::Usage(format!("{flag}: {error}"))),
        None => Ok(TimeMs(if flag == "--since" { 0 } else { u64::MAX })),
    };
    let mut ask = HistoryAsk {
        since: moment("--since", &asked.since)?,
        until: moment("--until", &asked.until)?,
        ..HistoryAsk::default()
    };
    let mut newest_first = Vec::new();
    loop {
        let page = session.client.history(ask.clone()).await?;
        ask.before = page.happenings.first().map(|it| it.seq);
        let found = page.happenings.into_iter().rev();
        newest_first.extend(found.filter(|it| wanted(&it.event)));
        if newest_first.len() >= asked.tail || !page.more {
            newest_first.truncate(asked.tail);
            newest_first.reverse();
            return Ok((newest_first, page.begins));
        }
    }
}

fn json(it: &Happening) -> Value {
    let mut value = stream::event_json(&it.event);
    value["seq"] = it.seq.into();
    if let Some(audit) = &it.event.audit {
        value["audit"] = json!(audit);
    }
    value
}

fn print(it: &Happening) -> CliResult {
    let event = &it.event;
    let Some(audit) = &event.audit else {
        return stream::print_event(event, Output::Table);
    };
    let mark = match audit.outcome {
        Outcome::Done => "»",
        Outcome::Refused => "✗",
    };
    out::line(format!(
        "{} {mark} [{}] {}",
        time::local(event.at),
        audit.surface.as_str(),
        event.message
    ))
}

/// The picture that a list is made from: of now, with every instance heard or tried, or as it was
/// at a moment.
///
/// # Errors
/// What the command runs into; [`CliError::Usage`] where that is no moment.
pub async fn picture(session: &Session, of: &AsOf) -> CliResult<Arc<Snapshot>> {
    let Some(text) = &of.at else {
        return Ok(session.whole().await);
    };
    let moment = time::moment(text, SystemClock.now())
        .map_err(|error| CliError::Usage(format!("--at: {error}")))?;
    let newest = HistoryAsk {
        most: 1,
        ..HistoryAsk::default()
    };
    // Before its first change the log has an empty fleet to show, which nobody ever saw.
    let begins = session.client.history(newest).await?.begins;
    // What is typed has no parts of a second: the first second of the log is its beginning.
    let moment = match begins {
        Some(begins) if begins.0 / 1_000 == moment.0 / 1_000 => moment.max(begins),
        _ => moment,
    };
    if let Some(begins) = begins.filter(|begins| moment < *begins) {
        return Err(CliError::Failed(format!(
            "the log begins at {}, and {} is before that",
            time::local(begins),
            time::local(moment)
        )));
    }
    let snapshot = session.client.at(moment).await?;
    out::note(format!("as it was at {}", time::local(moment)));
    Ok(snapshot)
}
