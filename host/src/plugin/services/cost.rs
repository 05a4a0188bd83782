//! The service `cost/1`: what tenants spend.

use kora_plugin_abi::{AbiFuture, Bytes, OwnedBytes, cost1};

use super::{
    super::context::{PortError, ReportedUsage, Service},
    asynchronous::{KEY_BYTES, spawned, text},
    synchronous::json_bytes,
};

/// Two names, an id and four numbers, with room for white space.
const USAGE_BYTES: usize = 4 << 10;

pub static COST: cost1::Cost = cost1::Cost {
    record,
    state,
    may_spend,
};

extern "C" fn record(handle: u64, tenant: Bytes<'_>, usage: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Cost, |context| {
        let tenant = context.tenant(&tenant)?;
        let usage: ReportedUsage = serde_json::from_str(&text("usage", &usage, USAGE_BYTES)?)
            .map_err(|error| PortError::Invalid(format!("the usage is not valid: {error}")))?;
        Ok(async move {
            let recorded = context.port.cost_record(&context.identity, tenant, usage).await?;
            Ok(json_bytes(&recorded))
        })
    })
}

extern "C" fn state(handle: u64, tenant: Bytes<'_>) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Cost, |context| {
        let tenant = context.tenant(&tenant)?;
        Ok(async move { Ok(json_bytes(&context.port.cost_state(tenant).await?)) })
    })
}

extern "C" fn may_spend(
    handle: u64,
    tenant: Bytes<'_>,
    criticality: Bytes<'_>,
    model: Bytes<'_>,
) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::Cost, |context| {
        let tenant = context.tenant(&tenant)?;
        let criticality = text("criticality", &criticality, KEY_BYTES)?;
        let criticality = (!criticality.is_empty()).then_some(criticality);
        let model = text("model", &model, KEY_BYTES)?;
        Ok(async move {
            let decided = context.port.may_spend(tenant, criticality, model).await?;
            Ok(json_bytes(&decided))
        })
    })
}
