//! Arrow IPC streams of the store's schema: encoded through polars-arrow, framed and decoded here.
//!
//! Decoding is our own because a tail must know where the last whole message ends, must survive any bytes (a power loss
//! can leave anything behind), and interns series names without making a string a row. The format read is narrow: the
//! store's schema, no nulls, no compression. Layout: <https://arrow.apache.org/docs/format/Columnar.html>.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use polars_arrow::{
    array::{Array, PrimitiveArray, Utf8Array},
    datatypes::{ArrowDataType, ArrowSchema, ArrowSchemaRef, Field, TimeUnit},
    io::ipc::{
        read::read_stream_metadata,
        write::{
            EncodedData, WriteOptions, common_sync::write_message, default_ipc_fields, encode_record_batch,
            schema_to_bytes,
        },
    },
    record_batch::RecordBatchT,
};

use super::{RecordError, columns::Columns, names::Names};

/// Ends a stream: a continuation marker and a length of nothing.
pub(crate) const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// Longer metadata than this is no message of ours.
const METADATA_LIMIT: u64 = 1 << 20;

/// Makes the bytes of a stream.
pub(crate) struct Encoder {
    schema: ArrowSchemaRef,
    message: EncodedData,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { schema: Arc::new(arrow_schema()), message: EncodedData::default() }
    }

    /// The message every stream begins with.
    pub(crate) fn header(&self) -> Result<Vec<u8>, RecordError> {
        let fields = default_ipc_fields(self.schema.iter_values());
        let message = EncodedData { ipc_message: schema_to_bytes(&self.schema, &fields, None), arrow_data: Vec::new() };
        let mut bytes = Vec::new();
        write_message(&mut bytes, &message).map_err(RecordError::frame("cannot encode the schema"))?;
        Ok(bytes)
    }

    /// `rows` as one record batch message.
    pub(crate) fn batch(&mut self, rows: &Columns, names: &[Arc<str>]) -> Result<Vec<u8>, RecordError> {
        let failed = || RecordError::frame("cannot encode a batch of series");
        let name = |number: &u32| names.get(*number as usize).map_or("", AsRef::as_ref);
        let series: Utf8Array<i32> = Utf8Array::from_trusted_len_values_iter(rows.series.iter().map(name));
        let time = PrimitiveArray::try_new(time_type(), rows.time.clone().into(), None).map_err(failed())?;
        let arrays: Vec<Box<dyn Array>> = vec![
            PrimitiveArray::from_slice(&rows.step).boxed(),
            PrimitiveArray::from_slice(&rows.epoch).boxed(),
            time.boxed(),
            PrimitiveArray::from_slice(&rows.generation).boxed(),
            series.boxed(),
            PrimitiveArray::from_slice(&rows.value).boxed(),
        ];
        let batch = RecordBatchT::try_new(rows.len(), Arc::clone(&self.schema), arrays).map_err(failed())?;
        encode_record_batch(&batch, &WriteOptions { compression: None }, &mut self.message);
        let mut bytes = Vec::with_capacity(self.message.ipc_message.len() + self.message.arrow_data.len() + 80);
        write_message(&mut bytes, &self.message).map_err(failed())?;
        Ok(bytes)
    }
}

fn time_type() -> ArrowDataType {
    ArrowDataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn arrow_schema() -> ArrowSchema {
    let fields = [
        ("step", ArrowDataType::Int64),
        ("epoch", ArrowDataType::Float64),
        ("time", time_type()),
        ("generation", ArrowDataType::UInt32),
        ("series", ArrowDataType::Utf8),
        ("value", ArrowDataType::Float64),
    ];
    fields.into_iter().map(|(name, dtype)| Field::new(name.into(), dtype, false)).collect()
}

/// Reads a stream from a file that may still grow, message by message, never twice.
#[derive(Debug)]
pub(crate) struct StreamReader {
    path: PathBuf,
    file: File,
    /// Where the next message begins: the end of the last whole one.
    offset: u64,
    started: bool,
    ended: bool,
    body: Vec<u8>,
}

/// How far a reading came.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Rows decoded.
    pub(crate) rows: usize,
    /// Bytes after the last whole message: a batch being written, or the torn end of a crash.
    pub(crate) torn: u64,
    /// Whole batches that could not be decoded, in words.
    pub(crate) damaged: Vec<String>,
}

enum Step {
    Batch { body: u64, next: u64 },
    End,
    Torn,
}

