//! What a call of a tool over MCP costs, beside a bare server of the same library whose tool does nothing: both in processes of their
//! own, asked by the same client, in turn.

mod bare;
mod client;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

pub use bare::{ARGUMENT, serve};
use client::{Asked, Load};

use super::{
    Surroundings,
    home::Home,
    measure::{in_turn, milliseconds},
    row::{Budget, Row},
};

/// The token of the one caller, and its hash.
const TOKEN: &str = "koratok_of-the-bench-0123456789-0123456789-0123456";
/// As often as it likes, and no line of the log for each call: neither is what is measured.
const CONFIG: &str = "[access]\nrequests_per_second = 0\n[log]\nlevel = \"warn\"\n";

/// `calls_*`: calls of `kora__daemon_status` in a second, over so many connections. `latency_*`: how long one takes, in the middle and at
/// the ninety-ninth hundredth.
pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let home = Home::make(surroundings, &surroundings.folder("mcp")?, CONFIG)?;
    write_caller(&home)?;
    let daemon = home.start(surroundings)?;
    daemon.wait_until_running()?;
    let status = daemon.call("status")?;
    let ours: SocketAddr = status["http"]
        .as_str()
        .context("the host does not listen")?
        .parse()?;
    let bare = BareServer::start()?;
    let ours = Asked::new(ours, "kora__daemon_status", Some(TOKEN));
    let theirs = Asked::new(bare.address, "empty", None);

    let slice = surroundings.choose(Duration::from_secs(2), Duration::from_millis(300));
    let rounds = surroundings.choose(9, 3);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let against = "a bare rmcp server with an empty tool";
    let mut rows = Vec::new();
    for (connections, names) in [
        (1, ["mcp/calls_1", "mcp/latency_1", "mcp/latency_p99_1"]),
        (64, ["mcp/calls_64", "mcp/latency_64", "mcp/latency_p99_64"]),
    ] {
        let mut latencies = [Vec::new(), Vec::new()];
        let [mut of_ours, mut of_theirs] = {
            let load = Load { connections, slice };
            let [ours_latencies, theirs_latencies] = &mut latencies;
            let calls = in_turn(
                rounds,
                [&mut || load.run(&runtime, &ours, ours_latencies), &mut || {
                    load.run(&runtime, &theirs, theirs_latencies)
                }],
            )?;
            rows.push(
                Row::new(names[0], "calls/s", (calls[0], calls[1]), against).budget(Budget::AtLeast(0.7)),
            );
            latencies
        };
        for (name, share) in [(names[1], 0.5), (names[2], 0.99)] {
            let figures = (quantile(&mut of_ours, share), quantile(&mut of_theirs, share));
            rows.push(Row::new(name, "ms", figures, against));
        }
    }
    daemon.stop()?;
    Ok(rows)
}

fn quantile(latencies: &mut [Duration], share: f64) -> f64 {
    latencies.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into what was measured in seconds"
    )]
    let index = (latencies.len() as f64 * share) as usize;
    latencies
        .get(index.min(latencies.len().saturating_sub(1)))
        .map_or(f64::NAN, |latency| milliseconds(*latency))
}

fn write_caller(home: &Home) -> Result<()> {
    use sha2::Digest as _;
    let hash: String = sha2::Sha256::digest(TOKEN.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let entry = format!(
        "[[callers]]\nname = \"bench\"\nkind = \"bench\"\ntoken_hash = \"sha256:{hash}\"\ncapabilities = []\ntenants = [\"*\"]\n"
    );
    let path = home.path().join("callers.toml");
    fs::write(&path, entry)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// The other server, in a process of its own. Killed when it is dropped.
struct BareServer {
    child: Child,
    address: SocketAddr,
}

impl BareServer {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("it has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the bare server did not start");
        Ok(Self {
            child,
            address: line.trim().parse()?,
        })
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        // An error means that it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
