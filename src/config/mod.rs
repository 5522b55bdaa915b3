//! File, environment and flags → validated [`Settings`], with errors that point at the line.

mod settings;

pub use settings::{ClusterSettings, Endpoint, InstanceSettings, Settings, SshEndpoint, TlsFiles};
