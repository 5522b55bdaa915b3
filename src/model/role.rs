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
}
