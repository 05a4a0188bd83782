//! What plugins offer to callers of the host: tools, prompts, resources and webhooks.
//!
//! They are listed and called through the [`Registry`](super::Registry). Whether a caller may do so (capability, tenant, arguments that
//! fit the schema, the audit) is decided before, by whoever asks; here stands what concerns the plugin: whether it is there, how long it
//! may take, and that what it answers is what it must be.

mod answer;
mod calls;
mod change;
mod error;
mod request;
mod template;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;

pub use answer::{WebhookAnswer, WebhookStatus};
pub(super) use answer::{completion, prompt_result, resource_result, tool_result, webhook_answer};
pub(super) use calls::OpenCalls;
pub use calls::{CallLogLevel, CallNotice, LogNotice, ProgressNotice};
pub(super) use change::OfferSignals;
pub use change::{OfferGenerations, ResourceUpdated};
pub use error::OfferError;
pub use request::{CompletionArgument, CompletionRequest, OfferCaller, OfferRequest, WebhookRequest};
pub use template::Template;

use super::{
    context::{PluginIdentity, PortError},
    registration::{
        PromptRegistration, Registration, ResourceRegistration, ToolRegistration, WebhookRegistration,
    },
};
use crate::domain::{TenantId, wire_enum};

/// The way in for plugins that call tools: the same gate, schema check and audit that callers pass.
#[async_trait]
pub trait ToolGate: Send + Sync + 'static {
    /// Calls the tool `name` for `tenant`, which the plugin acts for. Answers the tool's result as MCP has it.
    ///
    /// # Errors
    /// [`PortError::Denied`] if the plugin may not call it, [`PortError::Invalid`] if there is no such tool or the arguments do not fit,
    /// else what became of it. The message goes to the plugin.
    async fn call(
        &self,
        plugin: &PluginIdentity,
        tenant: TenantId,
        name: &str,
        arguments: Value,
    ) -> Result<Value, PortError>;
}

wire_enum! {
    /// A kind of thing that a plugin offers.
    OfferKind, "kind of offer" {
        /// A tool.
        Tool = "tool",
        /// A prompt.
        Prompt = "prompt",
        /// A resource or a template of many.
        Resource = "resource",
        /// A webhook.
        Webhook = "webhook",
    }
}

/// What all kinds of offers have.
pub trait OfferDescriptor {
    /// Its kind.
    const KIND: OfferKind;
    /// By which it is asked for: a tool's or prompt's name, a resource's URI or template.
    fn name(&self) -> &str;
    /// How the plugin knows it.
    fn handle(&self) -> u64;
    /// How long one call may take.
    fn deadline(&self) -> Duration;
}

macro_rules! descriptor {
    ($registration:ty, $kind:expr, $name:ident) => {
        impl OfferDescriptor for $registration {
            const KIND: OfferKind = $kind;
            fn name(&self) -> &str {
                self.$name.as_str()
            }
            fn handle(&self) -> u64 {
                self.handle
            }
            fn deadline(&self) -> Duration {
                self.deadline()
            }
        }
    };
}

descriptor!(ToolRegistration, OfferKind::Tool, name);
descriptor!(PromptRegistration, OfferKind::Prompt, name);
descriptor!(ResourceRegistration, OfferKind::Resource, uri);
descriptor!(WebhookRegistration, OfferKind::Webhook, name);

/// One thing that a plugin offers.
#[derive(Debug)]
pub struct Offer<D> {
    plugin: PluginIdentity,
    descriptor: D,
    is_poisoned: AtomicBool,
    is_hidden: AtomicBool,
}

/// A tool of a plugin.
pub type PluginTool = Offer<ToolRegistration>;
/// A prompt of a plugin.
pub type PluginPrompt = Offer<PromptRegistration>;
/// A resource of a plugin, or a template of many.
pub type PluginResource = Offer<ResourceRegistration>;
/// A webhook of a plugin.
pub type PluginWebhook = Offer<WebhookRegistration>;

impl<D: OfferDescriptor> Offer<D> {
    fn new(plugin: &PluginIdentity, descriptor: &D) -> Arc<Self>
    where
        D: Clone,
    {
        Arc::new(Self {
            plugin: plugin.clone(),
            descriptor: descriptor.clone(),
            is_poisoned: AtomicBool::new(false),
            is_hidden: AtomicBool::new(false),
        })
    }

    /// Whose it is: name, version and digest.
    pub fn plugin(&self) -> &PluginIdentity {
        &self.plugin
    }

    /// What was registered of it.
    pub fn descriptor(&self) -> &D {
        &self.descriptor
    }

