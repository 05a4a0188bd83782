//! Which plugin calls: the one map that `extern "C"` functions must find without being given anything but a number.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use super::super::context::PluginContext;

static CALLERS: LazyLock<RwLock<HashMap<u64, Arc<PluginContext>>>> = LazyLock::new(RwLock::default);

/// A plugin's place in the map. The context stays in it while this lives, and so for ever once a library was loaded: its
/// threads may call at any time.
pub(crate) struct Handle(u64);

impl Handle {
    /// Puts the plugin into the map, under a number that no other plugin can guess.
    pub fn assign(context: Arc<PluginContext>) -> Self {
        let mut callers = CALLERS.write().unwrap_or_else(PoisonError::into_inner);
        let number = loop {
            // The keys of `RandomState` come from the operating system.
            let number = RandomState::new().hash_one(0_u64);
            if !callers.contains_key(&number) {
                break number;
            }
        };
        callers.insert(number, context);
        Self(number)
    }

    /// The number.
    pub fn number(&self) -> u64 {
        self.0
    }
}

pub fn caller(handle: u64) -> Option<Arc<PluginContext>> {
    CALLERS
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&handle)
        .cloned()
}
