//! The layouts of what was released lie in `frozen/`, one file for each; a change to one fails here.
//!
//! `KORA_FREEZE=1 cargo test -p kora-plugin-abi` writes the file of a *new* extension or service. It never overwrites one:
//! what was released does not change.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use abi_stable::{StableAbi, type_layout::TypeLayout};
use kora_plugin_abi::{self as abi, HostRef, RootRef};

fn released() -> Vec<(&'static str, &'static TypeLayout)> {
    vec![
        ("root", <RootRef as StableAbi>::LAYOUT),
        ("host-ref", HostRef::LAYOUT),
        ("error", abi::AbiError::LAYOUT),
        (abi::identity1::ID, abi::identity1::Identity::LAYOUT),
        (abi::daemon1::ID, abi::daemon1::Daemon::LAYOUT),
        (abi::listener1::ID, abi::listener1::Listener::LAYOUT),
        (abi::tool1::ID, abi::tool1::Tool::LAYOUT),
        (abi::prompt1::ID, abi::prompt1::Prompt::LAYOUT),
        (abi::resource1::ID, abi::resource1::Resource::LAYOUT),
        (abi::webhook1::ID, abi::webhook1::Webhook::LAYOUT),
        (abi::log1::ID, abi::log1::Log::LAYOUT),
        (abi::clock1::ID, abi::clock1::Clock::LAYOUT),
        (abi::config1::ID, abi::config1::Config::LAYOUT),
        (abi::tenants1::ID, abi::tenants1::Tenants::LAYOUT),
        (abi::events1::ID, abi::events1::Events::LAYOUT),
        (abi::state1::ID, abi::state1::State::LAYOUT),
        (abi::kv1::ID, abi::kv1::Kv::LAYOUT),
        (abi::secrets1::ID, abi::secrets1::Secrets::LAYOUT),
        (abi::metrics1::ID, abi::metrics1::Metrics::LAYOUT),
        (
            abi::identity_control1::ID,
            abi::identity_control1::IdentityControl::LAYOUT,
        ),
        (abi::tickets1::ID, abi::tickets1::Tickets::LAYOUT),
        (abi::cost1::ID, abi::cost1::Cost::LAYOUT),
        (abi::tools1::ID, abi::tools1::Tools::LAYOUT),
    ]
}

/// A type as text: its name, size, alignment, fields and parameters, and the same of all that those are made of.
fn render(layout: &'static TypeLayout) -> String {
    let mut text = String::new();
    let mut seen = Vec::new();
    let mut queue = VecDeque::from([layout]);
    while let Some(layout) = queue.pop_front() {
        let name = layout.full_type().to_string();
        if seen.contains(&layout.get_utypeid()) {
            continue;
        }
        seen.push(layout.get_utypeid());
        let (size, align, package) = (layout.size(), layout.alignment(), layout.package());
        writeln!(text, "{name} ({package}) size {size} align {align}").unwrap();
        for field in layout
            .get_fields()
            .into_iter()
            .flatten()
            .chain(layout.phantom_fields())
        {
            writeln!(text, "    {}: {}", field.name(), field.full_type()).unwrap();
            queue.push_back(field.layout());
            for function in field.function_range().iter() {
                let parameters: Vec<_> = function.param_type_layouts.iter().map(|get| get()).collect();
                let names: Vec<_> = parameters.iter().map(|p| p.full_type().to_string()).collect();
                let answer = function.return_type_layout().map(|get| get());
                let answer_name = answer.map_or_else(|| "()".to_owned(), |a| a.full_type().to_string());
                writeln!(text, "        fn({}) -> {answer_name}", names.join(", ")).unwrap();
                queue.extend(parameters.into_iter().chain(answer));
            }
        }
        queue.extend(layout.generics().type_params().iter().map(|get| get()));
    }
    text
}

fn path(id: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("frozen")
        .join(id.replace('/', "-") + ".txt")
}

#[test]
fn what_was_released_is_unchanged() {
    let freeze = std::env::var_os("KORA_FREEZE").is_some();
    for (id, layout) in released() {
        let now = render(layout);
        let path = path(id);
        if freeze && !path.exists() {
            fs::write(&path, &now).unwrap();
        }
        let frozen = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(
            frozen == now,
            "the layout of `{id}` differs from what was released: add a new revision beside it instead\n\
             expected:\n{frozen}\nfound:\n{now}"
        );
    }
}

#[test]
fn every_frozen_file_still_has_its_type() {
    let known: BTreeSet<PathBuf> = released().into_iter().map(|(id, _)| path(id)).collect();
    for entry in fs::read_dir(path("root").parent().unwrap()).unwrap() {
        let file = entry.unwrap().path();
        assert!(
            known.contains(&file),
            "{} was released and is gone",
            file.display()
        );
    }
}
