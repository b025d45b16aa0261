//! A topic for one bench on a real broker: created for it, and deleted with its end.

use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;

use crate::error::SourceError;
use crate::kafka::{Client, brokers_of, explain, find_topics};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct OwnTopic {
    admin: AdminClient<DefaultClientContext>,
    name: String,
}

impl OwnTopic {
    pub(super) fn create(brokers: &str, name: &str, partitions: u32) -> Result<Self, SourceError> {
        brokers_of(brokers).map_err(SourceError::Invalid)?;
        let failed = |error| explain(format!("can't create topic `{name}` at {brokers}"), error);
        let admin: AdminClient<_> = Client::new(brokers).config(&[]).create().map_err(failed)?;
        let topic = NewTopic::new(name, partitions as i32, TopicReplication::Fixed(1));
        let created = block_on(admin.create_topics([&topic], &options())).map_err(failed)?;
        if let Some(Err((_, code))) = created.into_iter().next() {
            return Err(failed(KafkaError::AdminOp(code)));
        }
        find_topics(admin.inner(), brokers, &[name.to_owned()], &mut |_| false)?;
        Ok(OwnTopic { admin, name: name.to_owned() })
    }
}

impl Drop for OwnTopic {
    fn drop(&mut self) {
        if let Err(error) = block_on(self.admin.delete_topics(&[&self.name], &options())) {
            log::warn!("topic `{}` of the bench is still there: {error}", self.name);
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT))
}
