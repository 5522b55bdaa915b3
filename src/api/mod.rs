//! The wire: ECS's own operations and shapes, and what ECS has no word for under `/v1/`.

pub mod query;
pub mod shape;

pub use query::query;
