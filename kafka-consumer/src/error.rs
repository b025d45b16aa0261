//! What can go wrong.

use rdkafka_sys as sys;
use thiserror::Error;

use crate::Code;

/// What librdkafka says when something can't be done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
#[non_exhaustive]
pub struct ClientError {
    /// Its code, if it has one.
    pub code: Option<Code>,
    /// Its text.
    pub message: String,
}

impl ClientError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        ClientError { code: None, message: message.into() }
    }

    pub(crate) fn of(response: sys::rd_kafka_resp_err_t) -> Result<(), Self> {
        if response == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        let code = Code::from(response);
        Err(ClientError { code: Some(code), message: code.to_string() })
    }
}
