//! Plugins that call tools: with the capabilities that the operator gave them, for the tenants that they act for, and held by stop
//! commands.

use std::fs;

use serde_json::{Value, json};

use super::{Client, PROMPT, audit, home};
use crate::harness::{RunningHost, TestHome, eventually, rewritten};

/// A tool of the plugin `misbehave` that calls the one that it is told to.
const CALLS: &str = "misbehave__foreign_call";
const CREATE: &str = "kora__create_sea_ticket";
const STATE: &str = "kora__get_operational_state";
/// A tool of the plugin `conformance`, which takes no arguments.
const OF_ANOTHER: &str = "test_simple_text";

/// What `misbehave` registers in the mode `tools`, and that it wants to call tools.
const MANIFEST: [(&str, &str); 3] = [
    (
        "name = \"misbehave\"\n",
        "name = \"misbehave\"\nevent_types = [\"misbehave.observed\", \"misbehave.ticked\"]\n",
    ),
    (
        "[provides]\n",
        "[provides]\nwebhooks = [\"panic\"]\ntools = [\"misbehave__fine\", \"misbehave__panic\", \"misbehave__error\", \
         \"misbehave__invalid\", \"misbehave__hang\", \"misbehave__spin\", \"misbehave__huge\", \"misbehave__foreign_call\"]\n",
    ),
    ("[permissions]\n", "[permissions]\ntools = true\n"),
];

/// A home in which `misbehave` acts for `acme` and `globex` and `conformance` for `acme`; nobody acts for `initech`.
fn home_of_plugins(capabilities: &[&str]) -> TestHome {
    let home = home();
    let config = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    let bound = config
        .replace(
            "[tenants.acme]\n",
            "[tenants.acme]\nplugins = [\"misbehave\", \"conformance\"]\n",
        )
        .replace(
            "[tenants.globex]\n",
            "[tenants.globex]\nplugins = [\"misbehave\"]\n",
        );
    home.configure(&format!(
        "{bound}[tenants.initech]\nfallback_prompt = \"{PROMPT}\"\n\
         [plugins.misbehave]\nmode = \"tools\"\ntick_seconds = 3600\n{}",
        granting(capabilities)
    ));
    home.install(&["conformance"]);
    home.drop_file("libmisbehave.so", &rewritten("misbehave", &MANIFEST));
    home
}

fn granting(capabilities: &[&str]) -> String {
    format!("capabilities = {capabilities:?}\n")
}

/// Somebody who tells `misbehave` which tools to call.
struct Teller(Client);

impl Teller {
    fn new(home: &TestHome, host: &RunningHost<'_>) -> Self {
        host.wait_for_plugin("misbehave", "running");
        host.wait_for_plugin("conformance", "running");
        let tenants = ["acme", "globex"];
        let token = crate::harness::add_caller(home, "teller", &[CALLS], &tenants, None);
        Self(Client::with_token(host, token))
    }

    /// Lets the plugin call a tool for a tenant, and answers what the host answered to it. Asked is the plugin's tool for `globex`.
    #[track_caller]
    fn lets_call(&self, tenant: &str, tool: &str, arguments: Value) -> Value {
        let told =
            json!({ "workspace_id": "globex", "tenant": tenant, "tool": tool, "arguments": arguments });
        self.0.output(CALLS, told)
    }

    /// What the tool answered.
    #[track_caller]
    fn answer(&self, tenant: &str, tool: &str, arguments: Value) -> Value {
        let told = self.lets_call(tenant, tool, arguments);
        assert_eq!(told["answer"]["isError"], false, "{told}");
        told["answer"]["structuredContent"].clone()
    }

    /// Why it was not called: the sort of the error that the plugin is given, and its text.
    #[track_caller]
    fn refusal(&self, tenant: &str, tool: &str, arguments: Value) -> (String, String) {
        let told = self.lets_call(tenant, tool, arguments);
        let text = |key: &str| told[key].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
        (text("kind"), text("error"))
    }
}

/// What the audit says of calls by plugins, line by line.
struct Trail<'a> {
    home: &'a TestHome,
    seen: usize,
}

impl<'a> Trail<'a> {
    fn new(home: &'a TestHome) -> Self {
        Self { home, seen: 0 }
    }

    /// The details of the one line more that there is now: of this tenant's, with this result, of this tool if the line names one.
    #[track_caller]
    fn next<'t>(&mut self, tenant: &str, tool: impl Into<Option<&'t str>>, result: &str) -> Value {
        let of_plugins = |tenant: &str| {
            let mut lines = audit(self.home, tenant);
            lines.retain(|line| line["source"] == "plugin");
            lines
        };
        let count = || -> usize {
            let tenants = ["acme", "globex", "initech", "host"];
            tenants.iter().map(|tenant| of_plugins(tenant).len()).sum()
        };
        let found = eventually("the audit has one more line of a plugin's call", || {
            Some(count()).filter(|count| *count > self.seen)
        });
        assert_eq!(found, self.seen + 1);
        self.seen = found;
        let line = of_plugins(tenant).pop();
        let line = line.unwrap_or_else(|| panic!("no call of a plugin's is in the audit of {tenant}"));
        assert_eq!(
            (&line["seam"], &line["tenant"]),
            (&json!("mcp.tool_called"), &json!(tenant)),
            "{line}"
        );
        let details = line["details"].clone();
        assert_eq!(
            (&details["caller"], &details["caller_actor_kind"]),
            (&json!("misbehave"), &json!("plugin")),
            "{line}"
        );
        assert_eq!(details["result"], result, "{line}");
        assert_eq!(details["tool_name"], json!(tool.into()), "{line}");
        details
    }
}

