//! SIGINT and SIGTERM: the first asks for a graceful stop, the second ends the run at once.

use std::sync::Arc;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::control::Control;
use crate::error::RunError;

/// Listens for as long as it lives.
pub(super) struct SignalListener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalListener {
    pub(super) fn start(control: Arc<Control>) -> Result<Self, RunError> {
        let system = |what: &str| {
            let what = what.to_owned();
            move |source| RunError::System { what, source }
        };
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(system("listen for signals"))?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut asked = false;
                for signal in &mut signals {
                    if asked {
                        control.fail(RunError::Interrupted { signal });
                    } else {
                        control.stop();
                        asked = true;
                        log::info!("stopping: the open batch will be finished");
                    }
                }
            })
            .map_err(system("start the signal listener"))?;
        Ok(SignalListener { handle, thread: Some(thread) })
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
