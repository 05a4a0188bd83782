//! What all plugins offer, in one list, and calling it.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, mpsc, watch};

use super::{Record, Registry};
use crate::{
    domain::TenantId,
    plugin::{
        call::{CallError, CallErrorKind},
        context::OFFERS_UNDER_WAY,
        instance::{Instance, StartError},
        lifecycle::PluginState,
        offers::{
            self, CallNotice, CompletionRequest, Offer, OfferDescriptor, OfferError, OfferGenerations,
            OfferKind, OfferRequest, Offers, PluginPrompt, PluginResource, PluginTool, PluginWebhook,
            ResourceUpdated, WebhookAnswer, WebhookRequest,
        },
        refusal::Refusal,
    },
};

/// A request larger than this is not handed over: arguments have narrower limits where they come in.
const REQUEST_BYTES: usize = 4 << 20;

/// What is read on a worker of the runtime. More is read where it delays nobody.
const READ_IN_PLACE_BYTES: usize = 64 << 10;

impl Registry {
    /// The tools of all plugins that can be called now, by plugin and in the order in which they were registered.
    pub fn tools(&self) -> Vec<Arc<PluginTool>> {
        self.offered(|offers| &offers.tools)
    }

    /// The prompts of all plugins, likewise.
    pub fn prompts(&self) -> Vec<Arc<PluginPrompt>> {
        self.offered(|offers| &offers.prompts)
    }

    /// The resources and templates of all plugins, likewise.
    pub fn resources(&self) -> Vec<Arc<PluginResource>> {
        self.offered(|offers| &offers.resources)
    }

    /// The webhooks of all plugins, likewise.
    pub fn webhooks(&self) -> Vec<Arc<PluginWebhook>> {
        self.offered(|offers| &offers.webhooks)
    }

    /// The resource that this URI stands for, with the values of a template's variables. One without variables goes first.
    pub fn resource(&self, uri: &str) -> Option<(Arc<PluginResource>, BTreeMap<String, String>)> {
        let plugins = self.read();
        let found: Vec<_> = plugins
            .values()
            .filter_map(reachable)
            .filter_map(|instance| instance.offers().resource(uri))
            .filter(|(resource, _)| !resource.is_hidden())
            .collect();
        let plain = found
            .iter()
            .find(|(resource, _)| resource.descriptor().name() == uri);
        let (resource, values) = plain.or(found.first())?;
        Some((Arc::clone(resource), values.clone()))
    }

    /// Whether the plugin acts for this tenant. What it offers can be called for no other.
    pub fn serves(&self, plugin: &str, tenant: &TenantId) -> bool {
        let instance = self.instance(plugin);
        instance.is_some_and(|instance| self.port.serves(&instance.identity().name, tenant))
    }

    /// Counts what changed in the lists above. It moves after the lists have.
    pub fn offer_generations(&self) -> watch::Receiver<OfferGenerations> {
        self.signals.generations()
    }

    /// Resources that changed, as their plugins tell. Who falls behind is told by the receiver, and reads again what it watches.
    pub fn resource_updates(&self) -> broadcast::Receiver<ResourceUpdated> {
        self.signals.updates()
    }

    /// Calls a tool. What it tells meanwhile goes into `notices`; what finds no room there is left out. The arguments must fit the tool's
    /// schema; whether `structuredContent` fits the other one is for the caller to see.
    ///
    /// Answers the tool's result in MCP's shape (`content`, `structuredContent`, `isError`, `_meta`), or, with `resultType:
    /// "input_required"`, what it needs to know first. Dropping the future cancels the call.
    ///
    /// # Errors
    /// [`OfferError`]. A panic puts this tool out of use and no other; a thread that does not come back, the plugin.
    pub async fn call_tool(
        &self,
        plugin: &str,
        name: &str,
        request: &OfferRequest,
        notices: mpsc::Sender<CallNotice>,
    ) -> Result<Value, OfferError> {
        let instance = self.reach(plugin)?;
        let tool = one(&instance.offers().tools, name)?;
        let call = instance.context().open_calls.begin(notices);
        let json = request_json(request, &[("name", json!(name)), ("call", json!(call.number()))])?;
        let (extensions, handle) = (instance.extensions(), tool.descriptor().handle);
        let ask = extensions.call_tool(handle, json);
        let bytes = self.ask(&instance, tool, Some(&request.tenant), ask).await?;
        parsed(bytes, offers::tool_result).await
    }

