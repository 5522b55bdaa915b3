//! The image of the holders, put on the engine.

use bollard::body_full;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;

use super::{BollardEngine, WORK_WAIT};
use crate::docker::holder_image::{IMAGE, archive};
use crate::docker::image::reference;
use crate::docker::{Engine, EngineError, EngineResult};

impl BollardEngine {
    /// Makes the holders' image from the archive of its one program, unless it is there.
    pub(super) async fn holder_image(&self) -> EngineResult<()> {
        // One at a time: each import would leave an image behind.
        let _alone = self.holder.lock().await;
        if self.has_image(IMAGE).await? {
            return Ok(());
        }
        let architecture = self.info().await?.architecture;
        let archive = archive(&architecture).ok_or_else(|| {
            EngineError::Refused(format!(
                "{}: the engine's processor is {architecture}, and a network namespace for a task \
                 can be made on x86_64 and aarch64 only; use networkMode bridge or host there",
                self.transport.endpoint()
            ))
        })?;
        let name = reference(IMAGE);
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(name.name)
            .tag(name.tag)
            .build();
        let body = body_full(archive.into());
        let steps = self.docker.create_image(Some(options), Some(body), None);
        let steps = steps.try_for_each(|_| async { Ok(()) });
        self.call(WORK_WAIT, steps).await
    }
}
