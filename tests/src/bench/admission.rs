//! Admitting plugins: from a file in the directory to a library whose layouts were checked.
//!
//! Each is admitted for the first time: its copy is not in the cache. Many plugins are one library with another name in its
//! manifest, so each has a digest and a mapping of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use kora_host::plugin::{Extensions, Gate, LoadedLibrary, Platform, Policy};
use object::{Object as _, ObjectSection as _};

use super::{
    Surroundings,
    home::private_folder,
    measure::{count, median, milliseconds},
    row::Row,
};

/// Whose library it is. Its name has as many letters as the names that are put in its place.
const PLUGIN: &str = "marvin";
/// So many at once.
const MANY: usize = 50;

pub fn bench(surroundings: &Surroundings) -> Result<Vec<Row>> {
    let library = fs::read(surroundings.library(PLUGIN)).context("cannot read the library")?;
    let size = count(library.len() as u64) / 1e6;
    eprintln!("the library has {size:.2} MB");
    let mut directory = Directory::new(&surroundings.folder("admission")?, library)?;
    let mut one = Vec::new();
    for _ in 0..surroundings.choose(21, 5) {
        one.push(directory.admit_new(1)?);
    }
    let mut many = Vec::new();
    for _ in 0..surroundings.choose(5, 1) {
        many.push(directory.admit_new(MANY)?);
    }
    Ok(vec![
        Row::limited("admission/one", "ms", median(&mut one), 50.0),
        Row::limited("admission/fifty", "ms", median(&mut many), 1500.0),
    ])
}

/// A plugin directory that new plugins come into.
struct Directory {
    plugins: PathBuf,
    gate: Gate,
    library: Vec<u8>,
    name_at: usize,
    next: usize,
}

impl Directory {
    fn new(folder: &Path, library: Vec<u8>) -> Result<Self> {
        let plugins = private_folder(&folder.join("plugins"))?;
        let cache = private_folder(&folder.join("cache"))?;
        Ok(Self {
            gate: Gate::new(plugins.clone(), cache, Policy::default(), Platform::current()),
            plugins,
            name_at: name_at(&library)?,
            library,
            next: 0,
        })
    }

    /// The milliseconds that it takes to admit so many that were never seen.
    fn admit_new(&mut self, number: usize) -> Result<f64> {
        let paths = (0..number).map(|_| self.drop_new()).collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        for path in &paths {
            self.admit(path)?;
        }
        Ok(milliseconds(began.elapsed()))
    }

    fn admit(&self, path: &Path) -> Result<()> {
        let admitted = self.gate.admit(path)?;
        let library = LoadedLibrary::open(&admitted.library_path)?;
        let extensions = Extensions::query("marvin", &library).map_err(|mismatch| anyhow!("{mismatch}"))?;
        ensure!(!extensions.ids().is_empty(), "expected extensions, found none");
        Ok(())
    }

    fn drop_new(&mut self) -> Result<PathBuf> {
        let name = format!("p{:05}", self.next);
        self.next += 1;
        self.library[self.name_at..][..PLUGIN.len()].copy_from_slice(name.as_bytes());
        let path = self.plugins.join(format!("lib{name}.so"));
        fs::write(&path, &self.library)?;
        Ok(path)
    }
}

/// Where in the library its manifest says its name.
fn name_at(library: &[u8]) -> Result<usize> {
    let file = object::File::parse(library)?;
    let section = file
        .section_by_name(".kora.plugin")
        .context("expected a manifest in the library, found none")?;
    let (start, _) = section.file_range().context("the manifest has no bytes")?;
    let line = format!("name = \"{PLUGIN}\"");
    let manifest = section.data()?;
    let found = manifest
        .windows(line.len())
        .position(|window| window == line.as_bytes());
    let at = found.context("expected the plugin's name in its manifest")?;
    Ok(usize::try_from(start)? + at + "name = \"".len())
}
