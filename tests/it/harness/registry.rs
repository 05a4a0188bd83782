//! The plugins of a host without the host: the registry over real libraries, in this process, with a port that knows one tenant.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use kora_host::{
    domain::{Clock, PluginName, SystemClock, TenantId},
    plugin::{
        Gate, HostPort, MetricKind, OfferCaller, OfferError, OfferRequest, Platform, PluginChange,
        PluginIdentity, PluginObserver, Policy, PortError, Registry, ReportedUsage, TicketCall,
    },
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::DEADLINE;

/// The tenant that every plugin acts for. There is no other.
pub const TENANT: &str = "acme";

/// A registry with a home of its own.
pub struct TestRegistry {
    pub registry: Arc<Registry>,
    home: tempfile::TempDir,
    port: Arc<OneTenant>,
}

impl TestRegistry {
    /// Without plugins. Each is told that its `mode` is `tools`, if it asks for a mode.
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let plugins = home.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        fs::set_permissions(&plugins, fs::Permissions::from_mode(0o755)).unwrap();
        let port = Arc::new(OneTenant::default());
        let registry = Arc::new(Registry::new(
            port.clone(),
            Arc::new(NobodyHears),
            TaskTracker::new(),
        ));
        Self { registry, home, port }
    }

    /// Drops a library into the directory and lets the registry look at it. Answers whether it is registered now.
    pub async fn load(&self, name: &str, library: &[u8]) -> bool {
        let plugins = self.home.path().join("plugins");
        let path: PathBuf = plugins.join(format!("lib{name}.so"));
        fs::write(&path, library).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let gate = Gate::new(
            plugins,
            self.home.path().join("cache"),
            Policy::new(None, &[]).unwrap(),
            Platform::current(),
        );
        !self
            .registry
            .discover(vec![path], Arc::new(gate))
            .await
            .is_empty()
    }

    /// Calls a tool, whatever it tells meanwhile.
    ///
    /// # Errors
    /// The registry's.
    pub async fn call(&self, plugin: &str, name: &str, arguments: Value) -> Result<Value, OfferError> {
        let (notices, _heard) = mpsc::channel(1);
        let request = request(arguments);
        let call = self.registry.call_tool(plugin, name, &request, notices);
        tokio::time::timeout(DEADLINE, call).await.unwrap()
    }

    /// Why a plugin is in the state in which it is.
    pub fn cause(&self, name: &str) -> String {
        self.registry.report(name).unwrap().cause.unwrap_or_default()
    }

    /// Whether a plugin logged a record that holds this.
    pub fn has_logged(&self, text: &str) -> bool {
        self.port
            .log
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(text))
    }
}

/// A request for [`TENANT`] with these arguments.
pub fn request(arguments: Value) -> OfferRequest {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object");
    };
    OfferRequest::new(TENANT.parse().unwrap(), caller(), arguments)
}

/// Somebody who may do everything.
pub fn caller() -> OfferCaller {
    OfferCaller {
        kind: "operator".to_owned(),
        name: None,
        actor_id: None,
    }
}

struct NobodyHears;

impl PluginObserver for NobodyHears {
    fn plugin_changed(&self, _: PluginChange) {}
}

#[derive(Default)]
struct OneTenant {
    clock: SystemClock,
    log: Mutex<Vec<String>>,
}

const NOT_ASKED: &str = "no test of the registry gets here";

#[async_trait]
impl HostPort for OneTenant {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
    fn boot_us(&self) -> i64 {
        0
    }
    fn log_level(&self, _: &PluginName) -> u32 {
        3
    }
    fn log(&self, _: &PluginName, _: u32, _: &str, message: &str, _: &Map<String, Value>) {
        self.log.lock().unwrap().push(message.to_owned());
    }
    fn config(&self, plugin: &PluginName, _: Option<&TenantId>) -> Map<String, Value> {
        match plugin.as_str() {
            "misbehave" | "imitator" | "raw" => Map::from_iter([("mode".to_owned(), json!("tools"))]),
            _ => Map::new(),
        }
    }
    fn configs(&self, plugin: &PluginName) -> Vec<(Option<TenantId>, Map<String, Value>)> {
        vec![(None, self.config(plugin, None))]
    }
    fn host_info(&self, plugin: &PluginName) -> Value {
        json!({"plugin": plugin, "version": "0.1.0", "cache_dir": "/c", "data_dir": "/d"})
    }
    fn served(&self, _: &PluginName) -> Vec<(TenantId, bool)> {
        vec![(TENANT.parse().unwrap(), false)]
    }
    fn serves(&self, _: &PluginName, tenant: &TenantId) -> bool {
        tenant.as_str() == TENANT
    }
    fn state(&self, _: &TenantId) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    fn state_history(&self, _: &TenantId) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    fn daemon_health(&self) -> Value {
        Value::Null
    }
    fn metric(
        &self,
        _: &PluginName,
        _: MetricKind,
        _: &str,
        _: &BTreeMap<String, String>,
        _: f64,
    ) -> Result<(), PortError> {
        Ok(())
    }
    fn announce_identity(&self, _: &PluginName, _: &str, _: Option<TenantId>) -> Result<(), PortError> {
        Ok(())
    }
    async fn append(
        &self,
        _: &PluginIdentity,
        _: TenantId,
        _: String,
        _: Vec<u8>,
        _: Option<String>,
    ) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn read_events(
        &self,
        _: TenantId,
        _: Option<u64>,
        _: Option<String>,
        _: u32,
    ) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn set_degradation(
        &self,
        _: &PluginIdentity,
        _: TenantId,
        _: String,
        _: bool,
        _: String,
    ) -> Result<(), PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn kv_get(&self, _: &PluginIdentity, _: TenantId, _: String) -> Result<Option<Vec<u8>>, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn kv_put(&self, _: &PluginIdentity, _: TenantId, _: String, _: Vec<u8>) -> Result<(), PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn kv_delete(&self, _: &PluginIdentity, _: TenantId, _: String) -> Result<bool, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn kv_list(&self, _: &PluginIdentity, _: TenantId, _: String) -> Result<Vec<String>, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn cost_record(
        &self,
        _: &PluginIdentity,
        _: TenantId,
        _: ReportedUsage,
    ) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn cost_state(&self, _: TenantId) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn may_spend(&self, _: TenantId, _: Option<String>, _: String) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn secret(&self, _: &PluginIdentity, _: Option<TenantId>, _: String) -> Result<Vec<u8>, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn tickets(&self, _: &PluginIdentity, _: TenantId, _: TicketCall) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
    async fn call_tool(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        name: String,
        arguments: Value,
    ) -> Result<Value, PortError> {
        let text = format!("{} called {name} for {tenant} with {arguments}", from.name);
        Ok(json!({"content": [{"type": "text", "text": text}]}))
    }
}
