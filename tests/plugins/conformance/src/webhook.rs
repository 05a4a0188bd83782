//! A webhook that tells what it was sent, and answers as it is told.

use kora_plugin_api::{
    Host, Registrar, Result, Webhook, WebhookAnswer, WebhookRequest,
    serde_json::{self, Value, json},
};

pub fn register(registrar: &mut Registrar<'_>) -> Result {
    registrar.webhook(
        Webhook::new("echo", echo)
            .headers(["content-type", "x-test"])
            .max_body_bytes(4096),
    )
}

async fn echo(_: Host, request: WebhookRequest) -> Result<WebhookAnswer> {
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return Ok(WebhookAnswer::rejected("body_not_json"));
    };
    if let Some(challenge) = body["challenge"].as_str() {
        return Ok(WebhookAnswer::challenge(challenge));
    }
    if request.header("x-test") == Some("too-old") {
        return Ok(WebhookAnswer::rejected("test_too_old").http_status(408));
    }
    let told = json!({
        "webhook": request.webhook,
        "headers": request.headers,
        "peer": request.peer,
        "body": body,
    });
    Ok(WebhookAnswer::accepted().body("application/json", told.to_string()))
}
