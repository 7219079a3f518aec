//! A safetensors file: eight bytes with the length of a JSON header, the header, the tensors' bytes. Nothing in it is
//! believed: lengths and offsets are checked before anything is read by them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::probe::glob::fits;
use crate::probe::json::Json;
use crate::probe::problem::{Problem, answer};
use crate::probe::show::{Content, brief, shown};
use crate::probe::source::Source;
use crate::probe::tables::{Change, Diff, StatsRow, StatsTable, TensorList, TensorRow};
use crate::probe::tensor::{Running, Tensor};

/// Longest header, in bytes: that of the format.
const HEADER_LIMIT: u64 = 100 * 1024 * 1024;
/// Read at once while streaming.
const PIECE: usize = 1024 * 1024;
/// Most values of a tensor that is taken into memory whole.
const WHOLE: usize = 1 << 30;

/// A file of named tensors. Any safetensors file opens: `TensorFile::open("weights.safetensors")`.
#[derive(Clone)]
pub struct TensorFile {
    path: PathBuf,
    file: Arc<File>,
    entries: Vec<Entry>,
    source: Option<Source>,
}
shown!(TensorFile);

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    kind: String,
    shape: Vec<usize>,
    values: usize,
    /// In the file.
    begin: u64,
    end: u64,
}

impl TensorFile {
    /// Open a file and read its header.
    pub fn open(path: impl AsRef<Path>) -> Self {
        answer(Self::of(path.as_ref(), None))
    }

