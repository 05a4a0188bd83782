//! A plugin's extensions as ordinary functions: asked for once, layouts checked, answers bounded.

use std::sync::Arc;

use kora_plugin_abi::{
    self as abi, AbiFuture, LayoutMismatch, OwnedBytes, abi_stable::std_types::RResult::ROk, daemon1,
    identity1, listener1, prompt1, resource1, tool1, webhook1,
};

use super::{
    call::{CallError, CallErrorKind},
    caller::Caller,
    library::LoadedLibrary,
};

/// A snapshot larger than this is not even parsed: two texts of 256 KiB, 64 KiB of metadata, escapes.
const SNAPSHOT_BYTES: usize = 4 << 20;

/// An answer of a tool or its kin that is larger than this is not even parsed.
const ANSWER_BYTES: usize = 4 << 20;

/// An extension whose layout is not the one compiled here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("its `{extension}` has another layout: {mismatch}")]
pub struct ExtensionMismatch {
    /// The id.
    pub extension: &'static str,
    /// What differs.
    pub mismatch: LayoutMismatch,
}

/// The extensions that a plugin has. What is `async` is called on a thread of its own.
#[derive(Clone, Copy)]
pub struct Extensions {
    caller: &'static Caller,
    identity: Option<&'static identity1::Identity>,
    daemon: Option<&'static daemon1::Daemon>,
    listener: Option<&'static listener1::Listener>,
    tool: Option<&'static tool1::Tool>,
    prompt: Option<&'static prompt1::Prompt>,
    resource: Option<&'static resource1::Resource>,
    webhook: Option<&'static webhook1::Webhook>,
    #[cfg(feature = "next")]
    identity2: Option<&'static abi::identity2::Identity>,
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

impl Extensions {
    /// Asks the library of `plugin` for each extension that this host knows.
    ///
    /// # Errors
    /// `ExtensionMismatch` for the first whose layout differs. An extension that is absent is no error.
    pub fn query(plugin: &str, library: &LoadedLibrary) -> Result<Self, ExtensionMismatch> {
        fn checked<T>(
            extension: &'static str,
            found: Option<Result<&'static T, LayoutMismatch>>,
        ) -> Result<Option<&'static T>, ExtensionMismatch> {
            found
                .transpose()
                .map_err(|mismatch| ExtensionMismatch { extension, mismatch })
        }
        Ok(Self {
            identity: checked(identity1::ID, library.extension(identity1::ID))?,
            daemon: checked(daemon1::ID, library.extension(daemon1::ID))?,
            listener: checked(listener1::ID, library.extension(listener1::ID))?,
            tool: checked(tool1::ID, library.extension(tool1::ID))?,
            prompt: checked(prompt1::ID, library.extension(prompt1::ID))?,
            resource: checked(resource1::ID, library.extension(resource1::ID))?,
            webhook: checked(webhook1::ID, library.extension(webhook1::ID))?,
            #[cfg(feature = "next")]
            identity2: checked(abi::identity2::ID, library.extension(abi::identity2::ID))?,
            // Last: it stays for ever, and a library that does not fit may be looked at again and again.
            caller: Caller::of(plugin),
        })
    }

