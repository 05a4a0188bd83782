//! The use cases behind the control socket.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    service::{
        Principal, Problem, Service,
        api::{Call, Event, TailEvents},
    },
    socket::Handler,
};

/// Hands calls of the operator to the use cases.
pub struct Rim {
    service: Arc<Service>,
}

impl Rim {
    pub fn new(service: Arc<Service>) -> Self {
        Self { service }
    }
}

#[async_trait]
impl Handler for Rim {
    async fn call(&self, operator_uid: u32, call: Call) -> Result<Value, Problem> {
        self.service.call(&Principal::operator(operator_uid), call).await
    }

    async fn follow(&self, _operator_uid: u32, tail: TailEvents) -> Result<mpsc::Receiver<Event>, Problem> {
        self.service.follow_events(tail).await
    }
}
