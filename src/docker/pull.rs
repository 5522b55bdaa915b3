//! A pull under way: its progress, its errors, its end.

use futures_util::stream::{self, BoxStream, StreamExt};
use hyper::Method;

use super::image::{Announcement, Layers};
use super::transport::Transport;
use super::{EngineError, EngineResult, PullStep};

struct Pull {
    transport: Transport,
    announcements: BoxStream<'static, EngineResult<Announcement>>,
    image: String,
    layers: Layers,
    /// What was wrong about credentials: it may well be why a pull fails.
    warnings: Vec<String>,
}

/// The steps of a pull from what the engine announces. The stream ends once the image is there,
/// or with the error.
#[must_use]
pub fn steps(
    transport: Transport,
    announcements: BoxStream<'static, EngineResult<Announcement>>,
    image: String,
    warnings: Vec<String>,
) -> BoxStream<'static, EngineResult<PullStep>> {
    let pull = Pull {
        transport,
        announcements,
        image,
        layers: Layers::default(),
        warnings,
    };
    stream::try_unfold(pull, |mut pull| async move {
        let step = pull.next().await;
        let step = step.map_err(|error| pull.explained(error))?;
        Ok(step.map(|step| (step, pull)))
    })
    .boxed()
}

impl Pull {
    async fn next(&mut self) -> EngineResult<Option<PullStep>> {
        while let Some(announced) = self.announcements.next().await {
            if let Some(step) = self.layers.announce(&announced?) {
                return Ok(Some(step));
            }
        }
        // The engine's last word is not always an error when something went wrong.
        let path = format!("/images/{}/json", self.image);
        self.transport.open(Method::GET, &path, None).await?;
        Ok(None)
    }

    fn explained(&self, error: EngineError) -> EngineError {
        if self.warnings.is_empty() {
            error
        } else {
            error.with(&self.warnings.join("; "))
        }
    }
}
