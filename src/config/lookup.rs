//! Where the configuration is, and what holds without one.

use std::path::{Path, PathBuf};

use super::endpoint::{self, Parsed};
use super::settings::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use crate::model::{ClusterName, InstanceName, Partition};

/// The file's name in the folders that are looked into.
const FILE: &str = "quarterdeck.toml";
/// The folder for everyone on this machine.
const SYSTEM_FOLDER: &str = "/etc/quarterdeck";
/// The local engine's socket, unless `DOCKER_HOST` names another.
pub(super) const LOCAL_SOCKET: &str = "/var/run/docker.sock";

/// All that decides where the configuration is.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// `--config`.
    pub flag: Option<PathBuf>,
    /// `QD_CONFIG`.
    pub variable: Option<PathBuf>,
    /// The folder in which the command runs.
    pub current: PathBuf,
    /// The XDG folder for configuration.
    pub xdg: Option<PathBuf>,
    /// The folder for everyone on this machine.
    pub system: PathBuf,
    /// The user's own folder, which `~/` stands for.
    pub home: Option<PathBuf>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// This machine's name.
    pub host_name: String,
}

impl Lookup {
    /// What the environment says, with the `--config` flag.
    #[must_use]
    pub fn from_environment(flag: Option<PathBuf>) -> Self {
        let path = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let home = path("HOME");
        let uname = rustix::system::uname();
        Self {
            flag,
            variable: path("QD_CONFIG"),
            current: PathBuf::new(),
            xdg: path("XDG_CONFIG_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| home.as_ref().map(|home| home.join(".config"))),
            system: SYSTEM_FOLDER.into(),
            home,
            docker_host: std::env::var("DOCKER_HOST")
                .ok()
                .filter(|value| !value.is_empty()),
            host_name: uname.nodename().to_string_lossy().into_owned(),
        }
    }

    /// The file to read: the one that was named, even if it is not there, else the first that is.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        if let Some(named) = self.flag.as_ref().or(self.variable.as_ref()) {
            return Some(named.clone());
        }
        let xdg = self.xdg.as_ref().map(|xdg| xdg.join("quarterdeck"));
        [Some(&self.current), xdg.as_ref(), Some(&self.system)]
            .into_iter()
            .flatten()
            .map(|folder| folder.join(FILE))
            .find(|path| path.exists())
    }

    /// A path of the config file: `~/` is the user's folder, and a relative one goes from the
    /// folder that the file is in.
    #[must_use]
    pub fn resolve(&self, file: &Path, path: &str) -> PathBuf {
        if let (Some(rest), Some(home)) = (path.strip_prefix("~/"), &self.home) {
            return home.join(rest);
        }
        match file.parent() {
            Some(folder) => folder.join(path),
            None => path.into(),
        }
    }

    /// What holds without a file: the cluster `default` with the local engine.
    ///
    /// # Errors
    /// In words, when `DOCKER_HOST` names an engine that only a config file can describe.
    pub(super) fn local(&self) -> Result<Settings, String> {
        let endpoint = match &self.docker_host {
            None => Endpoint::Unix(LOCAL_SOCKET.into()),
            Some(text) => match endpoint::parse(text) {
                Ok(Parsed::Unix(path)) => Endpoint::Unix(path),
                Ok(Parsed::Ssh(ssh)) => Endpoint::Ssh(ssh),
                Ok(Parsed::Tcp(_)) => {
                    return Err(format!(
                        "\"{text}\" needs TLS files, which only a config file can name: write a \
                         {FILE} with this endpoint, or unset DOCKER_HOST"
                    ));
                }
                Err(wrong) => return Err(format!("\"{text}\" {}", wrong.what)),
            },
        };
        let cluster = ClusterName::default_cluster();
        Ok(Settings::new(
            None,
            vec![ClusterSettings::new(cluster.clone(), Partition::default())],
            vec![InstanceSettings::new(
                self.instance_name()?,
                cluster,
                endpoint,
            )],
        ))
    }

    /// This machine's name, with what an instance name may not hold replaced.
    fn instance_name(&self) -> Result<InstanceName, String> {
        let plain: String = self
            .host_name
            .chars()
            .map(|c| match c {
                '-' | '_' | '.' => c,
                c if c.is_ascii_alphanumeric() => c,
                _ => '-',
            })
            .collect();
        let name = if plain.is_empty() {
            "localhost"
        } else {
            &plain
        };
        InstanceName::new(name).map_err(|error| error.to_string())
    }
}
