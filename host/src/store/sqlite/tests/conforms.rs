//! The suite that every store passes.

use std::sync::Arc;

use tempfile::TempDir;

use super::Place;
use crate::store::{Store, conformance::store_conformance};

async fn fresh() -> (Arc<dyn Store>, TempDir) {
    let place = Place::new();
    (Arc::new(place.open()), place.dir)
}

store_conformance!(fresh);
