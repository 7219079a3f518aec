//! `atelier tag|note|rename|archive|delete`: what a person writes about sessions, and which are kept.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::Usage;
use super::sessions::Root;
use crate::session::Folder;
use crate::session::edit::{self, Edit};

/// Put labels on a session, or take them off.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier tag last paper seed-3
  atelier tag hayao --remove draft
  atelier tag hayao --clear")]
pub struct TagArgs {
    /// The session: its id, its name, a part of its id that no other has, or `last`.
    #[arg(value_name = "ID")]
    id: String,
    /// Labels to put on.
    #[arg(value_name = "TAG", required_unless_present_any = ["remove", "clear"])]
    tags: Vec<String>,
    /// A label to take off. May be given again.
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,
    /// Take all labels off first.
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    root: Root,
}

/// Write notes about a session.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier note last 'L1 only; colours stay flat'
  atelier note last --append 'looked at again: banding'
  atelier note last --clear")]
pub struct NoteArgs {
    /// The session: its id, its name, a part of its id that no other has, or `last`.
    #[arg(value_name = "ID")]
    id: String,
    /// The notes, instead of those there are.
    #[arg(value_name = "TEXT", required_unless_present = "clear")]
    text: Vec<String>,
    /// Add a line to the notes there are.
    #[arg(long, conflicts_with = "clear")]
    append: bool,
    /// Take the notes off.
    #[arg(long, conflicts_with = "text")]
    clear: bool,
    #[command(flatten)]
    root: Root,
}

/// Give a session another name. Its id, and so its folder, stays.
#[derive(Debug, clap::Args)]
pub struct RenameArgs {
    /// The session: its id, its name, a part of its id that no other has, or `last`.
    #[arg(value_name = "ID")]
    id: String,
    /// The name.
    name: String,
    #[command(flatten)]
    root: Root,
}

/// Put sessions away: lists leave them out, and nothing of them is lost or moved.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier archive hayao-256
  atelier ls archived:yes
  atelier archive --undo hayao-256")]
pub struct ArchiveArgs {
    /// The sessions: ids, names, parts of ids that no other has, or `last`.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Take them out again.
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    root: Root,
}

/// Delete sessions with everything in them: series, samples, checkpoints. Never one that runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier delete 260102-101500-mine
  atelier delete --yes old-1 old-2")]
pub struct DeleteArgs {
    /// The sessions: ids, names, parts of ids that no other has, or `last`.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    root: Root,
}

/// Put labels on or take them off.
pub fn run_tag(args: TagArgs) -> anyhow::Result<()> {
    let mut change = Edit { add_tags: args.tags, remove_tags: args.remove, ..Edit::default() };
    if args.clear {
        change.tags = Some(Vec::new());
    }
    make(&args.root.find(&args.id)?, &change)
}

/// Write notes.
pub fn run_note(args: &NoteArgs) -> anyhow::Result<()> {
    let folder = args.root.find(&args.id)?;
    let mut notes = args.text.join(" ");
    if args.append {
        let before = crate::session::Manifest::load(&folder)?.notes;
        if !before.is_empty() {
            notes = format!("{}\n{notes}", before.trim_end());
        }
    }
    make(&folder, &Edit { notes: Some(notes), ..Edit::default() })
}

/// Give another name.
pub fn run_rename(args: RenameArgs) -> anyhow::Result<()> {
    make(&args.root.find(&args.id)?, &Edit { name: Some(args.name), ..Edit::default() })
}

/// Put away or take out.
pub fn run_archive(args: &ArchiveArgs) -> anyhow::Result<()> {
    for folder in all(&args.root, &args.ids)? {
        make(&folder, &Edit { archived: Some(!args.undo), ..Edit::default() })?;
    }
    Ok(())
}

/// Delete.
pub fn run_delete(args: &DeleteArgs) -> anyhow::Result<()> {
    let folders = all(&args.root, &args.ids)?;
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            return Err(Usage("deleting asks first, and nobody is there to answer: add --yes".to_owned()).into());
        }
        let ids: Vec<String> = folders.iter().map(Folder::id).collect();
        eprint!("delete {} and everything in it? [y/N] ", ids.join(", "));
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(super::print("nothing was deleted\n")?);
        }
    }
    for folder in folders {
        edit::remove(&folder)?;
        super::print(&format!("{} is deleted\n", folder.id()))?;
    }
    Ok(())
}

/// All of them, found before anything is done to the first.
fn all(root: &Root, queries: &[String]) -> anyhow::Result<Vec<Folder>> {
    let mut folders = Vec::new();
    for query in queries {
        let folder = root.find(query)?;
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    Ok(folders)
}

fn make(folder: &Folder, change: &Edit) -> anyhow::Result<()> {
    change.check().map_err(Usage)?;
    let done = edit::edit(folder, change)?;
    Ok(super::print(&format!("{}  {done}\n", folder.id()))?)
}
