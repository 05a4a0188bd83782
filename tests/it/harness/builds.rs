//! Builds that are not the ordinary ones: of the host and of the plugin `echo` with other features, or against another ABI. Each
//! is a cargo invocation of its own, so that the features of one do not get into another. They lie beside the ordinary ones,
//! under names of their own: what they have in common is built already.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The root of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where the ordinary builds lie.
fn debug() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kora-under-test")).parent().unwrap()
}

/// Cargo in this workspace, without the network: all that it needs was needed already.
pub fn cargo(workspace: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .args(["--offline", "--target-dir"])
        .arg(debug().parent().unwrap())
        .current_dir(workspace)
        .stdin(Stdio::null());
    command
}

/// Builds, and answers the path of what comes out under this name.
///
/// # Panics
/// If cargo fails, with what it said.
#[track_caller]
pub fn build(workspace: &Path, arguments: &[&str], artifact: &str) -> PathBuf {
    let output = cargo(workspace, &[&["build", "--quiet"], arguments].concat())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "`cargo build {}` failed in `{}`:\n{}",
        arguments.join(" "),
        workspace.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    debug().join(artifact)
}

/// A change of one file: this text in place of that one.
pub struct Edit {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

const SDK: &str = "plugin-api";
const ECHO: &str = "tests/plugins/echo";

/// A workspace of its own with copies of the SDK, the ABI and the plugin `echo`, in which these things are different. The
/// library of `echo` has this name. Files that are as they should be already are not touched, so that cargo builds nothing anew.
///
/// Within its workspace each copy has a path of its own: that is all by which cargo tells what it builds of it from what it builds
/// of the originals.
pub fn copy_of_the_sdk(name: &str, edits: &[Edit]) -> PathBuf {
    let workspace = repository().join("target/pairs").join(name);
    let copy = Copy {
        workspace: &workspace,
        name,
        edits,
    };
    copy.folder(Path::new(SDK));
    copy.folder(Path::new(ECHO));
    copy.put("Cargo.toml", &copy.workspace_manifest(&original("Cargo.toml")));
    copy.put("Cargo.lock", &original("Cargo.lock"));
    workspace
}

fn original(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap()
}

struct Copy<'a> {
    workspace: &'a Path,
    name: &'a str,
    edits: &'a [Edit],
}

impl Copy<'_> {
    fn folder(&self, folder: &Path) {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if repository().join(&path).is_dir() {
                self.folder(&path);
            } else {
                self.file(path.to_str().unwrap());
            }
        }
    }

    fn file(&self, file: &str) {
        let mut text = original(file);
        for Edit { from, to, .. } in self.edits.iter().filter(|edit| edit.file == file) {
            assert!(text.contains(from), "{file} is another by now: expected {from}");
            text = text.replacen(from, to, 1);
        }
        if file == "tests/plugins/echo/Cargo.toml" {
            text = text.replace(
                "[lib]\nname = \"echo\"",
                &format!("[lib]\nname = \"{}\"", self.name),
            );
        }
        self.put(&format!("{}/{file}", self.name), &text);
    }

    fn workspace_manifest(&self, text: &str) -> String {
        let name = self.name;
        let line = |line: &str| match line.split_once(" = ") {
            Some(("members", _)) => {
                format!("members = [\"{name}/{SDK}\", \"{name}/{SDK}/abi\", \"{name}/{ECHO}\"]")
            }
            Some(("default-members" | "exclude", _)) => String::new(),
            _ => line.replace(&format!("path = \"{SDK}"), &format!("path = \"{name}/{SDK}")),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    fn put(&self, file: &str, text: &str) {
        let path = self.workspace.join(file);
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
