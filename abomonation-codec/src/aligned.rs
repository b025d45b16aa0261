//! Bytes at an address of one's choice.

/// A copy of some bytes that begins at a multiple of an alignment.
pub(crate) struct AlignedBytes {
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBytes {
    /// Copies `bytes` to a multiple of `align`.
    pub(crate) fn new(bytes: &[u8], align: usize) -> Self {
        let mut room: Vec<u8> = Vec::with_capacity(bytes.len() + align);
        let start = room.as_ptr().align_offset(align);
        // The capacity is there, so that the vector stays where it is.
        room.resize(start, 0);
        room.extend_from_slice(bytes);
        AlignedBytes { bytes: room, start }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_begin_at_a_multiple_of_the_alignment() {
        for align in [1, 2, 8, 16, 64] {
            for length in [0, 1, 100] {
                let mut copy = AlignedBytes::new(&vec![7; length], align);
                assert_eq!(copy.as_mut_slice(), vec![7; length]);
                assert!(copy.as_mut_slice().as_ptr().addr().is_multiple_of(align));
            }
        }
    }
}
