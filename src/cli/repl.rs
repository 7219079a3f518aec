//! `atelier repl`: the notebook, in the dashboard or without any screen.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, Sender, unbounded};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::sessions::Root;
use super::{Usage, dash};
use crate::app;
use crate::notebook::asked::Asker;
use crate::notebook::desk::Desk;
use crate::notebook::document::{Document, Entry, Standing};
use crate::notebook::ipynb;
use crate::notebook::kernel_client::{Happening, News};
use crate::notebook::protocol::What;
use crate::notebook::runner::{Do, Runner};
use crate::session::notebook::{Kept, Notebook, Output, plain};
use crate::session::{self, Folder};

/// Open a session's notebook: questions in SQL and cells of Rust, which reach metrics, checkpoints and the live model.
///
/// Without a session: the notebook of the sessions' folder. Cells are your own code and run as you.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier repl last
  atelier repl --run docs/notebooks/exploding-layer.rs
  atelier repl last --run check.rs --export check.ipynb")]
pub struct Args {
    /// The session: its id, a part of it, or `last`.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Run a notebook without a screen: print what its cells give, and end with code 1 at the first that fails.
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// With --run: print one JSON array, an object a cell.
    #[arg(long, requires = "run")]
    json: bool,
    /// With --run: write the notebook with its outputs for Jupyter.
    #[arg(long, value_name = "FILE", requires = "run")]
    export: Option<PathBuf>,
    #[command(flatten)]
    look: dash::Look,
    #[command(flatten)]
    root: Root,
}

/// Open it, or run it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let open = args.id.as_deref().map(|query| args.root.find(query)).transpose()?.map(|folder| folder.id());
    match &args.run {
        Some(file) => headless(args, file, open),
        None => app::run(&app::Options { open, notebook: true, ..args.look.options(&args.root.dir) }),
    }
}

/// A notebook that runs without a screen.
struct Headless<'a> {
    runner: Runner,
    desk: Desk,
    sender: Sender<News>,
    news: Receiver<News>,
    asker: Asker,
    folders: Vec<Folder>,
    /// Say nothing while it runs.
    quiet: bool,
    path: &'a Path,
}

fn headless(args: &Args, file: &Path, session: Option<String>) -> anyhow::Result<()> {
    if !file.exists() {
        return Err(Usage(format!("there is no notebook {}", file.display())).into());
    }
    let notebook = Notebook::load(file)?;
    let root = &args.root.dir;
    let folders = session::ids(root)?.iter().map(|id| Folder::new(root.join(id))).collect();
    let outputs = file.with_extension("json");
    let mut runner = Runner::default();
    runner.add(Document::new(file, &outputs, notebook.clone(), Kept::default(), 0));
    let (sender, news) = unbounded();
    let desk = Desk::new(root).of(session);
    let mut headless =
        Headless { runner, desk, sender, news, asker: Asker::default(), folders, quiet: args.json, path: file };
    let failed = headless.run()?;
    let document = headless.document()?;
    if args.json {
        let cells: Vec<Value> = document.entries().iter().enumerate().map(|(at, entry)| as_json(at, entry)).collect();
        super::print(&(serde_json::to_string_pretty(&cells)? + "\n"))?;
    }
    if let Some(path) = &args.export {
        let file = ipynb::export(&notebook, Kept { version: 1, cells: document.kept() });
        std::fs::write(path, file).map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))?;
    }
    match failed {
        None => Ok(()),
        Some((at, why)) => anyhow::bail!("cell {} of {} failed: {why}", at + 1, file.display()),
    }
}

fn as_json(at: usize, entry: &Entry) -> Value {
    let (state, ms) = match entry.standing() {
        Standing::Done(ms) => ("ok", Some(ms)),
        Standing::Failed(ms) => ("failed", Some(ms)),
        _ => ("not run", None),
    };
    json!({
        "cell": at + 1,
        "title": entry.cell.title(),
        "source": entry.cell.source(),
        "state": state,
        "ms": ms,
        "outputs": entry.outputs,
    })
}

impl Headless<'_> {
    fn document(&self) -> anyhow::Result<&Document> {
        self.runner.document(self.path).ok_or_else(|| anyhow::anyhow!("{} is gone", self.path.display()))
    }

    /// Run every cell up to the first that fails; which that was, and why.
    fn run(&mut self) -> anyhow::Result<Option<(usize, String)>> {
        for at in 0..self.document()?.len() {
            let id = self.document()?.entries()[at].id;
            let todo = self.runner.run(&[id], Timestamp::now());
            self.carry_out(todo)?;
            while self.runner.is_busy() {
                let news = self.news.recv()?;
                self.show(&news.what)?;
                let todo = self.runner.take(news, Timestamp::now());
                self.carry_out(todo)?;
            }
            let entry = &self.document()?.entries()[at];
            let problem = entry.outputs.iter().find_map(|output| match output {
                Output::Problem(problem) => Some(problem.clone()),
                _ => None,
            });
            if let Standing::Failed(_) = entry.standing() {
                let why = problem.map_or_else(|| "it does not say why".to_owned(), |problem| problem.text());
                return Ok(Some((at, why)));
            }
        }
        Ok(None)
    }

    fn carry_out(&mut self, todo: Vec<Do>) -> anyhow::Result<()> {
        for it in todo {
            match it {
                Do::Kernel(wish) => {
                    let sender = self.sender.clone();
                    self.desk.carry_out(wish, move |news| sender.send(news).is_ok());
                }
                Do::Ask { cell, run, source } => {
                    let answer = self.asker.ask(&source, &self.folders);
                    for output in answer.iter().flatten() {
                        self.show_output(output)?;
                    }
                    let todo = self.runner.answered(cell, run, answer, Timestamp::now());
                    self.carry_out(todo)?;
                }
                Do::Save(_) | Do::Say(..) | Do::Completions { .. } | Do::Hover { .. } | Do::Variables(_) => {}
            }
        }
        Ok(())
    }

    /// Print what a cell gives as it comes. Failures are printed once, at the end.
    fn show(&self, what: &Happening) -> anyhow::Result<()> {
        if self.quiet {
            return Ok(());
        }
        match what {
            Happening::Said(event) => match &event.what {
                What::Stdout { text } => {
                    super::print(&plain::plain(text))?;
                    std::io::stdout().flush()?;
                }
                What::Stderr { text } => eprint!("{}", plain::plain(text)),
                What::Value { text } => super::print(&(plain::plain(text).trim_end().to_owned() + "\n"))?,
                _ => {}
            },
            Happening::Shown(output) => self.show_output(output)?,
            _ => {}
        }
        Ok(())
    }

    fn show_output(&self, output: &Output) -> anyhow::Result<()> {
        if !self.quiet {
            super::print(&(output.text().trim_end().to_owned() + "\n"))?;
        }
        Ok(())
    }
}
