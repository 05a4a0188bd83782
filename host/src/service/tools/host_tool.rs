//! A tool of the host's own: typed on the inside, JSON on the outside.

use std::{future::Future, pin::Pin, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Annotations, ToolFault, ToolKind, ToolSpec,
    schema::{of_input, of_output},
};
use crate::{
    access::{AuditResult, Principal},
    domain::TenantId,
    service::{Problem, Service},
};

/// Whom a tool works for, and with what.
pub(super) struct Context<'a> {
    pub service: &'a Service,
    pub by: &'a Principal,
    /// Absent for a tool that is about no tenant.
    tenant: Option<&'a TenantId>,
}

impl<'a> Context<'a> {
    /// The tenant that the gate found.
    pub fn tenant(&self) -> Result<&'a TenantId, ToolFault> {
        // The gate names one for each tool that is about one.
        self.tenant
            .ok_or_else(|| ToolFault::Failed("tenant.missing".to_owned()))
    }

    /// The same, as the use cases take it.
    pub fn tenant_text(&self) -> Result<Option<String>, ToolFault> {
        self.tenant().map(|tenant| Some(tenant.to_string()))
    }

    /// The caller's label.
    pub fn caller_kind(&self) -> String {
        self.by.kind().to_owned()
    }
}

/// A tool: what it is called, what it takes and answers, what it does.
pub(super) trait HostTool: Send + Sync + 'static {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    /// Whether it changes anything. What does needs the capability of its own name.
    const KIND: ToolKind;
    const ANNOTATIONS: Annotations;
    const DEV_ONLY: bool = false;
    const IS_OF_TENANT: bool = true;
    /// Whether it is done only if its line of the audit can be written.
    const NEEDS_AUDIT: bool = matches!(Self::KIND, ToolKind::Mutating);
    type Input: DeserializeOwned + JsonSchema + Send + 'static;
    type Output: Serialize + JsonSchema + Send + 'static;

    /// Looked at once the input is of its schema, before anybody looks whose tenant it is for.
    ///
    /// # Errors
    /// Why it is not done.
    fn check(_service: &Service, _by: &Principal, _arguments: &Value) -> Result<(), ToolFault> {
        Ok(())
    }

    fn run(
        context: Context<'_>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, ToolFault>> + Send;

    /// How an outcome is named in the audit, where `ok` is not all there is to say.
    fn audit_result(_output: &Self::Output) -> AuditResult {
        AuditResult::Ok
    }
}

/// What a tool answered, and what the audit says of it.
pub(super) struct Done {
    pub output: Value,
    pub audit: AuditResult,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Done, ToolFault>> + Send + 'a>>;
type Check = fn(&Service, &Principal, &Value) -> Result<(), ToolFault>;
type Run = for<'a> fn(&'a Service, &'a Principal, Option<&'a TenantId>, Value) -> Running<'a>;

/// A tool of the host's, its types forgotten.
pub(super) struct Erased {
    pub spec: Arc<ToolSpec>,
    /// [`HostTool::check`].
    pub check: Check,
    run: Run,
}

impl Erased {
    pub fn of<T: HostTool>() -> Self {
        let capability = (T::KIND == ToolKind::Mutating).then(|| {
            T::NAME
                .parse()
                .expect("the name of a tool is a capability: a test reads all of them")
        });
        let spec = ToolSpec {
            name: T::NAME.into(),
            title: T::TITLE.into(),
            description: T::DESCRIPTION.into(),
            input_schema: Arc::new(of_input::<T::Input>(T::IS_OF_TENANT)),
            output_schema: Some(Arc::new(of_output::<T::Output>())),
            annotations: T::ANNOTATIONS,
            required_capability: capability,
            dev_only: T::DEV_ONLY,
            is_of_tenant: T::IS_OF_TENANT,
            kind: T::KIND,
            needs_audit: T::NEEDS_AUDIT,
        };
        Self {
            spec: Arc::new(spec),
            check: T::check,
            run: run::<T>,
        }
    }

    pub fn run<'a>(
        &self,
        service: &'a Service,
        by: &'a Principal,
        tenant: Option<&'a TenantId>,
        arguments: Value,
    ) -> Running<'a> {
        (self.run)(service, by, tenant, arguments)
    }
}

fn run<'a, T: HostTool>(
    service: &'a Service,
    by: &'a Principal,
    tenant: Option<&'a TenantId>,
    arguments: Value,
) -> Running<'a> {
    Box::pin(async move {
        let input: T::Input = serde_json::from_value(arguments).map_err(|_| out_of_range())?;
        let context = Context { service, by, tenant };
        let output = T::run(context, input).await?;
        let audit = T::audit_result(&output);
        let output = serde_json::to_value(output).map_err(|_| ToolFault::Failed("tool.output".to_owned()))?;
        Ok(Done { output, audit })
    })
}

/// The schema let it through: what serde still refuses is a value that the schema cannot tell, such as a number too large.
pub(super) fn out_of_range() -> ToolFault {
    ToolFault::bad_input("tool.input", "a value is out of the range of its type")
}

impl From<serde_json::Error> for ToolFault {
    fn from(_: serde_json::Error) -> Self {
        Self::Failed("tool.output".to_owned())
    }
}

/// A text that must say something: trimmed, and refused if nothing is left.
pub(super) fn said(name: &str, text: &str) -> Result<String, ToolFault> {
    match text.trim() {
        "" => {
            let message = format!("`{name}`: expected text; found nothing but white space");
            Err(Problem::new(crate::service::ProblemKind::BadInput, "tool.input", message).into())
        }
        text => Ok(text.to_owned()),
    }
}
