//! What one decision takes in, and who waits for its answers.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::command::{CommandError, Response};
use super::core::Input;
use super::handle::{Answer, ReloadRefusal, ReplyTo, Request};
use super::orphaned::Orphaned;
use super::outage;
use crate::model::Snapshot;

/// What one decision takes in.
#[derive(Default)]
pub(super) struct Intake {
    pub inputs: Vec<Input>,
    pub replies: Replies,
}

impl Intake {
    pub fn request(&mut self, request: Request) {
        match request {
            Request::Command {
                command,
                who,
                reply,
            } => {
                self.inputs.push(Input::Command { command, who });
                self.replies.commands.push(reply);
            }
            Request::Batch { batch, reply } => {
                self.inputs.push(Input::Batch(batch));
                self.replies.batches.push(reply);
            }
            Request::Reload { reload, reply } => {
                self.inputs.push(Input::Reload(reload));
                self.replies.reloads.push(reply);
            }
            Request::ReloadRefused { reason, reply } => {
                self.inputs.push(Input::ReloadRefused(reason));
                self.replies.noted.push(reply);
            }
            Request::Probe { reply } => {
                self.inputs.push(Input::Wake);
                self.replies.noted.push(reply);
            }
        }
    }
}

/// Who waits for the answers of a decision.
#[derive(Default)]
pub(super) struct Replies {
    commands: Vec<ReplyTo<Response>>,
    batches: Vec<ReplyTo<Vec<Response>>>,
    reloads: Vec<oneshot::Sender<Result<(), ReloadRefusal>>>,
    /// They want to know that a decision was made, whatever came of it.
    noted: Vec<oneshot::Sender<()>>,
}

/// The answers of a decision.
pub(super) struct Answers {
    pub commands: Vec<Result<Response, CommandError>>,
    pub batches: Vec<Result<Vec<Response>, CommandError>>,
    pub reloads: Vec<Result<(), Orphaned>>,
}

impl Replies {
    /// Gives answers to who waits for them, with the picture that has their effect in it. Who
    /// asked may have gone; the change stands.
    pub fn give(self, answers: Answers, after: &Arc<Snapshot>) {
        each(self.commands, answers.commands, after);
        each(self.batches, answers.batches, after);
        for (reply, answer) in self.reloads.into_iter().zip(answers.reloads) {
            let _ = reply.send(answer.map_err(ReloadRefusal::Orphaned));
        }
        for reply in self.noted {
            let _ = reply.send(());
        }
    }

    /// Nothing was done, for this reason.
    pub fn refuse(self, refusal: &CommandError) {
        for reply in self.commands {
            let _ = reply.send(Err(refusal.clone()));
        }
        for reply in self.batches {
            let _ = reply.send(Err(refusal.clone()));
        }
        for reply in self.reloads {
            let _ = reply.send(Err(ReloadRefusal::Store(outage::of_reload(refusal))));
        }
        for reply in self.noted {
            let _ = reply.send(());
        }
    }
}

fn each<T>(replies: Vec<ReplyTo<T>>, answers: Vec<Result<T, CommandError>>, after: &Arc<Snapshot>) {
    for (reply, answer) in replies.into_iter().zip(answers) {
        let answer = answer.map(|response| Answer {
            response,
            snapshot: after.clone(),
        });
        let _ = reply.send(answer);
    }
}
