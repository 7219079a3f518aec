//! Which commit the current directory's repository is at, so that a session can be traced to its code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// The state of a git work tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Git {
    /// Full hash of the checked-out commit.
    pub commit: String,
    /// Branch, absent when the head is detached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether tracked files differ from the commit; absent when there is no `git` to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

/// The repository around `directory`; none when there is none or it has no commit yet.
///
/// The commit is read from the files of `.git` (no program needed); only whether the tree is dirty asks `git`.
pub fn observe(directory: &Path) -> Option<Git> {
    let repository = Repository::around(directory)?;
    let (commit, branch) = repository.head()?;
    Some(Git { commit, branch, dirty: dirty(directory) })
}

fn dirty(directory: &Path) -> Option<bool> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(!output.stdout.is_empty())
}

struct Repository {
    /// Where HEAD is: `.git`, or `.git/worktrees/<name>`.
    own: PathBuf,
    /// Where branches are.
    common: PathBuf,
}

impl Repository {
    fn around(directory: &Path) -> Option<Self> {
        let directory = directory.canonicalize().ok()?;
        let dot_git = directory.ancestors().map(|parent| parent.join(".git")).find(|path| path.exists())?;
        let own = if dot_git.is_dir() {
            dot_git
        } else {
            // A linked work tree or submodule: a file that says where the repository is.
            let text = fs::read_to_string(&dot_git).ok()?;
            dot_git.parent()?.join(text.strip_prefix("gitdir:")?.trim())
        };
        let common = match fs::read_to_string(own.join("commondir")) {
            Ok(text) => own.join(text.trim()),
            Err(_) => own.clone(),
        };
        Some(Self { own, common })
    }

    fn head(&self) -> Option<(String, Option<String>)> {
        let head = fs::read_to_string(self.own.join("HEAD")).ok()?;
        match head.trim().strip_prefix("ref:") {
            Some(reference) => {
                let reference = reference.trim();
                let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
                Some((self.resolve(reference)?, Some(branch.to_owned())))
            }
            None => hash(head.trim()).map(|commit| (commit, None)),
        }
    }

    fn resolve(&self, reference: &str) -> Option<String> {
        if let Ok(text) = fs::read_to_string(self.common.join(reference)) {
            return hash(text.trim());
        }
        let packed = fs::read_to_string(self.common.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| line.strip_suffix(reference)?.strip_suffix(' ').and_then(hash))
    }
}

fn hash(text: &str) -> Option<String> {
    (text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn loose_packed_and_detached_heads_are_read() {
        let loose = repository(&[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", COMMIT)]);
        let git = observe(loose.path()).unwrap();
        assert_eq!((git.commit.as_str(), git.branch.as_deref()), (COMMIT, Some("main")));

        let packed = format!("# pack-refs\n{COMMIT} refs/heads/deep/main\n");
        let packed = repository(&[(".git/HEAD", "ref: refs/heads/deep/main\n"), (".git/packed-refs", &packed)]);
        assert_eq!(observe(packed.path()).unwrap().branch.as_deref(), Some("deep/main"));

        let detached = repository(&[(".git/HEAD", COMMIT), ("src/deep/file", "")]);
        assert_eq!(observe(&detached.path().join("src/deep")).unwrap().branch, None);
    }

    #[test]
    fn linked_work_trees_find_their_branch_in_the_common_folder() {
        let root = repository(&[
            ("main/.git/refs/heads/side", COMMIT),
            ("main/.git/worktrees/side/HEAD", "ref: refs/heads/side"),
            ("main/.git/worktrees/side/commondir", "../..\n"),
        ]);
        let side = root.path().join("side");
        fs::create_dir(&side).unwrap();
        fs::write(side.join(".git"), "gitdir: ../main/.git/worktrees/side\n").unwrap();
        assert_eq!(observe(&side).unwrap().commit, COMMIT);
    }

    #[test]
    fn a_repository_without_commits_and_garbage_are_no_commit() {
        assert_eq!(observe(repository(&[(".git/HEAD", "ref: refs/heads/main\n")]).path()), None);
        assert_eq!(observe(repository(&[(".git/HEAD", "\u{0}garbage")]).path()), None);
        assert_eq!(observe(repository(&[(".git", "nonsense")]).path()), None);
    }
}