impl StreamReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let path = path.to_owned();
        Ok(Self { path, file, offset: 0, started: false, ended: false, body: Vec::new() })
    }

    /// A second reader at the same place.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            file: self.file.try_clone()?,
            offset: self.offset,
            started: self.started,
            ended: self.ended,
            body: Vec::new(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the last whole message read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the stream said that nothing follows.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Append every whole batch that has come since the last call to `rows`.
    pub(crate) fn read(&mut self, rows: &mut Columns, names: &mut Names) -> Result<Progress, RecordError> {
        let path = self.path.clone();
        let length = self.file.metadata().map_err(RecordError::io("read", &path))?.len();
        let before = rows.len();
        let mut progress = Progress::default();
        if length < self.offset {
            let why = format!("it shrank to {length} bytes, {} were read already", self.offset);
            return Err(RecordError::Segment { path, why });
        }
        if !self.started && !self.start(length)? {
            progress.torn = length;
            return Ok(progress);
        }
        let mut metadata = Vec::new();
        while !self.ended {
            match self.step(length, &mut metadata).map_err(RecordError::io("read", &path))? {
                Step::Batch { body, next } => {
                    self.body.resize((next - body) as usize, 0);
                    self.file.read_exact_at(&mut self.body, body).map_err(RecordError::io("read", &path))?;
                    if let Err(why) = decode(&metadata, &self.body, rows, names) {
                        progress.damaged.push(format!("batch at byte {}: {why}", self.offset));
                    }
                    self.offset = next;
                }
                Step::End => {
                    self.ended = true;
                    self.offset += END.len() as u64;
                }
                Step::Torn => {
                    progress.torn = length - self.offset;
                    break;
                }
            }
        }
        progress.rows = rows.len() - before;
        Ok(progress)
    }

    /// Read the schema message. False while it is not whole yet.
    fn start(&mut self, length: u64) -> Result<bool, RecordError> {
        let read = |source| RecordError::io("read", &self.path)(source);
        let Some((metadata, next)) = self.prefix(length).map_err(read)? else { return Ok(false) };
        let foreign = |why: String| RecordError::Segment { path: self.path.clone(), why };
        if metadata < 16 {
            return Err(foreign("it begins with no schema".to_owned()));
        }
        let mut bytes = vec![0; (next - self.offset) as usize];
        self.file.read_exact_at(&mut bytes, self.offset).map_err(read)?;
        let found = read_stream_metadata(&mut bytes.as_slice()).map_err(|error| foreign(error.to_string()))?.schema;
        let same = |(a, b): (&Field, &Field)| a.name == b.name && a.dtype == b.dtype;
        let expected = arrow_schema();
        if found.len() != expected.len() || !found.iter_values().zip(expected.iter_values()).all(same) {
            let columns: Vec<String> =
                found.iter_values().map(|field| format!("{}: {:?}", field.name, field.dtype)).collect();
            return Err(foreign(format!("its columns are {}", columns.join(", "))));
        }
        self.offset = next;
        self.started = true;
        Ok(true)
    }

    /// The length of the metadata of the message at `offset` and where its body begins, if that much is there.
    fn prefix(&self, length: u64) -> io::Result<Option<(u64, u64)>> {
        if length < self.offset + 8 {
            return Ok(None);
        }
        let mut head = [0; 8];
        self.file.read_exact_at(&mut head, self.offset)?;
        let metadata = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        let body = self.offset + 8 + metadata;
        Ok((head[..4] == END[..4] && metadata <= METADATA_LIMIT && body <= length).then_some((metadata, body)))
    }

    fn step(&self, length: u64, metadata: &mut Vec<u8>) -> io::Result<Step> {
        let Some((size, body)) = self.prefix(length)? else { return Ok(Step::Torn) };
        if size == 0 {
            return Ok(Step::End);
        }
        metadata.resize(size as usize, 0);
        self.file.read_exact_at(metadata, self.offset + 8)?;
        // Metadata that makes no sense has no length to go by: nothing after it can be found.
        let size = flat::root(metadata).and_then(|message| message.i64(3));
        Ok(match size.and_then(|size| u64::try_from(size).ok()).and_then(|size| body.checked_add(size)) {
            Some(next) if next <= length => Step::Batch { body, next },
            _ => Step::Torn,
        })
    }
}

