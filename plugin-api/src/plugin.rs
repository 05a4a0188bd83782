//! The plugin itself, and registering what it offers.

use std::sync::Arc;

use crate::{
    BackgroundDaemon, Config, Host, IdentityProvider, Listener, PluginError, Prompt, Resource, Result,
    Subscription, Tool, Webhook, listener::ErasedListener,
};

/// What [`export_plugin!`](crate::export_plugin) exports. It is made with [`Default`] once, and dropped after `register`.
pub trait Plugin: Default + Send + Sync + 'static {
    /// Says what the plugin offers. Nothing of it runs before the host has accepted the whole; if this fails, or the
    /// manifest does not list something, all of it is dropped. It may block briefly. Of the host's services, only logging,
    /// the clock and the configuration answer yet.
    ///
    /// # Errors
    /// If the plugin cannot be used; the host shows the message.
    fn register(&self, registrar: &mut Registrar<'_>) -> Result;
}

#[derive(Default)]
pub(crate) struct Staged {
    pub providers: Vec<(String, Arc<dyn IdentityProvider>)>,
    pub daemons: Vec<BackgroundDaemon>,
    pub listeners: Vec<(String, Subscription, Arc<dyn ErasedListener>)>,
    pub tools: Vec<Tool>,
    pub prompts: Vec<Prompt>,
    pub resources: Vec<Resource>,
    pub webhooks: Vec<Webhook>,
}

/// Where a plugin says what it offers.
pub struct Registrar<'a> {
    pub(crate) staged: &'a mut Staged,
    pub(crate) host: Host,
}

impl Registrar<'_> {
    /// The plugin's configuration, without any tenant's overrides.
    ///
    /// # Errors
    /// If the host does not answer.
    pub fn config(&self) -> Result<Config> {
        self.host.config("")
    }

    /// Offers an identity. Names are unique within the plugin.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn identity_provider(&mut self, name: impl Into<String>, provider: impl IdentityProvider) -> Result {
        let name = name.into();
        unique(
            "identity provider",
            &name,
            self.staged.providers.iter().map(|(taken, _)| taken),
        )?;
        self.staged.providers.push((name, Arc::new(provider)));
        Ok(())
    }

    /// Offers a background daemon. Names are unique within the plugin, and so are the task names of one daemon.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn background_daemon(&mut self, daemon: BackgroundDaemon) -> Result {
        unique(
            "daemon",
            &daemon.name,
            self.staged.daemons.iter().map(|taken| &taken.name),
        )?;
        for (index, task) in daemon.tasks.iter().enumerate() {
            unique(
                "periodic task",
                &task.name,
                daemon.tasks[..index].iter().map(|taken| &taken.name),
            )?;
        }
        self.staged.daemons.push(daemon);
        Ok(())
    }

    /// Offers a listener. Names are unique within the plugin.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn listener(
        &mut self,
        name: impl Into<String>,
        subscription: Subscription,
        listener: impl Listener,
    ) -> Result {
        let name = name.into();
        unique(
            "listener",
            &name,
            self.staged.listeners.iter().map(|(taken, ..)| taken),
        )?;
        self.staged
            .listeners
            .push((name, subscription, Arc::new(listener)));
        Ok(())
    }

    /// Offers a tool to callers of the host. Names are unique in a host: begin with your plugin's.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn tool(&mut self, tool: Tool) -> Result {
        unique(
            "tool",
            &tool.name,
            self.staged.tools.iter().map(|taken| &taken.name),
        )?;
        self.staged.tools.push(tool);
        Ok(())
    }

    /// Offers a prompt to callers of the host. Names are unique in a host.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn prompt(&mut self, prompt: Prompt) -> Result {
        unique(
            "prompt",
            &prompt.name,
            self.staged.prompts.iter().map(|taken| &taken.name),
        )?;
        self.staged.prompts.push(prompt);
        Ok(())
    }

    /// Offers a resource, or a template of many, to callers of the host. URIs are unique in a host.
    ///
    /// # Errors
    /// If the URI is taken.
    pub fn resource(&mut self, resource: Resource) -> Result {
        unique(
            "resource",
            &resource.uri,
            self.staged.resources.iter().map(|taken| &taken.uri),
        )?;
        self.staged.resources.push(resource);
        Ok(())
    }

    /// Takes what comes to a webhook. Names are unique within the plugin.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn webhook(&mut self, webhook: Webhook) -> Result {
        unique(
            "webhook",
            &webhook.name,
            self.staged.webhooks.iter().map(|taken| &taken.name),
        )?;
        self.staged.webhooks.push(webhook);
        Ok(())
    }
}

fn unique<'a>(what: &str, name: &str, mut taken: impl Iterator<Item = &'a String>) -> Result {
    if taken.any(|taken| taken == name) {
        return Err(PluginError::new(format!(
            "the {what} `{name}` is registered twice"
        )));
    }
    Ok(())
}
