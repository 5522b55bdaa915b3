//! The agents of a control plane: one for each instance, kept up with the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::core::MOVED;
use crate::agent::{self, AgentHandle, Clock, Courier, EngineDirectory, Tuning, Vault};
use crate::config::{Difference, InstanceChange, InstanceSettings, Settings};
use crate::docker::Connector;
use crate::model::{InstanceName, Observation};

/// What every agent is given.
pub(super) struct Berth {
    /// Brings them what is published.
    pub courier: Courier,
    pub reports: mpsc::Sender<Observation>,
    pub engines: EngineDirectory,
    pub connector: Arc<dyn Connector>,
    pub clock: Arc<dyn Clock>,
    pub tuning: Tuning,
}

/// The agents at work, and the configuration that they go by.
pub(super) struct Crew {
    berth: Berth,
    vault: Arc<Vault>,
    settings: Settings,
    agents: BTreeMap<InstanceName, AgentHandle>,
}

impl Crew {
    /// Starts one agent for each instance.
    pub fn muster(berth: Berth, settings: Settings) -> Self {
        let mut crew = Self {
            berth,
            vault: Arc::new(Vault::new(&settings)),
            agents: BTreeMap::new(),
            settings,
        };
        for instance in crew.settings.instances.clone() {
            crew.sign_on(instance);
        }
        crew
    }

    /// The configuration that it goes by.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Goes by another configuration, which the state has already: only the agents of instances
    /// that came, went or are reached elsewhere are touched.
    pub async fn follow(&mut self, settings: Settings, difference: &Difference) {
        // Before an agent makes anything by the new roles.
        self.vault.renew(&settings);
        for name in difference.of(InstanceChange::Removed) {
            self.sign_off(name).await;
        }
        for name in difference.of(InstanceChange::Moved) {
            let heard = self.berth.engines.heard();
            self.sign_off(name).await;
            // After all that the old agent reported and before all that the new one will: what
            // is known of the instance is from where it was.
            let silence = Observation::Disconnected {
                instance: name.clone(),
                reason: MOVED.to_owned(),
                heard_at: heard.get(name).copied(),
            };
            if self.berth.reports.send(silence).await.is_err() {
                tracing::debug!(instance = %name, "nobody takes reports any more");
            }
        }
        let is_new = |it: &&InstanceSettings| {
            let change = difference.instances.get(&it.name);
            matches!(change, Some(InstanceChange::Added | InstanceChange::Moved))
        };
        let new: Vec<_> = settings.instances.iter().filter(is_new).cloned().collect();
        for instance in new {
            self.sign_on(instance);
        }
        self.settings = settings;
    }

    fn sign_on(&mut self, instance: InstanceSettings) {
        let berth = &self.berth;
        let agent = agent::spawn(
            instance,
            berth.connector.clone(),
            berth.courier.feed(),
            berth.reports.clone(),
            berth.clock.clone(),
            berth.tuning.clone(),
            self.vault.clone(),
        );
        let name = agent.instance.clone();
        let heard = agent.heard.clone();
        berth
            .engines
            .enter(name.clone(), agent.engine.clone(), heard);
        self.agents.insert(name, agent);
    }

    async fn sign_off(&mut self, name: &InstanceName) {
        self.berth.engines.strike_out(name);
        if let Some(agent) = self.agents.remove(name) {
            agent.stop().await;
        }
    }

    /// Ends every agent.
    pub async fn dismiss(self) {
        for agent in self.agents.into_values() {
            agent.stop().await;
        }
    }
}