fn tickets(host: &RunningHost<'_>, tenant: &str) -> Vec<Value> {
    let listed = host.json(&["tickets", "list", "--tenant", tenant]);
    listed.as_array().unwrap().clone()
}

#[test]
fn a_plugin_calls_tools_with_the_capabilities_that_it_was_given_and_with_no_others() {
    let home = home_of_plugins(&[]);
    let host = home.start();
    let teller = Teller::new(&home, &host);
    let mut trail = Trail::new(&home);
    let draft = json!({ "title": "a ticket" });

    // What only shows needs none.
    assert_eq!(teller.answer("acme", STATE, json!({}))["primary_state"], "ready");
    let line = trail.next("acme", STATE, "ok");
    assert_eq!(
        (&line["tool_kind"], &line["tool_status"]),
        (&json!("read"), &json!("ok"))
    );
    for (tool, arguments) in [(CREATE, draft.clone()), (OF_ANOTHER, json!({}))] {
        let (kind, error) = teller.refusal("acme", tool, arguments);
        assert_eq!(kind, "Denied", "{tool}: {error}");
        let expected = format!("capability_denied: `{tool}` is not among `[plugins.misbehave] capabilities`");
        assert_eq!(error, expected);
        let line = trail.next("acme", tool, "capability_denied");
        assert_eq!(line["required_capability"], tool, "{line}");
        assert_eq!(line["tool_status"], "not_allowed", "{line}");
    }
    assert_eq!(tickets(&host, "acme"), [] as [Value; 0]);
    let (kind, error) = teller.refusal("acme", "somebody__else", json!({}));
    assert_eq!(
        (kind.as_str(), error.as_str()),
        ("Invalid", "unknown tool: 'somebody__else'")
    );
    trail.next("host", None, "unknown");

    let config = fs::read_to_string(home.path().join("kora.toml")).unwrap();
    home.configure(&config.replace(&granting(&[]), &granting(&[CREATE, OF_ANOTHER])));
    host.json(&["config", "reload"]);
    let made = teller.answer("acme", CREATE, draft);
    assert_eq!(
        (
            &made["caller_actor_kind"],
            &made["raw_response"]["origin_actor_kind"]
        ),
        (&json!("plugin"), &json!("plugin")),
        "{made}"
    );
    let line = trail.next("acme", CREATE, "ok");
    assert_eq!(
        (&line["tool_kind"], &line["args_keys"]),
        (&json!("mutating"), &json!(["title", "workspace_id"])),
        "{line}"
    );
    assert_eq!(tickets(&host, "acme")[0]["ticket_id"], made["ticket_id"]);
    let told = teller.lets_call("acme", OF_ANOTHER, json!({}));
    assert_eq!(
        told["answer"]["content"][0]["text"],
        "This is a simple text response for testing."
    );
    trail.next("acme", OF_ANOTHER, "ok");
    // One capability is no other, and what was its caller's is not the plugin's.
    for tool in ["kora__claim_sea_ticket", "misbehave__foreign_call"] {
        assert_eq!(teller.refusal("acme", tool, json!({})).0, "Denied", "{tool}");
        trail.next("acme", tool, "capability_denied");
    }
}

