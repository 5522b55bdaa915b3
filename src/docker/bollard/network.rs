//! The network that tasks share, made exactly once on each engine.

use std::collections::HashMap;

use bollard::models::Network;
use bollard::query_parameters::ListNetworksOptionsBuilder;
use hyper::Method;
use serde_json::json;

use super::{BollardEngine, unless};
use crate::docker::spec::label;
use crate::docker::transport::ANSWER_WAIT;
use crate::docker::{EngineError, EngineResult};

impl BollardEngine {
    /// Sees to it that there is one network of that name, and no second.
    ///
    /// A name is not unique to the engine: two control planes that ask at the same time are both
    /// given a network, and from then on no container with that name in its settings starts. So
    /// what is there is looked at after the making, and everyone keeps the same one: the oldest.
    pub(super) async fn one_network(&self, name: &str) -> EngineResult<()> {
        // Within this process one at a time is enough.
        let _alone = self.network.lock().await;
        let mut there = self.networks(name).await?;
        if there.is_empty() {
            let labels = json!({label::NETWORK: "tasks"});
            let body = json!({
                "Name": name, "Driver": "bridge", "CheckDuplicate": true, "Labels": labels
            });
            let made = self
                .transport
                .json(Method::POST, "/networks/create", Some(&body))
                .await;
            match made {
                Ok(_) | Err(EngineError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            there = self.networks(name).await?;
        }
        for (surplus, ours) in there.into_iter().skip(1) {
            if !ours {
                let why = EngineError::Refused("this program did not make it".to_owned());
                return Err(in_use(name, &surplus, &why));
            }
            let removal = self.docker.remove_network(&surplus);
            let removed = self.call(ANSWER_WAIT, removal).await;
            // Another control plane may have been quicker.
            unless(removed, |e| matches!(e, EngineError::NotFound(_)))
                .map_err(|error| in_use(name, &surplus, &error))?;
        }
        Ok(())
    }

    /// The ids of the networks of that name, the oldest first, and whether this program made them.
    pub(in crate::docker) async fn networks(
        &self,
        name: &str,
    ) -> EngineResult<Vec<(String, bool)>> {
        // The engine's own filter also finds names that only begin alike.
        let filters = HashMap::from([("name", vec![name])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let listed = self
            .call(ANSWER_WAIT, self.docker.list_networks(Some(options)))
            .await?;
        let mut found: Vec<_> = listed
            .into_iter()
            .filter(|network| network.name.as_deref() == Some(name))
            .filter_map(|network| {
                let labels = network.labels.as_ref();
                let ours = labels.is_some_and(|all| all.contains_key(label::NETWORK));
                Some((age_key(&network), network.id?, ours))
            })
            .collect();
        found.sort();
        Ok(found.into_iter().map(|(_, id, ours)| (id, ours)).collect())
    }
}

/// Sorts by when a network was made; one without a readable time comes last.
fn age_key(network: &Network) -> (bool, Option<jiff::Timestamp>) {
    let made = network.created.as_ref().and_then(|at| at.parse().ok());
    (made.is_none(), made)
}

fn in_use(name: &str, id: &str, error: &EngineError) -> EngineError {
    EngineError::Failed(format!(
        "this engine has two networks named {name}, so that no task can be started in it; the newer \
         one cannot be removed ({error}): remove what uses it, then `docker network rm {id}`"
    ))
}

/// Whether a container did not start because there are two networks of its network's name.
pub(super) fn is_ambiguous(error: &EngineError) -> bool {
    let text = error.to_string();
    text.contains("network ") && text.contains("is ambiguous")
}