    /// Gets a prompt. Answers MCP's result (`description`, `messages`, `_meta`), or what it needs to know first. Dropping the future
    /// cancels the call.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn get_prompt(
        &self,
        plugin: &str,
        name: &str,
        request: &OfferRequest,
    ) -> Result<Value, OfferError> {
        let instance = self.reach(plugin)?;
        let prompt = one(&instance.offers().prompts, name)?;
        let json = request_json(request, &[("name", json!(name))])?;
        let (extensions, handle) = (instance.extensions(), prompt.descriptor().handle);
        let ask = extensions.get_prompt(handle, json);
        let bytes = self.ask(&instance, prompt, Some(&request.tenant), ask).await?;
        parsed(bytes, offers::prompt_result).await
    }

    /// Reads a resource that [`resource`](Self::resource) found. Answers MCP's result (`contents`, `_meta`), or what it needs to know
    /// first. Dropping the future cancels the call.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool); [`OfferError::Unknown`] if the plugin knows of none under that URI.
    pub async fn read_resource(
        &self,
        plugin: &str,
        uri: &str,
        request: &OfferRequest,
    ) -> Result<Value, OfferError> {
        let instance = self.reach(plugin)?;
        let unknown = || OfferError::Unknown(format!("{} `{uri}`", OfferKind::Resource));
        let found = instance.offers().resource(uri);
        let (resource, values) = found
            .filter(|(resource, _)| !resource.is_hidden())
            .ok_or_else(unknown)?;
        let json = request_json(request, &[("uri", json!(uri)), ("arguments", json!(values))])?;
        let (extensions, handle) = (instance.extensions(), resource.descriptor().handle);
        let ask = extensions.read_resource(handle, json);
        let bytes = self.ask(&instance, resource, Some(&request.tenant), ask).await?;
        parsed(bytes, offers::resource_result).await?.ok_or_else(unknown)
    }

    /// What could stand in an argument of a prompt. Answers `{values, total?, hasMore?}`, as MCP's `completion`.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn complete_prompt(
        &self,
        plugin: &str,
        name: &str,
        request: &CompletionRequest,
    ) -> Result<Value, OfferError> {
        let instance = self.reach(plugin)?;
        let prompt = one(&instance.offers().prompts, name)?;
        let json = request_json(request, &[("name", json!(name))])?;
        let (extensions, handle) = (instance.extensions(), prompt.descriptor().handle);
        let ask = extensions.complete_prompt(handle, json);
        let bytes = self.ask(&instance, prompt, Some(&request.tenant), ask).await?;
        parsed(bytes, offers::completion).await
    }

    /// What could stand in a variable of a template, which is named as it was registered. Answers as
    /// [`complete_prompt`](Self::complete_prompt) does.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn complete_resource(
        &self,
        plugin: &str,
        template: &str,
        request: &CompletionRequest,
    ) -> Result<Value, OfferError> {
        let instance = self.reach(plugin)?;
        let resource = one(&instance.offers().resources, template)?;
        let json = request_json(request, &[("name", json!(template))])?;
        let (extensions, handle) = (instance.extensions(), resource.descriptor().handle);
        let ask = extensions.complete_resource(handle, json);
        let bytes = self.ask(&instance, resource, Some(&request.tenant), ask).await?;
        parsed(bytes, offers::completion).await
    }

    /// Hands over what came to a webhook; its body is no longer than the webhook takes. Dropping the future cancels the call.
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn receive_webhook(
        &self,
        plugin: &str,
        name: &str,
        request: WebhookRequest,
    ) -> Result<WebhookAnswer, OfferError> {
        let instance = self.reach(plugin)?;
        let webhook = one(&instance.offers().webhooks, name)?;
        let wanted = &webhook.descriptor().headers;
        let headers = request
            .headers
            .into_iter()
            .filter(|(name, _)| wanted.contains(name));
        let json = json!({
            "webhook": name,
            "headers": headers.collect::<Vec<_>>(),
            "received_at_us": request.received_at_us,
            "peer": request.peer,
        });
        let (extensions, handle) = (instance.extensions(), webhook.descriptor().handle);
        let ask = extensions.receive(handle, json.to_string().into_bytes(), request.body);
        // It is the plugin's to find out whose it is: whatever it does for a tenant, it does through services that ask for that.
        let bytes = self.ask(&instance, webhook, None, ask).await?;
        parsed(bytes, offers::webhook_answer).await
    }

    /// A name that is unique in a host belongs to the plugin that registered it first, whatever becomes of that one.
    pub(super) fn unless_taken(&self, instance: Instance) -> Result<Instance, StartError> {
        let name = &instance.identity().name;
        let plugins = self.read();
        for (owner, record) in plugins.iter().filter(|(owner, _)| *owner != name) {
            let Some(other) = &record.report.instance else {
                continue;
            };
            for kind in OfferKind::ALL {
                let taken = other.offers().names(*kind);
                let own = instance.offers().names(*kind);
                if let Some(twice) = own.into_iter().find(|name| taken.contains(name)) {
                    let refusal = Refusal::NameTaken {
                        what: kind.to_string(),
                        name: twice.to_owned(),
                        owner: owner.clone(),
                    };
                    instance.let_act(false);
                    return Err(refusal.into());
                }
            }
        }
        drop(plugins);
        Ok(instance)
    }

    /// What the plugin offers can be listed now, or can no longer.
    pub(super) fn tell_of_offers(&self, record: &Record) {
        let Some(instance) = &record.report.instance else {
            return;
        };
        let offers = instance.offers();
        let there_are = [
            (OfferKind::Tool, !offers.tools.is_empty()),
            (OfferKind::Prompt, !offers.prompts.is_empty()),
            (OfferKind::Resource, !offers.resources.is_empty()),
            (OfferKind::Webhook, !offers.webhooks.is_empty()),
        ];
        for (kind, _) in there_are.into_iter().filter(|(_, there_are)| *there_are) {
            self.signals.changed(kind);
        }
    }

    fn offered<D: OfferDescriptor>(&self, list: fn(&Offers) -> &Vec<Arc<Offer<D>>>) -> Vec<Arc<Offer<D>>> {
        let plugins = self.read();
        let instances = plugins.values().filter_map(reachable);
        let offers = instances.flat_map(|instance| list(instance.offers()));
        offers.filter(|offer| !offer.is_hidden()).cloned().collect()
    }

    /// The plugin's code, if what it offers may be called.
    fn reach(&self, plugin: &str) -> Result<Arc<Instance>, OfferError> {
        let gone = |state: &str| OfferError::Gone {
            plugin: plugin.chars().filter(|c| !c.is_control()).take(32).collect(),
            state: state.to_owned(),
        };
        let report = self.report(plugin).ok_or_else(|| gone("not there"))?;
        if report.state == PluginState::Wedged {
            return Err(OfferError::Wedged {
                plugin: plugin.to_owned(),
            });
        }
        let instance = report.instance.filter(|_| report.state.hears());
        instance.ok_or_else(|| gone(report.state.as_str()))
    }

    async fn ask<D: OfferDescriptor>(
        &self,
        instance: &Arc<Instance>,
        offer: &Offer<D>,
        tenant: Option<&TenantId>,
        ask: impl Future<Output = Result<Vec<u8>, CallError>>,
    ) -> Result<Vec<u8>, OfferError> {
        let plugin = &instance.identity().name;
        if !tenant.is_none_or(|tenant| self.port.serves(plugin, tenant)) {
            return Err(OfferError::NotServed {
                plugin: plugin.to_string(),
            });
        }
        if offer.is_poisoned() {
            return Err(OfferError::Poisoned);
        }
        let busy = |_| OfferError::Busy {
            limit: OFFERS_UNDER_WAY,
        };
        let _under_way = instance.context().offers_under_way.try_acquire().map_err(busy)?;
        let deadline = offer.descriptor().deadline();
        match tokio::time::timeout(deadline, ask).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => {
                let error = offer_error(error);
                if matches!(error, OfferError::Panicked(_) | OfferError::Poisoned) {
                    offer.poison();
                }
                tracing::warn!(%plugin, offer = offer.title(), kind = error.kind(), %error, "it did not answer as it should");
                Err(error)
            }
            Err(_) if instance.is_alive().await => {
                tracing::warn!(%plugin, offer = offer.title(), "it did not answer in time");
                Err(OfferError::TimedOut(deadline))
            }
            Err(_) => {
                let cause = format!(
                    "the {} holds the plugin's thread, which did not answer",
                    offer.title()
                );
                tracing::error!(%plugin, cause, "the plugin is wedged: it is disabled until the host starts again");
                self.set_state(plugin, PluginState::Wedged, Some(cause));
                Err(OfferError::Wedged {
                    plugin: plugin.to_string(),
                })
            }
        }
    }
}