#[test]
fn a_plugin_calls_for_the_tenant_that_it_names_to_the_host_whatever_the_arguments_say() {
    let home = home_of_plugins(&[CREATE, OF_ANOTHER]);
    let host = home.start();
    let teller = Teller::new(&home, &host);
    let mut trail = Trail::new(&home);
    for other in [json!("globex"), json!("initech"), json!("host"), json!(7)] {
        let draft = json!({ "title": format!("for {other}"), "workspace_id": other });
        let made = teller.answer("acme", CREATE, draft);
        trail.next("acme", CREATE, "ok");
        let newest = &tickets(&host, "acme")[0];
        assert_eq!(newest["ticket_id"], made["ticket_id"], "{other}");
    }
    for other in ["globex", "initech"] {
        assert_eq!(tickets(&host, other), [] as [Value; 0], "{other}");
    }
    // A list over all tenants shows the one that it is called for.
    let seen = teller.answer("acme", "kora__list_identities", json!({}));
    let seen: Vec<_> = seen["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|identity| &identity["workspace_id"])
        .collect();
    assert_eq!(seen, ["acme"]);
    trail.next("host", "kora__list_identities", "ok");
    // Tools of a plugin that does not act for the tenant are none that there are.
    let hidden = teller.refusal("globex", OF_ANOTHER, json!({}));
    let unknown = format!("unknown tool: '{OF_ANOTHER}'");
    assert_eq!(hidden, ("Invalid".to_owned(), unknown));
    trail.next("host", None, "tenant_denied");
    // For whom it does not act it gets no further than that.
    for tenant in ["initech", "host", "nobody"] {
        let (kind, error) = teller.refusal(tenant, STATE, json!({}));
        assert_eq!(kind, "TenantNotServed", "{tenant}: {error}");
    }
    teller.answer("globex", STATE, json!({}));
    trail.next("globex", STATE, "ok");
}

#[test]
fn what_a_plugin_calls_a_tool_with_is_held_against_the_schema() {
    let home = home_of_plugins(&[CREATE, OF_ANOTHER, "kora__append_event"]);
    let host = home.start();
    let teller = Teller::new(&home, &host);
    let mut trail = Trail::new(&home);
    for (tool, arguments, place) in [
        (CREATE, json!({ "title": 7 }), "/title"),
        (CREATE, json!({}), "title"),
        (
            "kora__append_event",
            json!({ "event_type": "deploy.finished", "payload": "s3cret" }),
            "/payload",
        ),
        (STATE, json!({ "no_such_argument": "s3cret" }), "no_such_argument"),
        (
            OF_ANOTHER,
            json!({ "no_such_argument": "s3cret" }),
            "the arguments: expected none",
        ),
    ] {
        let (kind, error) = teller.refusal("acme", tool, arguments);
        assert_eq!(kind, "Invalid", "{tool}: {error}");
        assert!(
            error.starts_with("invalid params: ") && error.contains(place),
            "{tool}: {error}"
        );
        assert!(!error.contains("s3cret"), "{tool}: {error}");
        let line = trail.next("acme", tool, "bad_input");
        assert_eq!(
            (&line["code"], &line["tool_status"]),
            (&json!("tool.input"), &json!("error")),
            "{line}"
        );
    }
    assert_eq!(tickets(&host, "acme"), [] as [Value; 0]);
    assert_eq!(host.payloads("acme", "deploy.finished"), [] as [Value; 0]);
}

#[test]
fn a_stop_command_of_level_2_holds_every_call_of_a_plugin_s_for_its_tenant() {
    let home = home_of_plugins(&[CREATE, OF_ANOTHER]);
    let host = home.start();
    let teller = Teller::new(&home, &host);
    let mut trail = Trail::new(&home);
    let stop = |level: &str| host.json(&["state", "stop", "--level", level, "--tenant", "acme"]);
    // A pause lets tools be called.
    stop("1");
    assert_eq!(teller.answer("acme", STATE, json!({}))["primary_state"], "paused");
    trail.next("acme", STATE, "ok");

    let id = stop("2")["command_id"].as_str().unwrap().to_owned();
    for (tool, arguments, audited) in [
        (STATE, json!({}), "acme"),
        (CREATE, json!({ "title": "a ticket" }), "acme"),
        (OF_ANOTHER, json!({}), "acme"),
        // Of those that are about no tenant, the host's audit tells.
        ("kora__daemon_status", json!({}), "host"),
    ] {
        let (kind, error) = teller.refusal("acme", tool, arguments);
        assert_eq!(kind, "Denied", "{tool}: {error}");
        assert!(
            error.starts_with("stop_kora: no tool may be called") && error.contains(&id),
            "{tool}: {error}"
        );
        let line = trail.next(audited, tool, "blocked_by_control");
        assert_eq!(line["code"], "stop_kora", "{line}");
    }
    assert_eq!(tickets(&host, "acme"), [] as [Value; 0]);
    // The other tenant for which the same plugin acts is not held.
    teller.answer("globex", CREATE, json!({ "title": "a ticket" }));
    trail.next("globex", CREATE, "ok");
    host.json(&["state", "reset", "--tenant", "acme"]);
    teller.answer("acme", CREATE, json!({ "title": "a ticket" }));
    trail.next("acme", CREATE, "ok");
}

#[test]
fn a_plugin_gives_no_stop_command_since_nobody_answers_for_it() {
    const STOP: &str = "kora__request_stop";
    let home = home_of_plugins(&[STOP]);
    let host = home.start();
    let teller = Teller::new(&home, &host);
    let mut trail = Trail::new(&home);
    let session = teller.answer("acme", "kora__daemon_status", json!({}))["daemon_session_id"].clone();
    trail.next("host", "kora__daemon_status", "ok");
    let stop = json!({ "reason": "r", "level": 1, "confirm_token": session });
    let (kind, error) = teller.refusal("acme", STOP, stop);
    assert_eq!(
        (kind.as_str(), error.as_str()),
        ("Denied", "actor_id_required_for_stop")
    );
    let line = trail.next("acme", STOP, "actor_id_required");
    assert_eq!(
        (&line["level"], &line["actor_id_present"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(super::state_of(&host, "acme"), "ready");
    let commands = host.json(&["state", "commands", "--tenant", "acme"]);
    assert_eq!(commands["history"], json!([]), "{commands}");
}
