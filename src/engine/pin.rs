//! Binding workers to cores.

/// Binds the calling thread to a core of its own, as far as there are cores: worker `index` of a
/// process takes core `index`, counted round.
pub(super) fn pin_to_core(index: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    match cores.get(index % cores.len().max(1)) {
        Some(core) if core_affinity::set_for_current(*core) => {}
        _ => log::warn!("worker {index} can't be bound to a core; it runs where it may"),
    }
}
