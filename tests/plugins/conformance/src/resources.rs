//! Resources, one of them a template.

use kora_plugin_api::{
    Host, Registrar, Resource, ResourceContents, ResourceRequest, Result, serde_json::json,
};

use crate::media::RED_PIXEL_PNG;

pub fn register(registrar: &mut Registrar<'_>) -> Result {
    let text = |_: Host, request: ResourceRequest| async move {
        let text = "This is the content of the static text resource.";
        Ok(Some(ResourceContents::text(&request.uri, "text/plain", text)))
    };
    registrar.resource(
        Resource::new("test://static-text", "static-text", text)
            .title("A text")
            .description("A text that does not change")
            .mime_type("text/plain"),
    )?;
    let binary = |_: Host, request: ResourceRequest| async move {
        Ok(Some(ResourceContents::bytes(
            &request.uri,
            "image/png",
            RED_PIXEL_PNG,
        )))
    };
    registrar.resource(
        Resource::new("test://static-binary", "static-binary", binary)
            .title("A picture")
            .description("A picture that does not change")
            .mime_type("image/png"),
    )?;
    let watched = |host: Host, request: ResourceRequest| async move {
        // Reading it is what changes it: whoever watches it is told.
        host.resource_updated(&request.uri)?;
        Ok(Some(ResourceContents::text(
            &request.uri,
            "text/plain",
            "Watched resource content",
        )))
    };
    registrar.resource(
        Resource::new("test://watched-resource", "watched-resource", watched)
            .title("A text that changes")
            .description("A text that changes whenever it is read")
            .mime_type("text/plain"),
    )?;
    registrar.resource(
        Resource::new("test://template/{id}/data", "template-data", template)
            .title("Many texts")
            .description("A text for each id; there is none for the id `missing`")
            .mime_type("application/json"),
    )
}

async fn template(_: Host, request: ResourceRequest) -> Result<Option<ResourceContents>> {
    let id = request.variable("id");
    if id == "missing" {
        return Ok(None);
    }
    let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
    Ok(Some(ResourceContents::text(
        &request.uri,
        "application/json",
        data.to_string(),
    )))
}