    pub(crate) fn of(path: &Path, source: Option<Source>) -> Result<Self, Problem> {
        let about = |problem: Problem| problem.about(path.display());
        let file = File::open(path).map_err(|error| about(Problem::new(error.to_string())))?;
        let entries = read_header(&file).map_err(about)?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), entries, source })
    }

    pub(crate) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.name.clone()).collect()
    }

    /// The tensors whose name fits a pattern: `.list("generator/*.weight")`.
    pub fn list(&self, glob: &str) -> TensorList {
        let row = |entry: &Entry| TensorRow {
            name: entry.name.clone(),
            shape: entry.shape.clone(),
            kind: entry.kind.to_lowercase(),
        };
        TensorList::new(self.chosen(glob).map(row).collect(), self.origin())
    }

    /// The shape of a tensor; nothing but the header is read.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        answer(self.find(name)).shape.clone()
    }

    /// One tensor; only its bytes are read.
    pub fn tensor(&self, name: &str) -> Tensor {
        answer(self.find(name).and_then(|entry| self.read(entry)))
    }

    /// Statistics of the tensors whose name fits a pattern, read piece by piece.
    pub fn stats(&self, glob: &str) -> StatsTable {
        let rows = self.chosen(glob).map(|entry| {
            let mut running = Running::default();
            self.stream(entry, |piece| running.push(piece))?;
            Ok(StatsRow { name: entry.name.clone(), shape: entry.shape.clone(), stats: running.stats() })
        });
        StatsTable::new(answer(rows.collect::<Result<_, _>>()), self.origin())
    }

    /// What changed from this file to `other`, tensor by tensor, the greatest relative change first. Both are read piece
    /// by piece.
    pub fn diff(&self, other: &Self) -> Diff {
        let mut changes = Vec::new();
        let mut notes = Vec::new();
        let mut missing = Vec::new();
        for entry in &self.entries {
            match other.entries.iter().find(|theirs| theirs.name == entry.name) {
                Some(theirs) if theirs.shape == entry.shape => changes.push(answer(self.change(entry, other, theirs))),
                Some(_) => notes.push(format!("{} has another shape there", entry.name)),
                None => missing.push(entry.name.as_str()),
            }
        }
        let only = |names: &[&str], place: String| {
            (!names.is_empty()).then(|| format!("only in {place}: {}", brief(&names.join(", "), 200)))
        };
        let theirs = other.entries.iter().map(|entry| entry.name.as_str());
        let added: Vec<&str> = theirs.filter(|name| self.entries.iter().all(|entry| entry.name != *name)).collect();
        notes.extend(only(&missing, self.origin()));
        notes.extend(only(&added, other.origin()));
        notes.push(format!("from {} to {}", self.origin(), other.origin()));
        Diff::new(changes, notes)
    }

    fn change(&self, entry: &Entry, other: &Self, theirs: &Entry) -> Result<Change, Problem> {
        let (mut before, mut apart, mut most) = (0.0_f64, 0.0_f64, 0.0_f64);
        let mut done = 0;
        while done < entry.values {
            let count = (PIECE / 8).min(entry.values - done);
            let (from, to) = (self.piece(entry, done, count)?, other.piece(theirs, done, count)?);
            for (from, to) in from.iter().zip(&to) {
                let distance = f64::from(*to) - f64::from(*from);
                before += f64::from(*from) * f64::from(*from);
                apart += distance * distance;
                // `max` would pass over a NaN, which is what one looks for here.
                most = if distance.is_nan() || most.is_nan() { f64::NAN } else { most.max(distance.abs()) };
            }
            done += count;
        }
        let relative = if apart == 0.0 { 0.0 } else { apart.sqrt() / before.sqrt() };
        let (name, shape) = (entry.name.clone(), entry.shape.clone());
        Ok(Change { name, shape, relative, max_abs: most, norm: before.sqrt() })
    }

    fn origin(&self) -> String {
        self.source.as_ref().map_or_else(|| self.path.display().to_string(), Source::to_string)
    }

    fn chosen(&self, glob: &str) -> impl Iterator<Item = &Entry> {
        let dotted = glob.replacen('/', ".", 1);
        let glob = glob.to_owned();
        self.entries.iter().filter(move |entry| fits(&glob, &entry.name) || fits(&dotted, &entry.name))
    }

    /// The tensor of a name, of a name as the training process writes it, or of the one name that contains it.
    fn find(&self, name: &str) -> Result<&Entry, Problem> {
        let dotted = name.replacen('/', ".", 1);
        if let Some(entry) = self.entries.iter().find(|entry| entry.name == name || entry.name == dotted) {
            return Ok(entry);
        }
        let near: Vec<&Entry> = self.entries.iter().filter(|entry| entry.name.contains(&dotted)).collect();
        if let [entry] = near.as_slice() {
            return Ok(entry);
        }
        let names = |entries: &[&Entry]| entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>().join(", ");
        let told = match near.len() {
            0 => format!("no tensor is called {name}: .names() lists all {}", self.entries.len()),
            several => format!("{several} tensors have {name} in their names: {}", brief(&names(&near), 400)),
        };
        Err(Problem::new(told).about(self.path.display()))
    }

    fn read(&self, entry: &Entry) -> Result<Tensor, Problem> {
        if entry.values > WHOLE {
            let what = format!("{} has {} values: ask for its .stats(\"{}\")", entry.name, entry.values, entry.name);
            return Err(Problem::new(what));
        }
        let mut data = Vec::new();
        self.stream(entry, |piece| data.extend_from_slice(piece))?;
        let tensor = Tensor::checked(&entry.name, entry.shape.clone(), data)?;
        Ok(match &self.source {
            Some(source) => tensor.of(source.clone()),
            None => tensor,
        })
    }

    /// All values of a tensor, piece by piece.
    fn stream(&self, entry: &Entry, mut take: impl FnMut(&[f32])) -> Result<(), Problem> {
        let mut done = 0;
        while done < entry.values {
            let count = (PIECE / 8).min(entry.values - done);
            take(&self.piece(entry, done, count)?);
            done += count;
        }
        Ok(())
    }

    /// `count` values of a tensor, from the one at `from`.
    fn piece(&self, entry: &Entry, from: usize, count: usize) -> Result<Vec<f32>, Problem> {
        let width = width(&entry.kind).ok_or_else(|| {
            let kind = &entry.kind;
            Problem::new(format!("{} is of the type {kind}, which is not read here", entry.name))
        })?;
        let mut bytes = vec![0; count * width];
        let begin = entry.begin + (from * width) as u64;
        let read = self.file.read_exact_at(&mut bytes, begin);
        read.map_err(|error| Problem::new(format!("{}: {error}", entry.name)).about(self.path.display()))?;
        Ok(values(&entry.kind, &bytes))
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        vec![Content::Table(self.list("*").table())]
    }
}

