//! Extensions and services: how one is handed over, and how it is checked before it is used.

use abi_stable::{
    StableAbi,
    abi_stability::abi_checking::{AbiInstability, AbiInstabilityErrors, check_layout_compatibility},
    std_types::ROption,
    type_layout::TypeLayout,
};

/// The answer to "have you this extension?": where it is, and the layout that its maker compiled.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Extension {
    layout: &'static TypeLayout,
    ptr: *const (),
}

// SAFETY: both fields refer to immutable statics of a library that is never unloaded.
unsafe impl Send for Extension {}
// SAFETY: as for `Send`.
unsafe impl Sync for Extension {}

impl Extension {
    /// Hands over `it`.
    pub fn of<T: StableAbi>(it: &'static T) -> Self {
        Self {
            layout: T::LAYOUT,
            ptr: std::ptr::from_ref(it).cast(),
        }
    }
}

/// The other side's layout of an extension is not the one compiled here.
#[derive(Debug, Clone)]
pub struct LayoutMismatch {
    /// One line: the differing item, what was expected and what was found.
    pub summary: String,
    /// abi_stable's full text, for the debug log. It can be 20 kB.
    pub full: String,
}

impl std::fmt::Display for LayoutMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for LayoutMismatch {}

/// The extension found, once its layout has been checked against the one compiled here. `None`: the other side has none.
///
/// # Errors
/// [`LayoutMismatch`] if the layouts differ; the extension must not be used.
///
/// # Safety
/// `found` must come from a library that is never unloaded, whose maker built it with [`Extension::of`].
pub unsafe fn query<T: StableAbi + 'static>(
    found: ROption<Extension>,
) -> Option<Result<&'static T, LayoutMismatch>> {
    let found = found.into_option()?;
    Some(match check_layout_compatibility(T::LAYOUT, found.layout) {
        // SAFETY: the caller promises that the pointer was made by `Extension::of` from a static of the type that the
        // layout describes, and the layout is that of `T`.
        Ok(_) => Ok(unsafe { &*found.ptr.cast::<T>() }),
        Err(errors) => Err(LayoutMismatch {
            summary: summarise(&errors),
            full: errors.to_string(),
        }),
    })
}

/// Reduces abi_stable's pages to one line about the first difference, at its deepest place.
fn summarise(errors: &AbiInstabilityErrors) -> String {
    let Some(first) = errors.errors.iter().max_by_key(|e| e.stack_trace.len()) else {
        return "the layouts differ".to_owned();
    };
    let place = first
        .stack_trace
        .iter()
        .map(|step| one_line(&step.expected.to_string(), 60))
        .collect::<Vec<_>>();
    let place = if place.is_empty() {
        String::new()
    } else {
        format!(" in `{}`", place.join("` → `"))
    };
    let what = first
        .errs
        .iter()
        .next()
        .map_or_else(|| "another layout".to_owned(), difference);
    format!("{what}{place}")
}

fn difference(error: &AbiInstability) -> String {
    match error {
        AbiInstability::Size(v) => format!("expected {} bytes, found {}", v.expected, v.found),
        AbiInstability::Alignment(v) => format!("expected alignment {}, found {}", v.expected, v.found),
        AbiInstability::FieldCountMismatch(v) => format!("expected {} fields, found {}", v.expected, v.found),
        AbiInstability::Name(v) => format!("expected type `{}`, found `{}`", v.expected, v.found),
        AbiInstability::Package(v) => format!("expected package `{}`, found `{}`", v.expected, v.found),
        AbiInstability::PackageVersion(v) => format!("expected version {}, found {}", v.expected, v.found),
        AbiInstability::UnexpectedField(v) => {
            format!(
                "expected field `{}`, found `{}`",
                v.expected.name(),
                v.found.name()
            )
        }
        other => {
            let text = format!("{other:?}");
            let kind = text.split(['(', ' ', '{']).next().unwrap_or("difference");
            format!("{kind} differs")
        }
    }
}

fn one_line(text: &str, limit: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", &joined[..cut]),
        None => joined,
    }
}
