//! What stands behind a notebook outside of its own program: the kernel's process, and the hub that its cells ask.

use std::path::{Path, PathBuf};

use crossbeam_channel::bounded;

use super::hub::{self, Hub};
use super::kernel_client::{Happening, Missing, News, Wish};
use super::kernel_process::{self, Process, Setup};

/// Things that cells show and nobody has taken yet; a cell waits then.
const SHOWN: usize = 16;

/// The kernel and its hub, as far as they are there.
#[derive(Debug)]
pub struct Desk {
    root: PathBuf,
    /// What cells are asked about, where it is not the session that their notebook lies in.
    session: Option<String>,
    process: Option<Process>,
    hub: Option<Hub>,
}

impl Desk {
    /// Nothing yet, for the sessions in `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), session: None, process: None, hub: None }
    }

    /// The same for cells of this session, wherever their notebook lies.
    #[must_use]
    pub fn of(self, session: Option<String>) -> Self {
        Self { session, ..self }
    }

    /// Do what is wanted; what comes of it is told.
    pub fn carry_out(&mut self, wish: Wish, tell: impl Fn(News) -> bool + Clone + Send + 'static) {
        match wish {
            Wish::Start { generation, notebook } => {
                // The old one first: two kernels share no folder.
                self.process = None;
                self.hub = None;
                if let Err(missing) = self.start(generation, notebook.as_deref(), tell.clone()) {
                    tell(News { generation, what: Happening::Missing(missing) });
                }
            }
            Wish::Send(request) => self.process.iter().for_each(|process| process.send(&request)),
            Wish::End => self.process = None,
        }
    }

    fn start(
        &mut self,
        generation: u64,
        notebook: Option<&Path>,
        tell: impl Fn(News) -> bool + Send + 'static,
    ) -> Result<(), Missing> {
        // Whether there is a kernel at all is seen before anything else is made.
        let program = kernel_process::find()?;
        let (sender, shows) = bounded(SHOWN);
        let lies_in = || notebook.and_then(|notebook| session_of(notebook, &self.root));
        let session = self.session.clone().or_else(lies_in);
        let options = hub::Options { root: self.root.clone(), session, trainer: trainer() };
        let hub = Hub::start(options, sender).map_err(|error| Missing {
            what: format!("no socket can be made by which cells reach what is recorded: {error}"),
            help: "XDG_RUNTIME_DIR or TMPDIR names where it is to be. Questions in SQL work without it.".to_owned(),
        })?;
        let setup = Setup { program: Some(program), hub: Some(hub.socket()), shows: Some(shows) };
        self.hub = Some(hub);
        self.process = Some(Process::start(&setup, generation, tell)?);
        Ok(())
    }
}

/// The session whose folder a notebook lies in.
fn session_of(notebook: &Path, root: &Path) -> Option<String> {
    let folder = notebook.parent()?;
    let inside = folder.parent()? == root;
    inside.then(|| folder.file_name()?.to_str().map(str::to_owned)).flatten()
}

/// The program that loads checkpoints: beside this one.
fn trainer() -> PathBuf {
    let own = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    own.with_file_name("atelier-train")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notebook_belongs_to_the_session_whose_folder_it_lies_in() {
        let root = Path::new("/s/sessions");
        assert_eq!(session_of(Path::new("/s/sessions/260304-x/notebook.rs"), root).as_deref(), Some("260304-x"));
        assert_eq!(session_of(Path::new("/s/sessions/notebook.rs"), root), None);
        assert_eq!(session_of(Path::new("notebook.rs"), root), None);
    }
}
