//! The tour, step by step, and what is expected of each.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{
    THIRD,
    identity::Identity,
    stage::{Stage, expect},
};
use crate::home::as_argument;

/// From the end of the copy until it is listed as running: a second in which a file must stand still, and what loading takes on
/// a machine that does something else too.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(3);

/// The package files.
pub struct Packages {
    /// Installed before the host starts.
    pub installed: Vec<PathBuf>,
    /// Dropped in while it runs.
    pub dropped: PathBuf,
}

/// All of it.
///
/// # Errors
/// At the first surprise.
pub fn tour(stage: &mut Stage, packages: &Packages) -> Result<()> {
    make_a_home(stage, packages)?;
    stage.heading("The host serves two tenants, for whom two plugins speak");
    stage.start()?;
    stage.kora(&["status"])?;
    show_both(stage)?;
    swap_and_roll_back(stage)?;
    drop_a_plugin(stage, packages)?;
    pause_and_resume(stage)?;
    kill_and_restart(stage)?;
    prove(stage)?;
    stage.heading("The host stops in order, and the chains are sound without it");
    stage.stop()?;
    stage.kora(&["events", "verify"])?;
    Ok(())
}

fn make_a_home(stage: &Stage, packages: &Packages) -> Result<()> {
    stage.heading("A home, with two tenants and two plugins");
    stage.kora(&["init"])?;
    stage.add_tenants()?;
    for package in &packages.installed {
        stage.kora(&["plugins", "install", as_argument(package)?])?;
    }
    stage.kora(&["boot", "--check-only"])?;
    Ok(())
}

fn show_both(stage: &Stage) -> Result<()> {
    for (tenant, provider, begin) in [
        ("acme", "kora/kora", "You are Kora"),
        ("globex", "marvin/marvin", "You are Marvin"),
    ] {
        stage.kora(&["identity", "show", tenant])?;
        let identity = Identity::of(stage, tenant)?;
        expect_speaker(tenant, &identity, provider)?;
        ensure!(
            identity.first_line().starts_with(begin),
            "expected a prompt for `{tenant}` that begins with {begin:?}, found {:?}",
            identity.first_line()
        );
    }
    Ok(())
}

fn expect_speaker(tenant: &str, identity: &Identity, provider: &str) -> Result<()> {
    let found = identity.provider.as_deref();
    expect(&format!("who speaks for `{tenant}`"), found, Some(provider))
}

fn swap_and_roll_back(stage: &Stage) -> Result<()> {
    stage.heading("Another identity speaks for acme, and then the exact bytes of before");
    let before = Identity::of(stage, "acme")?;
    let globex = Identity::of(stage, "globex")?;
    stage.kora(&["identity", "swap", "acme", "marvin", "--reason", "the tour"])?;
    expect_speaker("acme", &Identity::of(stage, "acme")?, "marvin/marvin")?;
    why(stage, "acme")?;

    stage.kora(&["identity", "rollback", "acme"])?;
    let after = Identity::of(stage, "acme")?;
    expect(
        "the hash after the rollback",
        &after.snapshot_hash,
        &before.snapshot_hash,
    )?;
    expect("the texts after the rollback", &after.snapshot, &before.snapshot)?;
    expect(
        "the generation after the rollback",
        after.generation,
        before.generation + 2,
    )?;
    expect("globex meanwhile", &Identity::of(stage, "globex")?, &globex)?;
    stage.remark(&format!(
        "the same bytes as before the swap: {}",
        after.snapshot_hash
    ));
    Ok(())
}

fn why(stage: &Stage, tenant: &str) -> Result<()> {
    stage.kora(&["identity", "why", tenant])?;
    let why = stage.json(&["identity", "why", tenant])?;
    expect("the proof of who speaks", &why["proved"], &Value::Bool(true))
}

fn drop_a_plugin(stage: &mut Stage, packages: &Packages) -> Result<()> {
    stage.heading("A third plugin is dropped into the directory of the running host");
    let took = stage.drop_plugin(&packages.dropped, THIRD)?;
    stage.remark(&format!(
        "`{THIRD}` runs, {:.2} s after the copy",
        took.as_secs_f64()
    ));
    ensure!(
        took < TAKEN_IN_WITHIN,
        "expected `{THIRD}` to run within {TAKEN_IN_WITHIN:?} of the copy, found {took:?}"
    );
    stage.kora(&["plugins", "list"])?;
    stage.kora(&["identity", "swap", "acme", THIRD])?;
    expect_speaker("acme", &Identity::of(stage, "acme")?, "echo/echo")?;
    stage.kora(&["identity", "show", "acme"])?;
    Ok(())
}

fn state(stage: &Stage, tenant: &str) -> Result<String> {
    let state = stage.json(&["state", "show", "--tenant", tenant])?;
    let primary = state["primary_state"].as_str();
    Ok(primary
        .context("expected a `primary_state`, found none")?
        .to_owned())
}

