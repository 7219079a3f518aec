//! A notebook as it lies in a session's folder: `notebook.rs`, Rust cells between `// %%` marks, and beside it
//! `notebook.json`, what the cells last gave. Whoever shows a session may read both; the kernel is not needed for it.
//!
//! What is not edited is written as it was read, byte for byte: a notebook is kept under version control, and a tool
//! that reformats what one only looked at is not used twice.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub mod captured;
pub mod kept;
pub mod output;
pub mod plain;

pub use captured::Captured;
pub use kept::{Kept, KeptCell};
pub use output::{Column, Image, Lost, Output, Place, Plot, PlotKind, PlotSeries, Problem, Stream, Table};

/// What begins a line that begins a cell.
pub const MARK: &str = "// %%";
/// The largest file that is read.
pub const LARGEST: u64 = 8 << 20;
/// The most cells that a notebook has.
pub const MOST_CELLS: usize = 5000;

/// Why there is no notebook to show.
#[derive(Debug, thiserror::Error)]
pub enum NotebookError {
    /// It cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is too large to be a notebook.
    #[error(
        "{} is {} MiB, and a notebook is at most {} MiB: move data that it contains to a file of its own",
        path.display(),
        size >> 20,
        LARGEST >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        size: u64,
    },
    /// It is no text.
    #[error(
        "{} is no text (byte {at} is not UTF-8, or zero): a notebook is Rust source with `{MARK}` before each cell; move \
         the file away to begin a new one",
        path.display()
    )]
    Binary {
        /// The file.
        path: PathBuf,
        /// The first byte that cannot be.
        at: usize,
    },
    /// It has too many cells.
    #[error("{} has {cells} cells, and a notebook at most {MOST_CELLS}: divide it", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
        /// How many.
        cells: usize,
    },
}

impl NotebookError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// A notebook's text, cell by cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notebook {
    /// What stands before the first mark; kept as it is.
    pub before: String,
    /// The cells.
    pub cells: Vec<Cell>,
    /// Lines end as on Windows.
    pub crlf: bool,
}

/// A cell's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The line that begins it, without its end; empty for the one cell of a file without marks.
    mark: String,
    /// What is run: lines end in `\n`, none at the end.
    source: String,
    /// The lines between the marks as they were read, if they were not changed since.
    read: Option<String>,
}

impl Default for Cell {
    fn default() -> Self {
        Self::new("")
    }
}

impl Cell {
    /// A new cell.
    pub fn new(source: impl Into<String>) -> Self {
        Self { mark: MARK.to_owned(), source: source.into(), read: None }
    }

    /// The same cell, to be written as new ones are.
    #[must_use]
    pub fn anew(self) -> Self {
        Self { read: None, ..self }
    }

    /// What is run.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Change what is run.
    pub fn set_source(&mut self, source: String) {
        if source != self.source {
            self.source = source;
            self.read = None;
        }
    }

    /// What stands behind the mark: the cell's title.
    pub fn title(&self) -> &str {
        self.mark.strip_prefix(MARK).unwrap_or_default().trim()
    }

    /// Whether it is words and not code: `// %% [markdown]`, each line a comment.
    pub fn is_text(&self) -> bool {
        self.title().starts_with("[markdown]")
    }

    /// The words of such a cell, without the signs of a comment.
    pub fn words(&self) -> String {
        let bare = |line: &str| {
            let line = line.strip_prefix("//").unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line).to_owned()
        };
        self.source.lines().map(bare).collect::<Vec<_>>().join("\n")
    }
}

/// Whether a line begins a cell: `// %%` alone, or with something after a space.
pub fn is_mark(line: &str) -> bool {
    line.strip_prefix(MARK).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']))
}

impl Notebook {
    /// Divide a text into cells.
    pub fn parse(text: &str) -> Self {
        let crlf = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
        let mut notebook = Self { crlf, ..Self::default() };
        let mut rest = text;
        if let Some(bare) = rest.strip_prefix('\u{feff}') {
            notebook.before.push('\u{feff}');
            rest = bare;
        }
        let mut mark: Option<String> = None;
        let mut body = String::new();
        for line in rest.split_inclusive('\n') {
            let bare = line.trim_end_matches(['\n', '\r']);
            if is_mark(bare) {
                notebook.take(mark.replace(bare.to_owned()), &mut body);
                // The end of the mark's own line belongs to what is written as it was read.
                body.push_str(&line[bare.len()..]);
            } else {
                body.push_str(line);
            }
        }
        match mark {
            Some(mark) => notebook.take(Some(mark), &mut body),
            // Plain Rust is a notebook of one cell.
            None if !body.trim().is_empty() => {
                notebook.cells.push(Cell { mark: String::new(), source: trimmed(&body), read: Some(body) });
            }
            None => notebook.before.push_str(&body),
        }
        notebook
    }