    /// The ids of those that the plugin has, sorted.
    pub fn ids(&self) -> Vec<&'static str> {
        let known = [
            (daemon1::ID, self.daemon.is_some()),
            (identity1::ID, self.identity.is_some()),
            #[cfg(feature = "next")]
            (abi::identity2::ID, self.identity2.is_some()),
            (listener1::ID, self.listener.is_some()),
            (prompt1::ID, self.prompt.is_some()),
            (resource1::ID, self.resource.is_some()),
            (tool1::ID, self.tool.is_some()),
            (webhook1::ID, self.webhook.is_some()),
        ];
        known
            .into_iter()
            .filter(|(_, has)| *has)
            .map(|(id, _)| id)
            .collect()
    }

    /// Asks an identity provider. Blocks for as long as the plugin likes: call it through
    /// [`off_runtime`](super::off_runtime).
    ///
    /// # Errors
    /// What the plugin answered, or an answer of more than 4 MiB.
    pub fn snapshot(
        &self,
        provider: u64,
        tenant: &str,
        config: &[u8],
        next_generation: u64,
    ) -> Result<Vec<u8>, CallError> {
        let (tenant, config) = (tenant.as_bytes().into(), config.into());
        let answer = self.newest_snapshot(provider, tenant, config, next_generation)?;
        let bytes = answer.into_result().map_err(CallError::from_abi)?;
        if bytes.len() > SNAPSHOT_BYTES {
            let message = format!(
                "the snapshot has {} bytes, expected at most {SNAPSHOT_BYTES}",
                bytes.len()
            );
            return Err(CallError::new(CallErrorKind::Failed, message));
        }
        Ok(bytes.into_vec())
    }

    /// Through the newest revision of the extension that both sides have.
    fn newest_snapshot(
        &self,
        provider: u64,
        tenant: abi::Bytes<'_>,
        config: abi::Bytes<'_>,
        next_generation: u64,
    ) -> Result<abi::AbiResult<abi::OwnedBytes>, CallError> {
        #[cfg(feature = "next")]
        if let Some(identity) = self.identity2 {
            return Ok((identity.snapshot)(provider, tenant, config, next_generation));
        }
        // Only later revisions tell the provider.
        let _ = next_generation;
        let identity = self.identity.ok_or_else(|| absent(identity1::ID))?;
        Ok((identity.snapshot)(provider, tenant, config))
    }

    /// Starts a daemon entry. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn startup(&self, entry: u64) -> Result<(), CallError> {
        let daemon = self.daemon.ok_or_else(|| absent(daemon1::ID))?;
        self.caller.call(move || (daemon.startup)(entry)).await
    }

    /// Runs a periodic task of a daemon entry. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn tick(&self, entry: u64, task: u32) -> Result<(), CallError> {
        let daemon = self.daemon.ok_or_else(|| absent(daemon1::ID))?;
        self.caller.call(move || (daemon.tick)(entry, task)).await
    }

    /// Shuts a daemon entry down, once its cancelled work has ended.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn shutdown(&self, entry: u64) -> Result<(), CallError> {
        let daemon = self.daemon.ok_or_else(|| absent(daemon1::ID))?;
        self.caller.call(move || (daemon.shutdown)(entry)).await
    }

    /// Waits until the plugin's thread takes a turn; of a plugin that has no `daemon/1`, and so none that could be asked, the one on
    /// which it is called. Give it a deadline.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn probe(&self) -> Result<(), CallError> {
        let daemon = self.daemon;
        let turn = move || match daemon {
            Some(daemon) => (daemon.probe)(),
            None => AbiFuture::new(std::future::ready(ROk(()))),
        };
        self.caller.call(turn).await
    }

    /// Tells a listener of an event.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn on_event(&self, listener: u64, event: Arc<[u8]>) -> Result<(), CallError> {
        let table = self.listener.ok_or_else(|| absent(listener1::ID))?;
        self.caller
            .call(move || (table.on_event)(listener, event[..].into()))
            .await
    }

    /// Tells a listener of a state change.
    ///
    /// # Errors
    /// What the plugin answered.
    pub async fn on_state(&self, listener: u64, change: Arc<[u8]>) -> Result<(), CallError> {
        let table = self.listener.ok_or_else(|| absent(listener1::ID))?;
        self.caller
            .call(move || (table.on_state)(listener, change[..].into()))
            .await
    }

    /// Calls a tool. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// What the plugin answered, or an answer of more than 4 MiB.
    pub async fn call_tool(&self, tool: u64, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let table = self.tool.ok_or_else(|| absent(tool1::ID))?;
        self.ask(move || (table.call)(tool, request[..].into())).await
    }

    /// Gets a prompt. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn get_prompt(&self, prompt: u64, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let table = self.prompt.ok_or_else(|| absent(prompt1::ID))?;
        self.ask(move || (table.get)(prompt, request[..].into())).await
    }

    /// Asks what could stand in an argument of a prompt. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn complete_prompt(&self, prompt: u64, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let table = self.prompt.ok_or_else(|| absent(prompt1::ID))?;
        self.ask(move || (table.complete)(prompt, request[..].into()))
            .await
    }

    /// Reads a resource. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn read_resource(&self, resource: u64, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let table = self.resource.ok_or_else(|| absent(resource1::ID))?;
        self.ask(move || (table.read)(resource, request[..].into())).await
    }

    /// Asks what could stand in a variable of a template. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn complete_resource(&self, resource: u64, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let table = self.resource.ok_or_else(|| absent(resource1::ID))?;
        self.ask(move || (table.complete)(resource, request[..].into()))
            .await
    }

    /// Hands over what came to a webhook. Dropping the future asks for cancellation.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn receive(&self, webhook: u64, request: Vec<u8>, body: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let table = self.webhook.ok_or_else(|| absent(webhook1::ID))?;
        self.ask(move || (table.receive)(webhook, request[..].into(), body[..].into()))
            .await
    }

    async fn ask(
        &self,
        begin: impl FnOnce() -> AbiFuture<OwnedBytes> + Send + 'static,
    ) -> Result<Vec<u8>, CallError> {
        let bytes = self.caller.call(begin).await?;
        if bytes.len() > ANSWER_BYTES {
            let message = format!(
                "the answer has {} bytes, expected at most {ANSWER_BYTES}",
                bytes.len()
            );
            return Err(CallError::new(CallErrorKind::TooLarge, message));
        }
        Ok(bytes.into_vec())
    }
}

fn absent(id: &str) -> CallError {
    CallError::new(CallErrorKind::Failed, format!("the plugin has no `{id}`"))
}