fn expect_state(stage: &Stage, tenant: &str, expected: &str) -> Result<()> {
    expect(
        &format!("the state of `{tenant}`"),
        state(stage, tenant)?.as_str(),
        expected,
    )
}

fn pause_and_resume(stage: &Stage) -> Result<()> {
    stage.heading("A tenant is paused and resumed; the other goes on");
    expect_state(stage, "acme", "ready")?;
    stage.kora(&["state", "pause", "--tenant", "acme", "--reason", "lunch"])?;
    expect_state(stage, "acme", "paused")?;
    expect_state(stage, "globex", "ready")?;
    stage.kora(&["state", "resume", "--tenant", "acme", "--reason", "back"])?;
    expect_state(stage, "acme", "ready")
}

fn kill_and_restart(stage: &mut Stage) -> Result<()> {
    stage.heading("The host is killed while globex is paused: who speaks and what was paused survive");
    stage.kora(&["state", "pause", "--tenant", "globex", "--reason", "over night"])?;
    let before = [Identity::of(stage, "acme")?, Identity::of(stage, "globex")?];
    stage.kill()?;
    stage.start()?;
    let after = [Identity::of(stage, "acme")?, Identity::of(stage, "globex")?];
    expect("who speaks after the kill", &after, &before)?;
    stage.kora(&["identity", "list"])?;
    stage.kora(&["state", "show", "--tenant", "globex"])?;
    expect_state(stage, "globex", "paused")?;
    expect_state(stage, "acme", "ready")?;
    stage.kora(&["state", "resume", "--tenant", "globex", "--reason", "morning"])?;
    expect_state(stage, "globex", "ready")
}

fn prove(stage: &Stage) -> Result<()> {
    stage.heading("Every record of every chain is as it was written");
    stage.kora(&["events", "verify"])?;
    let report = stage.json(&["events", "verify"])?;
    expect("the verdict", report["status"].as_str(), Some("sound"))?;
    let chains: Vec<_> = report["chains"].as_array().into_iter().flatten().collect();
    expect("the number of chains", chains.len(), 3)?;
    for chain in chains {
        expect("a chain", chain["status"].as_str(), Some("sound"))?;
    }
    stage.kora(&["events", "tail", "--tenant", "acme", "--limit", "5"])?;
    export(stage)
}

fn export(stage: &Stage) -> Result<()> {
    let file = stage.home.root.join("acme.jsonl");
    stage.kora(&[
        "events",
        "export",
        "--tenant",
        "acme",
        "--output",
        as_argument(&file)?,
    ])?;
    let text = std::fs::read_to_string(&file)?;
    stage.typed("tail -1 $KORA_HOME/acme.jsonl");
    println!("{}\n", text.lines().last().unwrap_or_default());
    check_export(&text)
}

/// The trailer says what stands before it.
fn check_export(text: &str) -> Result<()> {
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let [header, events @ .., trailer] = lines.as_slice() else {
        anyhow::bail!(
            "expected a header and a trailer in the export, found {} lines",
            lines.len()
        );
    };
    expect("the first line", &header["kind"], &"header".into())?;
    expect("the last line", &trailer["kind"], &"trailer".into())?;
    expect(
        "the count of the trailer",
        &trailer["count"],
        &events.len().into(),
    )?;
    let last = events
        .last()
        .context("expected events in the export, found none")?;
    expect("the last sequence number", &trailer["last_seq"], &last["seq"])?;
    expect("the last hash", &trailer["last_hash"], &last["this_hash"])?;
    let first = &events[0];
    expect("the first hash", &first["prev_hash"], &header["genesis"])?;
    for pair in events.windows(2) {
        expect(
            "the link of two events",
            &pair[1]["prev_hash"],
            &pair[0]["this_hash"],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(count: usize, last_hash: &str) -> String {
        let lines = [
            json!({"kind": "header", "genesis": "0"}),
            json!({"kind": "event", "seq": 1, "prev_hash": "0", "this_hash": "1"}),
            json!({"kind": "event", "seq": 2, "prev_hash": "1", "this_hash": "2"}),
            json!({"kind": "trailer", "count": count, "last_seq": 2, "last_hash": last_hash}),
        ];
        lines.map(|line| line.to_string()).join("\n")
    }

    #[test]
    fn an_export_that_was_cut_or_changed_is_a_surprise() {
        check_export(&lines(2, "2")).expect("is whole");
        assert!(check_export(&lines(3, "2")).is_err());
        assert!(check_export(&lines(2, "3")).is_err());
        let whole = lines(2, "2");
        let cut = &whole[..whole.rfind('\n').expect("has lines")];
        assert!(check_export(cut).is_err());
        assert!(check_export(&whole.replace(r#""prev_hash":"1""#, r#""prev_hash":"9""#)).is_err());
    }
}