    /// Whether it panicked. It stays listed, and answers with an error until the host starts again.
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Acquire)
    }

    /// Whether its plugin hides it for now. Such a one is not listed.
    pub fn is_hidden(&self) -> bool {
        self.is_hidden.load(Ordering::Acquire)
    }

    pub(super) fn poison(&self) {
        self.is_poisoned.store(true, Ordering::Release);
    }

    /// As it is named in messages: "tool `x`".
    pub(super) fn title(&self) -> String {
        format!("{} `{}`", D::KIND, self.descriptor.name())
    }
}

/// All that one plugin offers.
#[derive(Debug, Default)]
pub struct Offers {
    /// In the order in which they were registered.
    pub tools: Vec<Arc<PluginTool>>,
    /// Likewise.
    pub prompts: Vec<Arc<PluginPrompt>>,
    /// Likewise.
    pub resources: Vec<Arc<PluginResource>>,
    /// Likewise.
    pub webhooks: Vec<Arc<PluginWebhook>>,
}

impl Offers {
    pub(super) fn of(plugin: &PluginIdentity, registration: &Registration) -> Self {
        fn all<D: OfferDescriptor + Clone>(plugin: &PluginIdentity, list: &[D]) -> Vec<Arc<Offer<D>>> {
            list.iter()
                .map(|descriptor| Offer::new(plugin, descriptor))
                .collect()
        }
        Self {
            tools: all(plugin, &registration.tools),
            prompts: all(plugin, &registration.prompts),
            resources: all(plugin, &registration.resources),
            webhooks: all(plugin, &registration.webhooks),
        }
    }

    /// The names of one kind that must be unique in a host. Webhooks have their plugin's name in their path.
    pub(super) fn names(&self, kind: OfferKind) -> Vec<&str> {
        match kind {
            OfferKind::Tool => names(&self.tools),
            OfferKind::Prompt => names(&self.prompts),
            OfferKind::Resource => names(&self.resources),
            OfferKind::Webhook => Vec::new(),
        }
    }

    /// The one that this URI stands for, with the values of its variables. One without variables goes first.
    pub fn resource(&self, uri: &str) -> Option<(&Arc<PluginResource>, BTreeMap<String, String>)> {
        if let Some(plain) = find(&self.resources, uri) {
            return Some((plain, BTreeMap::new()));
        }
        self.resources.iter().find_map(|resource| {
            let template = Template::parse(resource.descriptor.name()).ok()?;
            Some((resource, template.matches(uri)?))
        })
    }

    /// Whether it stands for a resource of these, and for no template.
    pub(super) fn holds_resource(&self, uri: &str) -> bool {
        !uri.contains(['{', '}']) && self.resource(uri).is_some()
    }

    /// Those that panicked, as "tool `x`".
    pub fn poisoned(&self) -> Vec<String> {
        fn titles<D: OfferDescriptor>(list: &[Arc<Offer<D>>]) -> Vec<String> {
            let poisoned = list.iter().filter(|offer| offer.is_poisoned());
            poisoned
                .map(|offer| format!("{} {}", D::KIND, offer.descriptor.name()))
                .collect()
        }
        [
            titles(&self.tools),
            titles(&self.prompts),
            titles(&self.resources),
            titles(&self.webhooks),
        ]
        .concat()
    }

    /// Shows or hides one. Answers whether that changed anything; `None` if there is no such offer.
    pub(super) fn set_offered(&self, kind: OfferKind, name: &str, is_offered: bool) -> Option<bool> {
        fn set<D: OfferDescriptor>(list: &[Arc<Offer<D>>], name: &str, is_hidden: bool) -> Option<bool> {
            let offer = find(list, name)?;
            Some(offer.is_hidden.swap(is_hidden, Ordering::AcqRel) != is_hidden)
        }
        match kind {
            OfferKind::Tool => set(&self.tools, name, !is_offered),
            OfferKind::Prompt => set(&self.prompts, name, !is_offered),
            OfferKind::Resource => set(&self.resources, name, !is_offered),
            OfferKind::Webhook => None,
        }
    }
}

fn names<D: OfferDescriptor>(list: &[Arc<Offer<D>>]) -> Vec<&str> {
    list.iter().map(|offer| offer.descriptor.name()).collect()
}

/// The one of that name.
pub(super) fn find<'a, D: OfferDescriptor>(
    list: &'a [Arc<Offer<D>>],
    name: &str,
) -> Option<&'a Arc<Offer<D>>> {
    list.iter().find(|offer| offer.descriptor.name() == name)
}
