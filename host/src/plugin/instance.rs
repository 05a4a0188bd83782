//! A plugin in this process: loading it, letting it register, and holding what it registered against its manifest.
//!
//! Each step that runs the plugin's code does so on a thread that the host can afford to lose, under a deadline.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kora_plugin_abi::HostRef;
use tokio_util::task::TaskTracker;

use super::{
    call::{CallError, CallErrorKind, off_runtime},
    context::{Grants, HostPort, PluginContext, PluginIdentity},
    extensions::Extensions,
    library::{LoadError, LoadedLibrary},
    listeners::{ListenerHub, Notice},
    manifest::Manifest,
    offers::{OfferSignals, Offers},
    refusal::{Refusal, shown},
    registration::Registration,
    services::{Handle, get_service},
};

/// How long a library's constructors may run, and its root module may take.
const LOAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long `register` may take; it may read a file or two.
const REGISTER_DEADLINE: Duration = Duration::from_secs(10);
/// How long the plugin's threads may take to end when the host stops.
const DEINIT_DEADLINE: Duration = Duration::from_secs(2);
/// How long the host waits for a sign of life of a plugin's thread.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// Why a plugin that was admitted does not run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartError {
    /// It is not what it must be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its code does not come back.
    #[error("`{step}` does not come back: {error}; the plugin stays disabled until the host starts again")]
    Wedged {
        /// `load` or `register`.
        step: &'static str,
        /// Which deadline passed.
        error: CallError,
    },
}

/// A library that was loaded and has the extensions this host knows. It has not registered yet.
#[derive(Debug, Clone)]
pub struct Loaded {
    library: LoadedLibrary,
    extensions: Extensions,
}

impl Loaded {
    /// Loads the library at `path` and asks for its extensions.
    ///
    /// # Errors
    /// [`StartError`]: the loader's words, a layout that differs, or a constructor that does not come back.
    pub async fn open(name: &str, path: PathBuf) -> Result<Self, StartError> {
        let plugin = name.to_owned();
        let opened = off_runtime(format!("load:{name}"), LOAD_DEADLINE, move || {
            let library = LoadedLibrary::open(&path)?;
            Ok(Extensions::query(&plugin, &library).map(|extensions| Self { library, extensions }))
        });
        match opened.await.map_err(|error| gave_up("load", error))? {
            Ok(Ok(loaded)) => Ok(loaded),
            Ok(Err(mismatch)) => {
                tracing::debug!(plugin = name, full = mismatch.mismatch.full, "a layout differs");
                Err(Refusal::LayoutMismatch {
                    extension: mismatch.extension.to_owned(),
                    summary: mismatch.mismatch.summary,
                }
                .into())
            }
            Err(error) => Err(refusal_of(name, error).into()),
        }
    }

    /// Lets the plugin register, and accepts what it registers if all of it is valid and in the manifest.
    ///
    /// # Errors
    /// [`StartError`]; nothing of what was registered is kept then.
    pub async fn register(
        self,
        identity: PluginIdentity,
        manifest: &Manifest,
        port: Arc<dyn HostPort>,
        signals: Arc<OfferSignals>,
    ) -> Result<Instance, StartError> {
        let runtime = tokio::runtime::Handle::current();
        let grants = grants(manifest);
        let context = PluginContext::new(identity.clone(), grants, port, signals, runtime);
        let context = Arc::new(context);
        let handle = Handle::assign(context.clone());
        let host = HostRef {
            handle: handle.number(),
            get_service,
        };
        let library = self.library;
        let answer = off_runtime(format!("reg:{}", identity.name), REGISTER_DEADLINE, move || {
            library.register(host)
        });
        let registered = match answer.await {
            Ok(Ok(bytes)) => read(bytes)
                .await
                .and_then(|registration| accept(registration, manifest, &self.extensions)),
            Ok(Err(error)) => Err(Refusal::RegisterFailed {
                message: error.message,
            }
            .into()),
            Err(error) => Err(gave_up("register", error)),
        };
        if registered.is_err() {
            context.retired();
        }
        let registration = registered?;
        let offers = Arc::new(Offers::of(&identity, &registration));
        context.offers(offers.clone());
        context.accepted();
        Ok(Instance {
            offers,
            identity,
            extensions: self.extensions,
            library,
            absent: absent(manifest, &registration),
            registration,
            context,
        })
    }
}

