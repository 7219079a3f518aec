//! Types of variables, asked of rustc. evcxr must know the type of every variable that a cell makes and asks its
//! rust-analyzer, which knows next to none without the standard library's sources. rustc always knows: one run up to
//! the MIR, where every variable has a place and a type by a path that can be written down.

mod edits;
mod mir;

pub use edits::{Edit, Edits};
pub use mir::short;

use crate::source::{Binding, Cell, Let, Place};
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where evcxr puts statements to have them analysed.
const ASYNC_WRAPPER: &str = "async fn evcxr_analysis_wrapper(";
const WRAPPER: &str = "fn evcxr_analysis_wrapper(";
/// One line for each variable, at the end; in the way where one was moved.
const STORE: &str = "evcxr_variable_store(";

/// A variable whose type nobody can write down.
#[derive(Debug, PartialEq, Eq)]
pub struct Unnameable {
    /// Its name.
    pub name: String,
    /// Where, in the cell.
    pub at: Range<usize>,
    /// What rustc calls its type.
    pub kind: String,
    /// Whether it is a closure itself, and not something that holds one.
    pub closure: bool,
}

/// Asks rustc.
#[derive(Debug)]
pub struct Types {
    rustc: PathBuf,
    build: PathBuf,
    folder: PathBuf,
}

impl Types {
    /// `build` is evcxr's folder; the question goes into `folder`.
    pub fn new(rustc: PathBuf, build: PathBuf, folder: PathBuf) -> Self {
        Self { rustc, build, folder }
    }

    /// The changes that write the types into a cell. `analysed` is what evcxr wrote for it to be analysed. None where
    /// rustc has an error to tell: evcxr will tell it.
    pub fn of(&self, cell: &Cell<'_>, analysed: &str) -> Result<Option<Edits>, Unnameable> {
        let lets: Vec<_> = cell.lets().into_iter().filter(|one| one.untyped).collect();
        let Some((source, places)) = question(cell, &lets, analysed) else { return Ok(None) };
        let Some(answer) = self.ask(&source) else { return Ok(None) };
        let renamed = renamed(&arguments(&self.build));
        let mut known = mir::variables(&answer);
        for kind in known.values_mut() {
            *kind = mir::with_names(kind, &renamed);
        }
        let mut edits = Vec::new();
        for (one, places) in lets.iter().zip(places) {
            write_types(cell, one, &places, &known, &mut edits)?;
        }
        Ok(Some(Edits::new(edits)))
    }

    fn ask(&self, source: &str) -> Option<String> {
        fs::create_dir_all(&self.folder).ok()?;
        let file = self.folder.join("question.rs");
        fs::write(&file, source).ok()?;
        let answer = self.folder.join("answer.mir");
        let _ = fs::remove_file(&answer);
        let mut command = Command::new(&self.rustc);
        command.current_dir(&self.build).args(arguments(&self.build));
        // Unstable flags, for this one run, which makes no code: places of variables, and none optimised away.
        command.env("RUSTC_BOOTSTRAP", "1").args(["-Zmir-opt-level=0", "-Zmir-include-spans=on", "--cap-lints=allow"]);
        command.args(["--crate-type=lib", "--crate-name=ctx", "--emit=mir"]).arg("-o").arg(&answer).arg(&file);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        status.success().then(|| fs::read_to_string(&answer).ok()).flatten()
    }
}

/// Those of the last cell's compile that say what it can see.
fn arguments(build: &Path) -> Vec<String> {
    let note = fs::read_to_string(build.join("rustc-arguments")).unwrap_or_default();
    let mut kept = Vec::new();
    let mut lines = note.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("--edition=") {
            kept.push(line.to_owned());
        } else if let ("--extern" | "-L" | "--cfg", Some(value)) = (line, lines.clone().next()) {
            kept.extend([line.to_owned(), value.to_owned()]);
            lines.next();
        }
    }
    if kept.is_empty() {
        kept.push("--edition=2024".to_owned());
    }
    kept
}

/// Crates that the cell knows by another name than their own (`:dep short = { package = "long" }`): rustc calls them by
/// their own.
fn renamed(arguments: &[String]) -> Vec<(String, String)> {
    let crates = arguments.windows(2).filter(|pair| pair[0] == "--extern").filter_map(|pair| pair[1].split_once('='));
    crates
        .filter_map(|(name, file)| {
            let stem = Path::new(file).file_stem()?.to_str()?.strip_prefix("lib")?;
            let own = stem.rsplit_once('-').map_or(stem, |(own, _)| own);
            (own != name).then(|| (own.to_owned(), name.to_owned()))
        })
        .collect()
}

/// The source to ask about, and for each `let` where its variables stand in it.
fn question(cell: &Cell<'_>, lets: &[Let], analysed: &str) -> Option<(String, Vec<Vec<Place>>)> {
    let plain = analysed.replace(ASYNC_WRAPPER, WRAPPER);
    let source: Vec<_> = plain.split_inclusive('\n').filter(|line| !line.starts_with(STORE)).collect();
    let source = source.concat();
    let mut cursor = source.find(WRAPPER)?;
    let mut places = Vec::new();
    let mut lets = lets.iter().peekable();
    for statement in &cell.statements {
        let Some(one) = lets.peek() else { break };
        if !statement.contains(&one.range.start) {
            continue;
        }
        let text = &cell.text[statement.clone()];
        let start = cursor + source[cursor..].find(text)?;
        cursor = start + text.len();
        let place = |at: usize| Place::of(&source, start + at - statement.start);
        places.push(one.bindings.iter().map(|binding| place(binding.at)).collect());
        lets.next();
    }
    lets.next().is_none().then_some((source, places))
}

fn write_types(
    cell: &Cell<'_>,
    one: &Let,
    places: &[Place],
    known: &HashMap<Place, String>,
    edits: &mut Vec<Edit>,
) -> Result<(), Unnameable> {
    let mut typed = Vec::new();
    for (binding, place) in one.bindings.iter().zip(places) {
        // A name in a pattern that binds nothing: `None`.
        let Some(kind) = known.get(place) else { continue };
        match mir::nameable(kind) {
            Some(kind) => typed.push((binding, kind)),
            None => {
                return Err(Unnameable {
                    name: binding.name.clone(),
                    at: binding.at
                        ..binding.at + cell.text[binding.at..].find(&binding.name).unwrap_or(0) + binding.name.len(),
                    kind: kind.clone(),
                    closure: kind.starts_with("{closure"),
                });
            }
        }
    }
    let Some((first, kind)) = typed.first() else { return Ok(()) };
    if let Some(end) = one.name_end.filter(|_| first.at == one.bindings[0].at) {
        edits.push(match &one.written {
            Some(written) => Edit { range: written.clone(), text: kind.clone() },
            None => Edit { range: end..end, text: format!(": {kind}") },
        });
        return Ok(());
    }
    // A pattern has no place for its variables' types: they are declared first, and the pattern goes into a block.
    let (mut names, mut declared) = (String::new(), String::new());
    for (Binding { name, mutable, .. }, kind) in &typed {
        names += &format!("{name}, ");
        declared += &format!("let {}{name}: {kind}; ", if *mutable { "mut " } else { "" });
    }
    edits.push(Edit { range: one.range.start..one.range.start, text: format!("{declared}({names}) = {{ ") });
    edits.push(Edit { range: one.range.end..one.range.end, text: format!(" ({names}) }};") });
    Ok(())
}
