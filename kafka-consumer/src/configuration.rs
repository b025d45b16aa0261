//! How a client is made.

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

use rdkafka_sys as sys;

use crate::ClientError;

/// Options of librdkafka, of which a client is made.
pub(crate) struct Configuration {
    pub(crate) raw: *mut sys::rd_kafka_conf_t,
}

impl Configuration {
    pub(crate) fn new() -> Result<Self, ClientError> {
        // SAFETY: making a configuration has no precondition.
        Ok(Configuration { raw: unsafe { sys::rd_kafka_conf_new() } })
    }

    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), ClientError> {
        let (name, content) = (text(key)?, text(value)?);
        let mut complaint = [0 as c_char; 512];
        // SAFETY: all pointers are valid, and the room for the complaint is as large as is said.
        let outcome = unsafe {
            sys::rd_kafka_conf_set(
                self.raw,
                name.as_ptr(),
                content.as_ptr(),
                complaint.as_mut_ptr(),
                complaint.len(),
            )
        };
        if outcome == sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        Err(ClientError::new(complained(&complaint)))
    }

    pub(crate) fn into_client(self) -> Result<NonNull<sys::rd_kafka_t>, ClientError> {
        let mut complaint = [0 as c_char; 512];
        // SAFETY: the configuration is valid; the client takes it over, unless it can't be made.
        let client = unsafe {
            sys::rd_kafka_new(
                sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                self.raw,
                complaint.as_mut_ptr(),
                complaint.len(),
            )
        };
        match NonNull::new(client) {
            Some(client) => {
                std::mem::forget(self);
                Ok(client)
            }
            None => Err(ClientError::new(complained(&complaint))),
        }
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: the configuration is valid, and no client has taken it over.
        unsafe { sys::rd_kafka_conf_destroy(self.raw) };
    }
}

/// A text as C has it.
pub(crate) fn text(text: &str) -> Result<CString, ClientError> {
    CString::new(text).map_err(|_| ClientError::new(format!("{text:?} has a zero byte in it")))
}

fn complained(room: &[c_char]) -> String {
    // SAFETY: librdkafka ends its texts with a zero within the room, which began all zero.
    unsafe { CStr::from_ptr(room.as_ptr()) }.to_string_lossy().into_owned()
}
