//! Task roles: what a task may use. Names of grants only; no secret's value is ever here.

use serde::{Deserialize, Serialize};

use super::id::RoleName;

/// What a role of the config grants to tasks that name it (`taskRoleArn`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Name.
    pub name: RoleName,
    /// Names of secrets that its tasks may be given.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Image references that its tasks may run, `*` standing for any text; `None` = any image.
    #[serde(default)]
    pub images: Option<Vec<String>>,
    /// Folders of the host under which its tasks may mount; `None` = any folder.
    #[serde(default)]
    pub host_paths: Option<Vec<String>>,
    /// Environment files of the control plane's machine, or folders of them, that its tasks may
    /// read; absolute, or from the config file's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_files: Vec<String>,
}

impl Role {
    /// A role that grants nothing that needs a grant, and restricts nothing.
    #[must_use]
    pub fn new(name: RoleName) -> Self {
        Self {
            name,
            secrets: Vec::new(),
            images: None,
            host_paths: None,
            environment_files: Vec::new(),
        }
    }
}