fn read_header(file: &File) -> Result<Vec<Entry>, Problem> {
    let failed = |error: std::io::Error| Problem::new(error.to_string());
    let length = file.metadata().map_err(failed)?.len();
    let mut head = [0; 8];
    if length < 8 {
        return Err(Problem::new("no safetensors file: it has no header"));
    }
    file.read_exact_at(&mut head, 0).map_err(failed)?;
    let header = u64::from_le_bytes(head);
    if header > HEADER_LIMIT || header > length - 8 {
        return Err(Problem::new(format!("no safetensors file: a header of {header} bytes in a file of {length}")));
    }
    let mut text = vec![0; header as usize];
    file.read_exact_at(&mut text, 8).map_err(failed)?;
    let Json::Object(fields) = Json::parse(&text)? else {
        return Err(Problem::new("no safetensors file: its header is no object"));
    };
    let start = 8 + header;
    let tensors = fields.iter().filter(|(name, _)| name != "__metadata__");
    let mut entries = tensors
        .map(|(name, field)| entry(name, field, start, length - start))
        .collect::<Result<Vec<Entry>, Problem>>()?;
    entries.sort_by_key(|entry| (entry.begin, entry.end));
    for pair in entries.windows(2) {
        if pair[1].begin < pair[0].end {
            return Err(Problem::new(format!("the tensors {} and {} overlap", pair[0].name, pair[1].name)));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    match entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(Problem::new(format!("two tensors are called {}", pair[0].name))),
        None => Ok(entries),
    }
}

fn entry(name: &str, field: &Json, start: u64, length: u64) -> Result<Entry, Problem> {
    let wrong = |what: &str| Problem::new(format!("tensor {name}: {what}"));
    let kind = field.get("dtype").as_str().ok_or_else(|| wrong("no type"))?;
    let shape = field.get("shape").sizes().ok_or_else(|| wrong("no shape"))?;
    let [begin, end] = field.get("data_offsets").list() else { return Err(wrong("no offsets")) };
    let (Some(begin), Some(end)) = (begin.as_u64(), end.as_u64()) else { return Err(wrong("offsets that are none")) };
    if begin > end || end > length {
        return Err(wrong(&format!("its bytes {begin} to {end} lie outside of the {length} that there are")));
    }
    let values = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    let values = values.ok_or_else(|| wrong("its shape has too many values"))?;
    if let Some(width) = width(kind)
        && values.checked_mul(width).map(|bytes| bytes as u64) != Some(end - begin)
    {
        return Err(wrong(&format!("{} bytes do not hold its shape", end - begin)));
    }
    Ok(Entry { name: name.to_owned(), kind: kind.to_owned(), shape, values, begin: start + begin, end: start + end })
}

/// Bytes of a value; none of a type that is not read.
fn width(kind: &str) -> Option<usize> {
    Some(match kind {
        "F64" | "I64" => 8,
        "F32" | "I32" => 4,
        "F16" | "BF16" => 2,
        "U8" | "BOOL" => 1,
        _ => return None,
    })
}

fn values(kind: &str, bytes: &[u8]) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect()
    }
    match kind {
        "F64" => each(bytes, |chunk| f64::from_le_bytes(chunk) as f32),
        "I64" => each(bytes, |chunk| i64::from_le_bytes(chunk) as f32),
        "I32" => each(bytes, |chunk| i32::from_le_bytes(chunk) as f32),
        "F16" => each(bytes, |chunk| half(u16::from_le_bytes(chunk))),
        "BF16" => each(bytes, |chunk| f32::from_bits(u32::from(u16::from_le_bytes(chunk)) << 16)),
        "U8" | "BOOL" => bytes.iter().map(|byte| f32::from(*byte)).collect(),
        _ => each(bytes, f32::from_le_bytes),
    }
}

/// An IEEE half as a float: all of them have one.
pub(super) fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * mantissa * 2.0_f32.powi(-24),
        0x1f if mantissa == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        _ => sign * (1.0 + mantissa / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}
