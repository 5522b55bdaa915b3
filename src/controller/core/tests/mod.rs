mod commands;
mod fleet;
mod observing;
mod purging;
mod rig;
mod services;
mod storm;
