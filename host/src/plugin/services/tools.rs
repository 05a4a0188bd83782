//! `tools/1`: calling tools, and telling of calls and changes of the plugin's own.

use kora_plugin_abi::{AbiFuture, AbiResult, Bytes, OwnedBytes, tools1};
use serde_json::{Map, Value};

use super::{
    super::{
        context::{PortError, Service},
        offers::{CallNotice, LogNotice, ProgressNotice},
    },
    asynchronous::{KEY_BYTES, spawned, text},
    synchronous::{answer, json_bytes},
};

/// The same as callers have.
const ARGUMENTS_BYTES: usize = 1 << 20;
/// Two numbers and a line.
const PROGRESS_BYTES: usize = 4 << 10;
/// The longest name of anything that can be offered is a URI.
const NAME_BYTES: usize = 1 << 10;

pub static TOOLS: tools1::Tools = tools1::Tools {
    call,
    progress,
    log,
    offer,
    resource_updated,
};

extern "C" fn call(
    handle: u64,
    tenant: Bytes<'_>,
    name: Bytes<'_>,
    arguments: Bytes<'_>,
) -> AbiFuture<OwnedBytes> {
    spawned(handle, Service::ToolCalls, |context| {
        let tenant = context.tenant(&tenant)?;
        let name = text("name", &name, KEY_BYTES)?;
        let arguments: Map<String, Value> =
            serde_json::from_str(&text("arguments", &arguments, ARGUMENTS_BYTES)?)
                .map_err(|error| PortError::Invalid(format!("the arguments are no JSON object: {error}")))?;
        Ok(async move {
            let (from, arguments) = (&context.identity, Value::Object(arguments));
            let result = context.port.call_tool(from, tenant, name, arguments).await?;
            Ok(json_bytes(&result))
        })
    })
}

extern "C" fn progress(handle: u64, call: u64, notice: Bytes<'_>) -> AbiResult<()> {
    answer(handle, Service::Tools, |context| {
        let notice = ProgressNotice::parse(&text("notice", &notice, PROGRESS_BYTES)?)?;
        context.open_calls.tell(call, CallNotice::Progress(notice))
    })
}

extern "C" fn log(handle: u64, call: u64, notice: Bytes<'_>) -> AbiResult<()> {
    answer(handle, Service::Tools, |context| {
        let notice = LogNotice::parse(&text("notice", &notice, LogNotice::LONGEST_BYTES)?)?;
        context.open_calls.tell(call, CallNotice::Log(notice))
    })
}

extern "C" fn offer(handle: u64, kind: Bytes<'_>, name: Bytes<'_>, is_offered: bool) -> AbiResult<()> {
    answer(handle, Service::Tools, |context| {
        let (kind, name) = (text("kind", &kind, KEY_BYTES)?, text("name", &name, NAME_BYTES)?);
        context.set_offered(&kind, &name, is_offered)
    })
}

extern "C" fn resource_updated(handle: u64, uri: Bytes<'_>) -> AbiResult<()> {
    answer(handle, Service::Tools, |context| {
        context.resource_updated(&text("uri", &uri, NAME_BYTES)?)
    })
}
