//! `kora reference`: the pages of the documentation that are made from the command and the configuration themselves. Hidden,
//! since it is for whoever changes them: `cargo xtask ci` compares these pages with those of the repository.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Outcome},
        reference,
    },
    config,
    http::openapi,
};

/// Prints a page of the reference as Markdown.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReferenceArguments {
    /// Which page
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// The commands
    Cli,
    /// The keys of `kora.toml`
    Config,
    /// The tools of the host
    Tools,
    /// The HTTP interface, as an OpenAPI document
    Openapi,
}

pub(in crate::cli) fn run(arguments: &ReferenceArguments, context: &mut Context<'_>) -> Outcome {
    let page = match arguments.page {
        Page::Cli => reference::reference(),
        Page::Config => config::reference(),
        Page::Tools => reference::tools(),
        Page::Openapi => openapi(),
    };
    context.ui.data(&page)?;
    Ok(Exit::OK)
}