/// Append the rows of one record batch message.
fn decode(metadata: &[u8], body: &[u8], rows: &mut Columns, names: &mut Names) -> Result<(), &'static str> {
    const RECORD_BATCH: u8 = 3;
    let message = flat::root(metadata).ok_or("no message")?;
    if message.u8(1) != Some(RECORD_BATCH) {
        return Err("not a record batch");
    }
    let batch = message.table(2).ok_or("no header")?;
    if batch.table(3).is_some() {
        return Err("compressed");
    }
    let height = batch.i64(0).and_then(|height| usize::try_from(height).ok()).ok_or("no height")?;
    let nodes = batch.pairs(1).ok_or("no columns")?;
    if nodes.len() != 6 || nodes.iter().any(|&(length, nulls)| length != height as i64 || nulls != 0) {
        return Err("columns of unequal length, or nulls");
    }
    let mut buffers = Vec::with_capacity(13);
    for (offset, length) in batch.pairs(2).ok_or("no buffers")? {
        let start = usize::try_from(offset).ok();
        let end = start.zip(usize::try_from(length).ok()).and_then(|(start, length)| start.checked_add(length));
        buffers.push(start.zip(end).and_then(|(start, end)| body.get(start..end)).ok_or("a buffer outside the body")?);
    }
    // Each column: validity (unused), values; the text column has offsets between them.
    let [_, step, _, epoch, _, time, _, generation, _, offsets, text, _, value] = buffers[..] else {
        return Err("a wrong number of buffers");
    };
    let step = fixed::<8>(step, height)?;
    let epoch = fixed::<8>(epoch, height)?;
    let time = fixed::<8>(time, height)?;
    let generation = fixed::<4>(generation, height)?;
    let value = fixed::<8>(value, height)?;
    let mut series = Vec::with_capacity(height);
    if height > 0 {
        let offsets = fixed::<4>(offsets, height + 1)?;
        let text = std::str::from_utf8(text).map_err(|_utf8| "series names that are no text")?;
        let mut bounds = offsets.iter().map(|&bytes| i32::from_le_bytes(bytes) as usize);
        let mut start = bounds.next().ok_or("no offsets")?;
        for end in bounds {
            series.push(names.intern(text.get(start..end).ok_or("series names out of order")?));
            start = end;
        }
    }
    rows.step.extend(step.iter().map(|&bytes| i64::from_le_bytes(bytes)));
    rows.epoch.extend(epoch.iter().map(|&bytes| f64::from_le_bytes(bytes)));
    rows.time.extend(time.iter().map(|&bytes| i64::from_le_bytes(bytes)));
    rows.generation.extend(generation.iter().map(|&bytes| u32::from_le_bytes(bytes)));
    rows.series.append(&mut series);
    rows.value.extend(value.iter().map(|&bytes| f64::from_le_bytes(bytes)));
    Ok(())
}

fn fixed<const N: usize>(buffer: &[u8], count: usize) -> Result<&[[u8; N]], &'static str> {
    buffer.as_chunks::<N>().0.get(..count).ok_or("a buffer that is too short")
}

/// Just enough of flatbuffers to read a message: every access is checked, nothing is trusted.
/// Layout: <https://flatbuffers.dev/internals/>.
mod flat {
    #[derive(Clone, Copy)]
    pub(super) struct Table<'a> {
        bytes: &'a [u8],
        at: usize,
    }

    pub(super) fn root(bytes: &[u8]) -> Option<Table<'_>> {
        let at = u32::from_le_bytes(take(bytes, 0)?) as usize;
        Some(Table { bytes, at })
    }

    fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
        bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    impl<'a> Table<'a> {
        fn field(self, index: usize) -> Option<usize> {
            let back = i32::from_le_bytes(take(self.bytes, self.at)?);
            let vtable = usize::try_from((self.at as i64).checked_sub(i64::from(back))?).ok()?;
            let size = usize::from(u16::from_le_bytes(take(self.bytes, vtable)?));
            let slot = 4 + 2 * index;
            if slot + 2 > size {
                return None;
            }
            let offset = usize::from(u16::from_le_bytes(take(self.bytes, vtable.checked_add(slot)?)?));
            (offset != 0).then_some(self.at.checked_add(offset)?)
        }

        pub(super) fn u8(self, index: usize) -> Option<u8> {
            self.bytes.get(self.field(index)?).copied()
        }

        /// A field whose default, nothing written, is zero.
        pub(super) fn i64(self, index: usize) -> Option<i64> {
            let Some(at) = self.field(index) else { return Some(0) };
            Some(i64::from_le_bytes(take(self.bytes, at)?))
        }

        pub(super) fn table(self, index: usize) -> Option<Self> {
            let at = self.field(index)?;
            let offset = u32::from_le_bytes(take(self.bytes, at)?) as usize;
            Some(Table { bytes: self.bytes, at: at.checked_add(offset)? })
        }

        /// A vector of structs of two 64-bit numbers.
        pub(super) fn pairs(self, index: usize) -> Option<Vec<(i64, i64)>> {
            let at = self.field(index)?;
            let vector = at.checked_add(u32::from_le_bytes(take(self.bytes, at)?) as usize)?;
            let count = u32::from_le_bytes(take(self.bytes, vector)?) as usize;
            let start = vector.checked_add(4)?;
            let items: &'a [u8] = self.bytes.get(start..start.checked_add(count.checked_mul(16)?)?)?;
            let number = |half: &[u8]| Some(i64::from_le_bytes(half.try_into().ok()?));
            items.as_chunks::<16>().0.iter().map(|item| Some((number(&item[..8])?, number(&item[8..])?))).collect()
        }
    }
}