fn reachable(record: &Record) -> Option<&Arc<Instance>> {
    let report = &record.report;
    report.instance.as_ref().filter(|_| report.state.hears())
}

fn one<'a, D: OfferDescriptor>(
    list: &'a [Arc<Offer<D>>],
    name: &str,
) -> Result<&'a Arc<Offer<D>>, OfferError> {
    let found = offers::find(list, name).filter(|offer| !offer.is_hidden());
    found.ok_or_else(|| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
        OfferError::Unknown(format!("{} `{name}`", D::KIND))
    })
}

/// The request with what the registry adds to it.
fn request_json(request: &impl serde::Serialize, more: &[(&str, Value)]) -> Result<Vec<u8>, OfferError> {
    let failed = |error: serde_json::Error| OfferError::Failed(error.to_string());
    let mut json: Map<String, Value> =
        serde_json::from_value(serde_json::to_value(request).map_err(failed)?).map_err(failed)?;
    json.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let bytes = Value::Object(json).to_string().into_bytes();
    if bytes.len() > REQUEST_BYTES {
        return Err(OfferError::Invalid(format!(
            "the request has {} bytes, expected at most {REQUEST_BYTES}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

async fn parsed<T: Send + 'static>(
    bytes: Vec<u8>,
    parse: fn(&[u8]) -> Result<T, String>,
) -> Result<T, OfferError> {
    let parsed = if bytes.len() <= READ_IN_PLACE_BYTES {
        parse(&bytes)
    } else {
        let parsed = tokio::task::spawn_blocking(move || parse(&bytes)).await;
        parsed.unwrap_or_else(|panicked| Err(format!("reading it failed: {panicked}")))
    };
    parsed.map_err(OfferError::BadAnswer)
}

fn offer_error(error: CallError) -> OfferError {
    match error.kind {
        CallErrorKind::Panicked => OfferError::Panicked(error.message),
        CallErrorKind::Poisoned => OfferError::Poisoned,
        CallErrorKind::Invalid => OfferError::Invalid(error.message),
        CallErrorKind::MissingCredential => OfferError::MissingCredential(error.subject),
        CallErrorKind::TooLarge => OfferError::BadAnswer(error.message),
        CallErrorKind::Failed | CallErrorKind::Cancelled | CallErrorKind::TimedOut => {
            OfferError::Failed(error.message)
        }
    }
}