    fn take(&mut self, mark: Option<String>, body: &mut String) {
        let read = std::mem::take(body);
        match mark {
            None => self.before.push_str(&read),
            Some(mark) => {
                let after = read.strip_prefix("\r\n").or_else(|| read.strip_prefix('\n')).unwrap_or(&read);
                self.cells.push(Cell { mark, source: trimmed(after), read: Some(read) });
            }
        }
    }

    /// The text that [`parse`](Self::parse) divides into this.
    pub fn text(&self) -> String {
        let end = if self.crlf { "\r\n" } else { "\n" };
        let mut text = self.before.clone();
        for (index, cell) in self.cells.iter().enumerate() {
            let alone = self.cells.len() == 1 && self.before.trim_start_matches('\u{feff}').is_empty();
            let mark = if cell.mark.is_empty() && !alone { MARK } else { &cell.mark };
            if !mark.is_empty() && !text.is_empty() && !text.ends_with('\n') && text != "\u{feff}" {
                text.push_str(end);
            }
            text.push_str(mark);
            if let Some(read) = &cell.read {
                if cell.mark.is_empty() && !mark.is_empty() {
                    text.push_str(end);
                }
                text.push_str(read);
                continue;
            }
            if !mark.is_empty() {
                text.push_str(end);
            }
            for line in cell.source.lines() {
                text.push_str(line);
                text.push_str(end);
            }
            if index + 1 < self.cells.len() {
                text.push_str(end);
            }
        }
        text
    }

    /// Read a file. One that is not there is a notebook without cells.
    ///
    /// # Errors
    /// It cannot be read, or is no notebook.
    pub fn load(path: &Path) -> Result<Self, NotebookError> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(NotebookError::io("open", path)(error)),
        };
        let size = file.metadata().map_err(NotebookError::io("read", path))?.len();
        let too_large = |size| NotebookError::TooLarge { path: path.to_owned(), size };
        if size > LARGEST {
            return Err(too_large(size));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(NotebookError::io("read", path))?;
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(bytes.len() as u64));
        }
        let binary = |at| NotebookError::Binary { path: path.to_owned(), at };
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(binary(at));
        }
        let text = String::from_utf8(bytes).map_err(|error| binary(error.utf8_error().valid_up_to()))?;
        let notebook = Self::parse(&text);
        if notebook.cells.len() > MOST_CELLS {
            return Err(NotebookError::TooMany { path: path.to_owned(), cells: notebook.cells.len() });
        }
        Ok(notebook)
    }

    /// Write a file: beside it first, then renamed, so that it is never half there.
    ///
    /// # Errors
    /// It cannot be written; what was there before is still there.
    pub fn save(&self, path: &Path) -> Result<(), NotebookError> {
        write(path, self.text().as_bytes())
    }
}

/// What a cell runs of its lines: no blank lines around them, `\n` at the ends.
fn trimmed(body: &str) -> String {
    let lines: Vec<&str> = body.lines().map(|line| line.trim_end_matches('\r')).collect();
    let blank = |line: &&str| line.trim().is_empty();
    let first = lines.iter().position(|line| !blank(line)).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !blank(line)).map_or(first, |last| last + 1);
    lines[first..last].join("\n")
}

/// Write a file of a session so that it is either as before or whole; its owner's alone, as everything there.
fn write(path: &Path, bytes: &[u8]) -> Result<(), NotebookError> {
    let failed = |error| NotebookError::io("write", path)(error);
    // Through a link to the file itself, which is not to be replaced by a copy.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(&real).map_or(0o600, |data| data.permissions().mode() & 0o777);
    let written = || -> io::Result<()> {
        let mut beside = tempfile::Builder::new().prefix(".notebook-").tempfile_in(folder)?;
        beside.write_all(bytes)?;
        beside.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
        beside.as_file().sync_all()?;
        beside.persist(&real).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(failed)
}

#[cfg(test)]
mod tests;
