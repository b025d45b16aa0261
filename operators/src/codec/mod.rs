//! Pluggable wire formats: how rows are written when they leave the process.

mod columnar;

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

pub use columnar::ColumnarCodec;

use crate::Record;

/// Bytes from another process that are not what the codec wrote.
#[derive(Debug, Error)]
#[error("can't decode rows of `{type_name}` with the {codec} codec: {reason}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The codec's name.
    pub codec: &'static str,
    /// The row type.
    pub type_name: &'static str,
    /// What the codec found.
    pub reason: String,
}

impl DecodeError {
    /// What the codec of this name found wrong with rows of type `D`.
    ///
    /// ```
    /// use tidegate_operators::codec::DecodeError;
    ///
    /// let error = DecodeError::of::<u64>("le", "3 bytes left over");
    /// let text = "can't decode rows of `u64` with the le codec: 3 bytes left over";
    /// assert_eq!(error.to_string(), text);
    /// ```
    pub fn of<D>(codec: &'static str, reason: impl Into<String>) -> Self {
        DecodeError { codec, type_name: type_name::<D>(), reason: reason.into() }
    }
}

/// Writes rows of one type as bytes, and reads them back.
///
/// Both ends of a job use the same codec: the handshake of a cluster compares the job's
/// fingerprint, of which the codec's name is part.
pub trait Codec<D>: Send + Sync + 'static {
    /// A short name, for fingerprints and errors.
    fn name(&self) -> &'static str;

    /// Appends `rows` to `out`.
    fn encode(&self, rows: &[D], out: &mut Vec<u8>);

    /// Reads all of `bytes`, the result of one [`Codec::encode`].
    ///
    /// # Errors
    ///
    /// If the bytes are not such a result.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<D>, DecodeError>;
}

/// The default codec: serde, in postcard's format (variable-length integers, no field names).
///
/// ```
/// use tidegate_operators::codec::{Codec, SerdeCodec};
///
/// let codec: &dyn Codec<(String, i64)> = &SerdeCodec;
/// let rows = vec![("page".to_string(), 3)];
/// let mut bytes = Vec::new();
/// codec.encode(&rows, &mut bytes);
/// assert_eq!(codec.decode(&bytes).unwrap(), rows);
/// assert!(codec.decode(&[0xff]).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SerdeCodec;

impl<D: Record> Codec<D> for SerdeCodec {
    fn name(&self) -> &'static str {
        "serde"
    }

    fn encode(&self, rows: &[D], out: &mut Vec<u8>) {
        let write = |result: postcard::Result<()>| {
            result.unwrap_or_else(|error| {
                panic!("can't encode a row of `{}`: {error}", type_name::<D>())
            });
        };
        write(postcard::serialize_with_flavor(&(rows.len() as u64), Append(out)));
        for row in rows {
            write(postcard::serialize_with_flavor(row, Append(out)));
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<D>, DecodeError> {
        let refuse = |reason: String| DecodeError::of::<D>(Codec::<D>::name(self), reason);
        let (count, mut rest) =
            postcard::take_from_bytes::<u64>(bytes).map_err(|error| refuse(error.to_string()))?;
        // A row takes a byte at least, unless it has no content at all.
        let plausible = if size_of::<D>() == 0 { 0 } else { rest.len() };
        let mut rows = Vec::with_capacity(plausible.min(count as usize));
        for _ in 0..count {
            let (row, left) = postcard::take_from_bytes(rest)
                .map_err(|error| refuse(format!("row {} of {count}: {error}", rows.len())))?;
            rows.push(row);
            rest = left;
        }
        if !rest.is_empty() {
            return Err(refuse(format!("{} bytes behind the last row", rest.len())));
        }
        Ok(rows)
    }
}

/// Postcard's output, appended to a vector.
struct Append<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The codecs of a job: serde for every row type, unless another one is registered for it.
///
/// ```
/// use std::sync::Arc;
/// use tidegate_operators::codec::{Codec, Codecs, DecodeError};
///
/// struct LittleEndian;
/// impl Codec<u64> for LittleEndian {
///     fn name(&self) -> &'static str {
///         "le"
///     }
///     fn encode(&self, rows: &[u64], out: &mut Vec<u8>) {
///         out.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
///     }
///     fn decode(&self, bytes: &[u8]) -> Result<Vec<u64>, DecodeError> {
///         let (words, rest) = bytes.as_chunks::<8>();
///         if !rest.is_empty() {
///             return Err(DecodeError::of::<u64>("le", format!("{} bytes left over", rest.len())));
///         }
///         Ok(words.iter().copied().map(u64::from_le_bytes).collect())
///     }
/// }
///
/// let mut codecs = Codecs::default();
/// codecs.register::<u64>(Arc::new(LittleEndian));
/// assert_eq!(codecs.get::<u64>().name(), "le");
/// assert!(codecs.get::<u64>().decode(&[1, 2, 3]).is_err());
/// assert_eq!(codecs.get::<String>().name(), "serde");
/// ```
#[derive(Clone, Default)]
pub struct Codecs {
    registered: HashMap<TypeId, (&'static str, Arc<dyn Any + Send + Sync>)>,
}

impl Codecs {
    /// Uses `codec` for rows of type `D` from now on.
    pub fn register<D: Record>(&mut self, codec: Arc<dyn Codec<D>>) {
        self.registered.insert(TypeId::of::<D>(), (codec.name(), Arc::new(codec)));
    }

    /// The codec for rows of type `D`.
    pub fn get<D: Record>(&self) -> Arc<dyn Codec<D>> {
        match self.registered.get(&TypeId::of::<D>()) {
            Some((_, codec)) => Arc::clone(
                codec.downcast_ref::<Arc<dyn Codec<D>>>().expect("registered under its own type"),
            ),
            None => Arc::new(SerdeCodec),
        }
    }

    /// The names of the registered codecs, sorted: part of a job's fingerprint.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.registered.values().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Codecs").field(&self.names()).finish()
    }
}
