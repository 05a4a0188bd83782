//! A throw-away PostgreSQL server for tests: one for each test process, in a temporary folder, reached over a Unix socket, ended
//! with the process however that ends.
//!
//! ```text
//!   test process ──pipe──▶ sh (a process group of its own) ──▶ postgres
//!                          reads `stop` and `start`; at the end of the pipe: kills postgres, removes the folder
//! ```
//!
//! The pipe closes with the process that holds it, killed or not, so nothing has to be told to tidy up.
//!
//! The tests of the whole command and the benches include this file as it is: it uses nothing of the crate.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        net::UnixStream,
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What the tests' machine must have.
const MISSING: &str = "a throw-away PostgreSQL server needs a server's binaries, version 13 or later: install `postgresql` \
                       (Debian: `apt-get install postgresql`), or name their folder in `KORA_TEST_POSTGRES_BIN`; as root also the user \
                       `postgres`, since the server refuses to run as root";

/// The superuser of the server; nobody is asked for a password.
pub(crate) const OWNER: &str = "owner";

/// How long a server may take to start on a machine that is busy with other tests.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Runs the server until the pipe ends. Signals for the tests' process group are not for it, and it ignores those that come
/// nevertheless, or the folder would stay.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
run() { "$1/postgres" -D "$2/data" -k "$2" >>"$2/log" 2>&1 & server=$!; }
lives() { grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }
end() {
    children=$(cat "/proc/$server/task/$server/children" 2>/dev/null)
    kill "-$1" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    # Of a server that was killed they go a moment later, and no other starts before.
    for child in $children; do while lives "$child"; do sleep 0.01; done; done
}
run "$1" "$2"
while read -r order; do
    case "$order" in
        stop\ *) end "${order#stop }" ;;
        start) run "$1" "$2" ;;
    esac
    echo done
done
end QUIT
rm -rf "$2"
"#;

/// Small and quick to make; durable as in earnest, since tests kill it.
const SETTINGS: &str = "
listen_addresses = ''
shared_buffers = 16MB
max_connections = 60
max_wal_size = 64MB
wal_level = minimal
max_wal_senders = 0
autovacuum = off
log_checkpoints = off
";

/// What has to be installed before a server can be started here; nothing if all is there.
pub(crate) fn missing() -> Option<&'static str> {
    let is_there = find_binaries().is_some() && find_user().is_some();
    (!is_there).then_some(MISSING)
}

/// A running server.
pub(crate) struct Server {
    folder: PathBuf,
    watchdog: Mutex<Watchdog>,
    databases: AtomicU32,
}

struct Watchdog {
    process: Child,
    /// Taken when it is to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// The one of this process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of the test's own, which it may stop.
    pub(crate) fn start() -> Self {
        Self::start_with("", &[])
    }