/// A plugin whose registration was accepted.
pub struct Instance {
    identity: PluginIdentity,
    extensions: Extensions,
    library: LoadedLibrary,
    registration: Registration,
    absent: Vec<String>,
    offers: Arc<Offers>,
    context: Arc<PluginContext>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Which code it is.
    pub fn identity(&self) -> &PluginIdentity {
        &self.identity
    }

    /// What it registered.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// What the manifest provides and was not registered, as `daemon x`.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    /// What it offers to callers of the host.
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    pub(super) fn context(&self) -> &PluginContext {
        &self.context
    }

    /// Its extensions.
    pub fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Starts to tell its listeners.
    pub fn start_listeners(
        &self,
        tasks: &TaskTracker,
        wedged: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> ListenerHub {
        let name = self.identity.name.clone();
        ListenerHub::start(name, self.extensions, &self.registration.listeners, tasks, wedged)
    }

    /// Asks a provider of this plugin for the identity of a tenant. The answer is raw.
    ///
    /// # Errors
    /// What the plugin answered, or the deadline.
    pub async fn snapshot(
        &self,
        provider: &str,
        tenant: &str,
        config: Vec<u8>,
        next_generation: u64,
        deadline: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let Some(provider) = self
            .registration
            .identity_providers
            .iter()
            .find(|p| p.name == provider)
        else {
            return Err(CallError::new(
                CallErrorKind::Failed,
                "the plugin registered no such provider",
            ));
        };
        let (extensions, handle, tenant) = (self.extensions, provider.handle, tenant.to_owned());
        let name = format!("id:{}", self.identity.name);
        off_runtime(name, deadline, move || {
            extensions.snapshot(handle, &tenant, &config, next_generation)
        })
        .await?
    }

    /// Whether the plugin may act from now on: the host's services answer it. One that was stopped has threads still, and may not.
    pub(super) fn let_act(&self, may_act: bool) {
        if may_act {
            self.context.accepted();
        } else {
            self.context.retired();
        }
    }

    /// Whether the plugin's thread takes turns.
    pub async fn is_alive(&self) -> bool {
        is_alive(self.extensions).await
    }

    /// Ends the plugin's own threads, once all its entries were shut down. No service but the log answers it any more.
    pub async fn retire(&self) {
        self.context.retired();
        let (library, plugin) = (self.library, &self.identity.name);
        // The plugin is told less than what it is given, so that it can answer.
        let ended = off_runtime(format!("end:{plugin}"), DEINIT_DEADLINE, move || {
            library.deinit(DEINIT_DEADLINE / 2)
        });
        if let Err(error) | Ok(Err(error)) = ended.await {
            tracing::warn!(%plugin, %error, "the plugin's threads did not end");
        }
    }
}

/// Whether the plugin's thread takes turns. Nothing asynchronous was asked of one that has no thread yet; asking starts it.
pub(super) async fn is_alive(extensions: Extensions) -> bool {
    matches!(
        tokio::time::timeout(PROBE_DEADLINE, extensions.probe()).await,
        Ok(Ok(()))
    )
}

/// Tells a plugin's listeners, if the plugin acts for the tenant.
pub(super) fn tell(instance: &Instance, hub: &ListenerHub, notice: &Notice) {
    let context = &instance.context;
    let granted = match notice {
        Notice::Event { .. } => context.grants.events,
        Notice::State { .. } => context.grants.state,
    };
    if granted && context.port.serves(&instance.identity.name, notice.tenant()) {
        hub.tell(notice);
    }
}

fn grants(manifest: &Manifest) -> Grants {
    Grants {
        events: manifest.permissions.events,
        state: manifest.permissions.state,
        kv: manifest.permissions.kv,
        secrets: manifest.permissions.secrets,
        tickets: manifest.permissions.tickets,
        cost: manifest.permissions.cost,
        tools: manifest.permissions.tools,
        secret_names: manifest.secrets.iter().map(ToString::to_string).collect(),
    }
}

/// A schema is a stranger's, and what it costs to read is up to the stranger.
async fn read(bytes: Vec<u8>) -> Result<Registration, StartError> {
    let read = tokio::task::spawn_blocking(move || Registration::parse(&bytes).map_err(|e| e.to_string()));
    let read = read
        .await
        .unwrap_or_else(|panicked| Err(format!("reading it failed: {panicked}")));
    read.map_err(|detail| {
        Refusal::BadRegistration {
            detail: shown(&detail),
        }
        .into()
    })
}

fn accept(
    registration: Registration,
    manifest: &Manifest,
    extensions: &Extensions,
) -> Result<Registration, StartError> {
    for (what, registered, provided) in kinds(manifest, &registration) {
        if let Some(name) = registered.iter().find(|name| !provided.contains(name)) {
            return Err(Refusal::NotProvided {
                what: what.to_owned(),
                name: name.clone(),
            }
            .into());
        }
        let id = extension_of(what);
        if !registered.is_empty() && !extensions.ids().contains(&id) {
            let detail = format!("it registers {what}s and has no extension `{id}`");
            return Err(Refusal::BadRegistration { detail }.into());
        }
    }
    check_subscriptions(manifest, &registration)?;
    Ok(registration)
}

/// A listener must not hear what the manifest asks no permission for.
fn check_subscriptions(manifest: &Manifest, registration: &Registration) -> Result<(), Refusal> {
    for listener in &registration.listeners {
        let missing = match listener {
            l if !l.event_prefixes.is_empty() && !manifest.permissions.events => "events",
            l if l.states && !manifest.permissions.state => "state",
            _ => continue,
        };
        let detail = format!(
            "the listener `{}` needs `permissions.{missing} = true` in the manifest",
            listener.name
        );
        return Err(Refusal::BadRegistration { detail });
    }
    Ok(())
}

fn absent(manifest: &Manifest, registration: &Registration) -> Vec<String> {
    let kinds = kinds(manifest, registration);
    let missing = kinds.into_iter().flat_map(|(what, registered, provided)| {
        provided
            .into_iter()
            .filter(move |name| !registered.contains(name))
            .map(move |name| format!("{what} {name}"))
    });
    missing.collect()
}

/// Each kind of entry: what it is called, what was registered, what the manifest provides.
fn kinds(manifest: &Manifest, registration: &Registration) -> [(&'static str, Vec<String>, Vec<String>); 7] {
    fn names<T>(entries: &[T], name: fn(&T) -> String) -> Vec<String> {
        entries.iter().map(name).collect()
    }
    fn provided<T: ToString>(entries: &[T]) -> Vec<String> {
        names(entries, T::to_string)
    }
    let provides = &manifest.provides;
    [
        (
            "identity provider",
            names(&registration.identity_providers, |p| p.name.clone()),
            provided(&provides.identity_providers),
        ),
        (
            "daemon",
            names(&registration.daemons, |d| d.name.clone()),
            provided(&provides.daemons),
        ),
        (
            "listener",
            names(&registration.listeners, |l| l.name.clone()),
            provided(&provides.listeners),
        ),
        (
            "tool",
            names(&registration.tools, |t| t.name.to_string()),
            provided(&provides.tools),
        ),
        (
            "prompt",
            names(&registration.prompts, |p| p.name.to_string()),
            provided(&provides.prompts),
        ),
        (
            "resource",
            names(&registration.resources, |r| r.uri.to_string()),
            provided(&provides.resources),
        ),
        (
            "webhook",
            names(&registration.webhooks, |w| w.name.clone()),
            provided(&provides.webhooks),
        ),
    ]
}

fn extension_of(what: &str) -> &'static str {
    match what {
        "identity provider" => kora_plugin_abi::identity1::ID,
        "daemon" => kora_plugin_abi::daemon1::ID,
        "tool" => kora_plugin_abi::tool1::ID,
        "prompt" => kora_plugin_abi::prompt1::ID,
        "resource" => kora_plugin_abi::resource1::ID,
        "webhook" => kora_plugin_abi::webhook1::ID,
        _ => kora_plugin_abi::listener1::ID,
    }
}

fn gave_up(step: &'static str, error: CallError) -> StartError {
    match error.kind {
        CallErrorKind::TimedOut => StartError::Wedged { step, error },
        _ => Refusal::LoadFailed {
            detail: error.message,
        }
        .into(),
    }
}

fn refusal_of(name: &str, error: LoadError) -> Refusal {
    match error {
        LoadError::Root { summary, full } => {
            tracing::debug!(plugin = name, full, "the root module differs");
            Refusal::RootMismatch { summary }
        }
        other => Refusal::LoadFailed {
            detail: other.to_string(),
        },
    }
}
