//! Who hears from the client, and how what it calls gets there.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka_sys as sys;

use crate::{ClientError, Code};

/// Hears from the client: on the thread that consumes, or (the log) on threads of the client's own.
pub trait Listener: Send + Sync + 'static {
    /// Something is wrong with a connection, or with the client.
    fn error(&self, code: Code, reason: &str) {
        let _ = (code, reason);
    }

    /// A line of the client's log; levels are those of syslog.
    fn log(&self, level: i32, line: &str) {
        let _ = (level, line);
    }

    /// A commit of offsets is through, or has failed.
    fn committed(&self, result: Result<(), ClientError>) {
        let _ = result;
    }
}

/// Runs a listener's method; a panic in it must not cross into C.
fn guarded(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        // The panic's own message has been printed; there is nobody to hand it to.
    }
}

/// # Safety
///
/// Called by librdkafka, with the opaque pointer that `BatchConsumer::new` has set.
pub(crate) unsafe extern "C" fn on_error<L: Listener>(
    _client: *mut sys::rd_kafka_t,
    error: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: the listener lives as long as the client, and is only shared; the reason is a C string.
    let (listener, reason) = unsafe { (&*opaque.cast::<L>(), CStr::from_ptr(reason)) };
    let code = sys::rd_kafka_resp_err_t::try_from(error).map_or(Code::Unknown, Code::from);
    guarded(|| listener.error(code, &reason.to_string_lossy()));
}

/// # Safety
///
/// Called by librdkafka, on any of its threads.
pub(crate) unsafe extern "C" fn on_log<L: Listener>(
    client: *const sys::rd_kafka_t,
    level: c_int,
    _facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: the client is valid during the call, its opaque pointer is the listener, which lives
    // as long as the client; the line is a C string.
    let (listener, line) =
        unsafe { (sys::rd_kafka_opaque(client).cast::<L>().as_ref(), CStr::from_ptr(line)) };
    if let Some(listener) = listener {
        guarded(|| listener.log(level, &line.to_string_lossy()));
    }
}

/// # Safety
///
/// Called by librdkafka, with the opaque pointer that `BatchConsumer::new` has set.
pub(crate) unsafe extern "C" fn on_commit<L: Listener>(
    _client: *mut sys::rd_kafka_t,
    error: sys::rd_kafka_resp_err_t,
    _offsets: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: the listener lives as long as the client, and is only shared.
    let listener = unsafe { &*opaque.cast::<L>() };
    guarded(|| listener.committed(ClientError::of(error)));
}
