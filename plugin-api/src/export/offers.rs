//! Tools, prompts, resources and webhooks behind the exported functions. A panic puts one of them out of use, and no other.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use kora_plugin_abi::{
    self as abi, AbiError, AbiFuture, Bytes, OwnedBytes, abi_stable::std_types::RResult::RErr, prompt1,
    resource1, tool1, webhook1,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    entries::{entries, no_such_entry, random_handle},
    guard::poison_error,
    runtime,
};
use crate::{
    Host, PluginError, Result, WebhookRequest, plugin::Staged, prompt::ErasedPrompt,
    resource::ErasedResource, tool::ErasedTool, webhook::ErasedWebhook,
};

static H: Host = Host::new();

pub static TOOL: tool1::Tool = tool1::Tool { call };
pub static PROMPT: prompt1::Prompt = prompt1::Prompt {
    get,
    complete: complete_prompt,
};
pub static RESOURCE: resource1::Resource = resource1::Resource {
    read,
    complete: complete_resource,
};
pub static WEBHOOK: webhook1::Webhook = webhook1::Webhook { receive };

/// One thing that the plugin offers.
pub struct OfferEntry<H: ?Sized> {
    name: String,
    poisoned: AtomicBool,
    handler: Box<H>,
}

/// What the plugin offers, by handle.
#[derive(Default)]
pub struct OfferEntries {
    tools: HashMap<u64, OfferEntry<dyn ErasedTool>>,
    prompts: HashMap<u64, OfferEntry<dyn ErasedPrompt>>,
    resources: HashMap<u64, OfferEntry<dyn ErasedResource>>,
    webhooks: HashMap<u64, OfferEntry<dyn ErasedWebhook>>,
}

impl OfferEntries {
    /// Keeps what was staged, and adds to `document` what it is. A kind of which there is none is not named: a host of before it would
    /// refuse the word.
    pub fn keep(staged: &mut Staged, document: &mut Value) -> Self {
        let mut entries = Self::default();
        let mut said: HashMap<&str, Vec<Value>> = HashMap::new();
        for tool in std::mem::take(&mut staged.tools) {
            let said = said.entry("tools").or_default();
            keep(
                &mut entries.tools,
                said,
                tool.name,
                tool.handler,
                tool.description,
            );
        }
        for prompt in std::mem::take(&mut staged.prompts) {
            let said = said.entry("prompts").or_default();
            keep(
                &mut entries.prompts,
                said,
                prompt.name,
                prompt.handler,
                prompt.description,
            );
        }
        for resource in std::mem::take(&mut staged.resources) {
            let said = said.entry("resources").or_default();
            keep(
                &mut entries.resources,
                said,
                resource.uri,
                resource.handler,
                resource.description,
            );
        }
        for webhook in std::mem::take(&mut staged.webhooks) {
            let said = said.entry("webhooks").or_default();
            keep(
                &mut entries.webhooks,
                said,
                webhook.name,
                webhook.handler,
                webhook.description,
            );
        }
        for (kind, list) in said {
            document[kind] = list.into();
        }
        entries
    }
}

fn keep<H: ?Sized>(
    entries: &mut HashMap<u64, OfferEntry<H>>,
    said: &mut Vec<Value>,
    name: String,
    handler: Box<H>,
    mut description: Value,
) {
    let handle = random_handle();
    description["handle"] = handle.into();
    said.push(without_nulls(description));
    let poisoned = AtomicBool::new(false);
    entries.insert(
        handle,
        OfferEntry {
            name,
            poisoned,
            handler,
        },
    );
}

/// What was not said is left out.
fn without_nulls(description: Value) -> Value {
    match description {
        Value::Object(fields) => {
            let said = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.collect::<Map<_, _>>())
        }
        other => other,
    }
}

extern "C" fn call(tool: u64, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let entry = entries().and_then(|e| e.offers.tools.get(&tool));
    ask(entry, "call", parsed(&request), |tool, call| tool.call(&H, call))
}

extern "C" fn get(prompt: u64, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let entry = entries().and_then(|e| e.offers.prompts.get(&prompt));
    ask(entry, "get", parsed(&request), |prompt, request| {
        prompt.get(&H, request)
    })
}

extern "C" fn complete_prompt(prompt: u64, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let entry = entries().and_then(|e| e.offers.prompts.get(&prompt));
    ask(entry, "complete", parsed(&request), |prompt, request| {
        prompt.complete(&H, request)
    })
}

extern "C" fn read(resource: u64, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let entry = entries().and_then(|e| e.offers.resources.get(&resource));
    ask(entry, "read", parsed(&request), |resource, request| {
        resource.read(&H, request)
    })
}

extern "C" fn complete_resource(resource: u64, request: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let entry = entries().and_then(|e| e.offers.resources.get(&resource));
    ask(entry, "complete", parsed(&request), |resource, request| {
        resource.complete(&H, request)
    })
}

extern "C" fn receive(webhook: u64, request: Bytes<'_>, body: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    let entry = entries().and_then(|e| e.offers.webhooks.get(&webhook));
    let request = parsed(&request).map(|request| WebhookRequest {
        body: body.to_vec(),
        ..request
    });
    ask(entry, "receive", request, |webhook, request| {
        webhook.receive(&H, request)
    })
}

fn parsed<T: DeserializeOwned>(json: &Bytes<'_>) -> Result<T, AbiError> {
    serde_json::from_slice(json.as_slice()).map_err(|error| AbiError::new(abi::INVALID, error.to_string()))
}

/// Dropped while unwinding, it marks the entry. (The panic itself is caught one level up, where the future is polled.)
struct Poison(&'static AtomicBool);

impl Drop for Poison {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// Runs the author's code on the plugin's thread, also that which only makes the future.
fn ask<H, Q, T, F>(
    entry: Option<&'static OfferEntry<H>>,
    hook: &str,
    request: Result<Q, AbiError>,
    work: impl FnOnce(&'static H, Q) -> F + Send + 'static,
) -> AbiFuture<OwnedBytes>
where
    H: ?Sized + Send + Sync,
    Q: Send + 'static,
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let Some(entry) = entry else {
        return failed(no_such_entry());
    };
    if entry.poisoned.load(Ordering::Acquire) {
        return failed(poison_error());
    }
    let request = match request {
        Ok(request) => request,
        Err(error) => return failed(error),
    };
    runtime::spawn(format!("{}.{hook}", entry.name), async move {
        let _poison = Poison(&entry.poisoned);
        let answer = work(&*entry.handler, request)
            .await
            .map_err(PluginError::into_abi)?;
        let json = serde_json::to_vec(&answer);
        json.map(OwnedBytes::from)
            .map_err(|error| AbiError::new(abi::FAILED, error.to_string()))
    })
}

fn failed(error: AbiError) -> AbiFuture<OwnedBytes> {
    AbiFuture::new(async move { RErr(error) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plugin_that_offers_nothing_says_nothing_that_a_host_of_before_would_refuse() {
        let mut document = json!({});
        OfferEntries::keep(&mut Staged::default(), &mut document);
        assert_eq!(document, json!({}));
    }
}
