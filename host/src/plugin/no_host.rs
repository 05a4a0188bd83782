//! A host for tests of what stands before it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{HostPort, MetricKind, PluginIdentity, PortError, ReportedUsage, TicketCall};
use crate::domain::{Clock, PluginName, SystemClock, TenantId};

/// The host of plugins of which nothing runs: it has an empty configuration, and serves no tenant.
#[derive(Default)]
pub struct NoHost(SystemClock);

const NOT_ASKED: &str = "nothing of these plugins runs";

#[async_trait]
impl HostPort for NoHost {
    fn clock(&self) -> &dyn Clock {
        &self.0
    }
    fn boot_us(&self) -> i64 {
        0
    }
    fn log_level(&self, _: &PluginName) -> u32 {
        0
    }
    fn log(&self, _: &PluginName, _: u32, _: &str, _: &str, _: &Map<String, Value>) {}
    fn config(&self, _: &PluginName, _: Option<&TenantId>) -> Map<String, Value> {
        Map::new()
    }
    fn configs(&self, _: &PluginName) -> Vec<(Option<TenantId>, Map<String, Value>)> {
        vec![(None, Map::new())]
    }
    fn host_info(&self, _: &PluginName) -> Value {
        Value::Null
    }
    fn served(&self, _: &PluginName) -> Vec<(TenantId, bool)> {
        Vec::new()
    }
    fn serves(&self, _: &PluginName, _: &TenantId) -> bool {
        false
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
        _: &PluginIdentity,
        _: TenantId,
        _: String,
        _: Value,
    ) -> Result<Value, PortError> {
        unreachable!("{NOT_ASKED}")
    }
}