    /// The same, with these settings after its own, and with these files beside its data, which it alone may read.
    pub(crate) fn start_with(settings: &str, files: &[(&str, &str)]) -> Self {
        if let Some(missing) = missing() {
            panic!("{missing}");
        }
        let binaries = binaries();
        let user = user();
        let folder = tempfile::Builder::new()
            .prefix("kora-pg-")
            .tempdir()
            .expect("a folder for the server")
            .keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&folder, Some(user.0), Some(user.1)).unwrap();
        copy(&template(&binaries, user), &folder.join("data"));
        fs::write(
            folder.join("data/postgresql.auto.conf"),
            format!("{SETTINGS}{settings}"),
        )
        .unwrap();
        for (name, content) in files {
            let file = folder.join("data").join(name);
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&file, Some(user.0), Some(user.1)).unwrap();
        }
        let mut process = as_user(&mut Command::new("sh"), user)
            .current_dir("/")
            .args(["-c", WATCHDOG, "kora-test-postgres"])
            .arg(&binaries)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let server = Self {
            folder,
            watchdog: Mutex::new(Watchdog {
                orders: process.stdin.take(),
                answers: BufReader::new(process.stdout.take().unwrap()),
                process,
            }),
            databases: AtomicU32::new(0),
        };
        server.await_start();
        server
    }

    /// The address of a database that nobody else uses, for `user`.
    pub(crate) fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(OWNER, &name)
    }

    /// The address of a database for a role.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        let folder = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://{role}@{folder}/{database}")
    }

    /// Runs SQL as the owner and gives what `psql` prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let output = Command::new(binaries().join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                OWNER,
                "-d",
                database,
                "-c",
                sql,
            ])
            .arg("-h")
            .arg(&self.folder)
            .output()
            .expect("psql runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Kills it as a crash would: what it has not written is lost, connections break.
    pub(crate) fn stop(&self) {
        self.stop_by("QUIT");
    }

    /// Ends it by a signal to its first process, without `SIG`: `INT` lets it tidy up, `QUIT` and `KILL` do not.
    pub(crate) fn stop_by(&self, signal: &str) {
        self.order(&format!("stop {signal}"));
    }

    /// Starts it again and waits until it takes connections.
    pub(crate) fn start_again(&self) {
        self.order("start");
        self.await_start();
    }

    fn order(&self, order: &str) {
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = watchdog.orders.as_mut().unwrap();
        writeln!(orders, "{order}").unwrap();
        watchdog.answers.read_line(&mut String::new()).unwrap();
    }

    pub(crate) fn await_start(&self) {
        let begin = Instant::now();
        while !self.takes_connections() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(
                begin.elapsed() < START_DEADLINE,
                "the server did not start: {}",
                log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn takes_connections(&self) -> bool {
        UnixStream::connect(self.folder.join(".s.PGSQL.5432")).is_ok()
            && Command::new(binaries().join("pg_isready"))
                .arg("-q")
                .arg("-h")
                .arg(&self.folder)
                .status()
                .is_ok_and(|status| status.success())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It has tidied up when it has ended.
        let _ = self.process.wait();
    }
}

/// A cluster as `initdb` makes it, kept beside the tests' executable: making one takes ten times as long as copying it.
fn template(binaries: &Path, user: (u32, u32)) -> PathBuf {
    let version = binaries.to_string_lossy().replace('/', "-");
    let executable = env::current_exe().unwrap();
    let kept = executable.with_file_name(format!("postgres-for-tests{version}"));
    if kept.exists() {
        return kept;
    }
    // Where the server's user may write.
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(user.0), Some(user.1)).unwrap();
    let data = folder.path().join("data");
    let made = as_user(&mut Command::new(binaries.join("initdb")), user)
        .current_dir(folder.path())
        .arg("--pgdata")
        .arg(&data)
        .args([
            "--username",
            OWNER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ])
        .args(["--no-sync", "--no-instructions", "--wal-segsize", "1"])
        .output()
        .expect("initdb runs");
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    // Another process may make one at the same time: whole or not at all, and the first stays.
    let beside = tempfile::tempdir_in(kept.parent().unwrap()).unwrap();
    copy(&data, &beside.path().join("data"));
    match fs::rename(beside.path().join("data"), &kept) {
        Err(error) if !kept.exists() => panic!("{}: {error}", kept.display()),
        _ => kept,
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "cp -a {} {}",
        from.display(),
        to.display()
    );
}

fn as_user(command: &mut Command, (uid, gid): (u32, u32)) -> &mut Command {
    if own_uid() == 0 {
        command.uid(uid).gid(gid)
    } else {
        command
    }
}

/// Whom the server runs as: it refuses root.
fn user() -> (u32, u32) {
    find_user().expect(MISSING)
}

fn find_user() -> Option<(u32, u32)> {
    if own_uid() != 0 {
        return Some((own().uid(), own().gid()));
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut ids = line.split(':').skip(2).map(str::parse);
    Some((ids.next()?.ok()?, ids.next()?.ok()?))
}

fn own() -> fs::Metadata {
    fs::metadata("/proc/self").unwrap()
}

fn own_uid() -> u32 {
    own().uid()
}

fn binaries() -> PathBuf {
    find_binaries().expect(MISSING)
}

/// The folder with `initdb` of the newest version there is, if one is installed.
pub(crate) fn find_binaries() -> Option<PathBuf> {
    if let Some(named) = env::var_os("KORA_TEST_POSTGRES_BIN") {
        return Some(PathBuf::from(named)).filter(|folder| has_server(folder));
    }
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|folder| version(folder).is_some())
        .max_by_key(version);
    let packaged = newest.map(|folder| folder.join("bin"));
    let on_path = env::var_os("PATH")
        .into_iter()
        .flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let mut folders = packaged.into_iter().chain(on_path);
    folders.find(|folder| has_server(folder))
}

fn has_server(folder: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_isready"]
        .iter()
        .all(|name| folder.join(name).exists())
}
