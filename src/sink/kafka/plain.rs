//! Messages without transactions.

use std::sync::atomic::Ordering;

use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};

use super::target::{Target, drain, failed};
use super::{KafkaMessage, Outlet};
use crate::engine::control::lock;
use crate::error::SinkError;
use crate::kafka::Connection;

/// Sends messages as they come; a batch is there when all are acknowledged.
pub(super) struct Plain {
    target: Target,
    producer: BaseProducer<Connection>,
}

impl Plain {
    pub(super) fn new(target: Target, producer: BaseProducer<Connection>) -> Self {
        Plain { target, producer }
    }
}

impl Outlet for Plain {
    fn send(&mut self, message: KafkaMessage) -> Result<(), SinkError> {
        self.target.send(&self.producer, &message).map_err(|error| {
            failed(format!("can't send a message to `{}`", self.target.topic), error)
        })
    }

    fn commit(&mut self, _batch: u64) -> Result<(), SinkError> {
        drain(&self.producer);
        let context = self.producer.context();
        let undelivered = context.undelivered.swap(0, Ordering::SeqCst);
        if undelivered == 0 {
            return Ok(());
        }
        let what = format!("{undelivered} messages to `{}` were not delivered", self.target.topic);
        let first = lock(&context.first_error).take();
        Err(failed(what, first.unwrap_or(KafkaError::Canceled)))
    }
}
