//! How the console looked when it was left, kept in the state folder for the next time.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::state::ServiceKey;
use crate::model::{ClusterName, InstanceName, TaskId};

use super::logs::Looks;
use super::map::Measure;
use super::state::{Model, Pane};

/// The form in which it is written; another one is not read.
const VERSION: u32 = 1;
/// The most bytes that are read.
const BYTES_MAX: u64 = 64 * 1024;

/// How a console looks: what is not a question, a mark or the past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct View {
    version: u32,
    pub(crate) cluster: Option<ClusterName>,
    pub(crate) focus: Option<Pane>,
    pub(crate) driver: Option<Pane>,
    pub(crate) all_tasks: bool,
    pub(crate) service: Option<ServiceKey>,
    /// Only one that was gone to; what the first row happened to be is nothing to come back to.
    pub(crate) chosen_task: Option<TaskId>,
    pub(crate) instance: Option<InstanceName>,
    pub(crate) filters: BTreeMap<Pane, String>,
    pub(crate) sorting: BTreeMap<Pane, Sorted>,
    pub(crate) logs: Looks,
    pub(crate) map: Measure,
    /// Only where it was switched: else the config file says.
    pub(crate) mouse: Option<bool>,
}

/// What a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sorted {
    pub column: String,
    #[serde(default)]
    pub reversed: bool,
}

impl View {
    /// How a console looks now.
    pub(crate) fn of(model: &Model) -> Self {
        let sorted = |pane: Pane| {
            let sort = model.sorting.of(pane);
            let column = sort.column?.to_owned();
            let reversed = sort.reversed;
            Some((pane, Sorted { column, reversed }))
        };
        let filters = Pane::ALL.map(|pane| (pane, model.filters[pane.index()].clone()));
        // A cluster that was asked for once is not the one of next time.
        let once = model.cluster_view == model.options.cluster_view;
        let cluster = match model.cluster_view.one() {
            Some(_) if once => model.kept_cluster.as_ref(),
            chosen => chosen,
        };
        let switched = model.mouse != model.options.mouse;
        Self {
            version: VERSION,
            cluster: cluster.cloned(),
            focus: Some(model.focus),
            driver: Some(model.driver),
            all_tasks: model.all_tasks,
            service: model.services.selected.clone(),
            chosen_task: (model.chosen_task).filter(|it| Some(*it) == model.tasks.selected),
            instance: model.instances.selected.clone(),
            filters: filters
                .into_iter()
                .filter(|(_, it)| !it.is_empty())
                .collect(),
            sorting: Pane::ALL.into_iter().filter_map(sorted).collect(),
            logs: model.log_looks,
            map: model.measure,
            mouse: switched.then_some(model.mouse),
        }
    }

    /// Reads one; `None` if there is none yet.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, String> {
        let opened = match fs::File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let mut text = String::new();
        let read = opened.take(BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| error.to_string())?;
        Self::of_text(&text).map(Some)
    }

    /// One from its text.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(crate) fn of_text(text: &str) -> Result<Self, String> {
        let view: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match view.version {
            VERSION => Ok(view),
            other => Err(format!("it is of version {other}, and not {VERSION}")),
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the folder does not take it.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let born = file.with_extension(format!("{}.new", std::process::id()));
        let text = serde_json::to_string_pretty(self)?;
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&born)?.write_all(text.as_bytes())?;
            fs::rename(&born, file)
        })();
        if written.is_err() {
            // What is half written is of no use to anybody.
            let _gone = fs::remove_file(&born);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("view.json");
        assert_eq!(View::read(&file), Ok(None));
        let view = View {
            version: VERSION,
            focus: Some(Pane::Tasks),
            filters: BTreeMap::from([(Pane::Tasks, "web".to_owned())]),
            sorting: BTreeMap::from([(
                Pane::Services,
                Sorted {
                    column: "RUN".to_owned(),
                    reversed: true,
                },
            )]),
            mouse: Some(false),
            ..View::default()
        };
        view.write(&file).unwrap();
        assert_eq!(View::read(&file), Ok(Some(view)));
        let names = fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 1, "nothing half written is left");
        // What an older version did not know is as it always was.
        fs::write(&file, "{\"version\": 1, \"allTasks\": true}").unwrap();
        assert!(View::read(&file).unwrap().unwrap().all_tasks);
        for (text, why) in [
            ("{\"version\": 2}", "version 2"),
            ("{}", "version 0"),
            ("{\"version\": 1, \"focus\": \"masts\"}", "masts"),
            ("", "EOF"),
        ] {
            fs::write(&file, text).unwrap();
            let told = View::read(&file).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
        let nowhere = folder.path().join("none/view.json");
        assert!(View::default().write(&nowhere).is_err());
    }
}
