//! Frames: `length (u32) | crc32c of the payload (u32) | payload`, little-endian, one after another.

const HEADER: usize = 8;

/// Appends a frame.
pub(crate) fn push(out: &mut Vec<u8>, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a frame has less than 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The whole frames at the front, and how many bytes they take. What follows was cut off or
/// damaged.
pub(crate) fn whole(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some(header) = bytes.get(at..at + HEADER) {
        let word = |from: usize| {
            u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]])
        };
        let end = at + HEADER + word(0) as usize;
        let Some(payload) = bytes.get(at + HEADER..end) else { break };
        if crc32c::crc32c(payload) != word(4) {
            break;
        }
        frames.push(payload);
        at = end;
    }
    (frames, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_or_damaged_tail_is_left_out() {
        let mut bytes = Vec::new();
        for payload in ["one", "", "three"] {
            push(&mut bytes, payload.as_bytes());
        }
        let all: Vec<&[u8]> = vec![b"one", b"", b"three"];
        assert_eq!(whole(&bytes), (all.clone(), bytes.len()));
        let last = HEADER + 5;
        for cut in 1..last {
            let (frames, end) = whole(&bytes[..bytes.len() - cut]);
            assert_eq!((frames, end), (all[..2].to_vec(), bytes.len() - last), "cut by {cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let (frames, _) = whole(&damaged);
                assert!(frames.len() < 3, "bit {bit} of byte {at} is flipped");
                assert_eq!(frames, all[..frames.len()], "bit {bit} of byte {at} is flipped");
            }
        }
    }
}
