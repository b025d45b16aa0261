//! Lists of partitions with offsets.

use rdkafka_sys as sys;

use crate::ClientError;
use crate::configuration::text;

/// A list of partitions with offsets, as the client wants it.
pub(crate) struct Places {
    pub(crate) raw: *mut sys::rd_kafka_topic_partition_list_t,
}

impl Places {
    pub(crate) fn new<'a>(
        places: impl IntoIterator<Item = (&'a str, i32, i64)>,
    ) -> Result<Self, ClientError> {
        // SAFETY: making a list has no precondition; it does not fail.
        let list = Places { raw: unsafe { sys::rd_kafka_topic_partition_list_new(8) } };
        for (topic, partition, offset) in places {
            let topic = text(topic)?;
            // SAFETY: the list is valid, and copies the name.
            unsafe {
                let place =
                    sys::rd_kafka_topic_partition_list_add(list.raw, topic.as_ptr(), partition);
                (*place).offset = offset;
            }
        }
        Ok(list)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // SAFETY: the list is valid and used here for the last time.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.raw) };
    }
}
