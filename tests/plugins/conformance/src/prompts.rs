//! Prompts.

use kora_plugin_api::{
    Completion, CompletionRequest, Content, Host, InputRequired, Prompt, PromptHandler, PromptRequest,
    PromptResult, Registrar, Result, serde_json::json,
};

use crate::media::RED_PIXEL_PNG;

pub fn register(registrar: &mut Registrar<'_>) -> Result {
    for name in ["test_simple_prompt", "test_dynamic_prompt"] {
        let simple = |_: Host, _: PromptRequest| async {
            Ok(PromptResult::new().user(Content::text("This is a simple prompt for testing.")))
        };
        registrar.prompt(Prompt::new(name, simple).description("A prompt without arguments"))?;
    }
    registrar.prompt(
        Prompt::new("test_prompt_with_arguments", WithArguments)
            .description("A prompt with two arguments")
            .required("arg1", "First test argument")
            .required("arg2", "Second test argument"),
    )?;
    let embedded = |_: Host, request: PromptRequest| async move {
        let uri = request.argument("resourceUri");
        let resource = Content::resource(uri, "text/plain", "Embedded resource content for testing.");
        let please = Content::text("Please process the embedded resource above.");
        Ok(PromptResult::new().user(resource).user(please))
    };
    registrar.prompt(
        Prompt::new("test_prompt_with_embedded_resource", embedded)
            .description("A prompt with a resource in it")
            .required("resourceUri", "URI of the resource to embed"),
    )?;
    let picture = |_: Host, _: PromptRequest| async {
        let please = Content::text("Please analyze the image above.");
        Ok(PromptResult::new()
            .user(Content::image(RED_PIXEL_PNG, "image/png"))
            .user(please))
    };
    registrar
        .prompt(Prompt::new("test_prompt_with_image", picture).description("A prompt with a picture"))?;
    registrar.prompt(
        Prompt::new("test_input_required_result_prompt", asks).description("A prompt that asks back first"),
    )
}

struct WithArguments;

impl PromptHandler for WithArguments {
    async fn get(&self, _: &Host, request: PromptRequest) -> Result<PromptResult> {
        let (first, second) = (request.argument("arg1"), request.argument("arg2"));
        let text = format!("Prompt with arguments: arg1='{first}', arg2='{second}'");
        Ok(PromptResult::new().user(Content::text(text)))
    }

    async fn complete(&self, _: &Host, request: CompletionRequest) -> Result<Completion> {
        const PLACES: [&str; 5] = ["paris", "park", "party", "london", "lima"];
        let begins = |place: &&str| place.starts_with(&request.argument.value);
        Ok(Completion::new(PLACES.into_iter().filter(begins)))
    }
}

async fn asks(_: Host, request: PromptRequest) -> Result<PromptResult> {
    let answer = request.round.response("user_context");
    Ok(match answer.and_then(|answer| answer["content"]["context"].as_str()) {
        Some(context) => PromptResult::new().user(Content::text(format!("Use this context: {context}"))),
        None => InputRequired::new()
            .elicit(
                "user_context",
                "What context should the prompt use?",
                json!({"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]}),
            )
            .into(),
    })
}
