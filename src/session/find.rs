//! Which session a person means.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Folder, SessionError};

/// How many look-alikes an error names.
const NEAR: usize = 5;

/// The session that `query` means: its id, `last` (the newest), a path to its folder, its name, or a part of its id that
/// no other session has (a beginning or an end is preferred to a middle).
pub fn find(root: &Path, query: &str) -> Result<Folder, SessionError> {
    if query.contains('/') {
        let path = PathBuf::from(query);
        if Folder::new(&path).manifest().exists() {
            // With its real name, so that `sessions/x/` and `.` have an id.
            return Ok(Folder::new(path.canonicalize().map_err(SessionError::io("open", &path))?));
        }
    }
    let ids = ids(root)?;
    find_in(root, &ids, query).map(|id| Folder::new(root.join(id)))
}

/// The ids of everything under `root` that may be a session, oldest first. A root that is not there has none.
pub fn ids(root: &Path) -> Result<Vec<String>, SessionError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SessionError::io("list the sessions in", root)(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(SessionError::io("list the sessions in", root))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        // A link to a folder counts; what cannot even be looked at is shown with its problem.
        let folder = fs::metadata(entry.path()).map_or(true, |data| data.is_dir());
        if folder
            && !hidden
            && let Ok(id) = entry.file_name().into_string()
        {
            ids.push(id);
        }
    }
    ids.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(ids)
}

/// Ids made in one second are told apart by a number at their end, which sorts as a number.
fn order(id: &str) -> (&str, u64, &str) {
    let (stem, number) = id.rsplit_once('-').and_then(|(stem, end)| Some((stem, end.parse().ok()?))).unwrap_or((id, 0));
    (stem, number, id)
}

/// The id among `ids` (oldest first) that `query` means.
pub fn find_in(root: &Path, ids: &[String], query: &str) -> Result<String, SessionError> {
    let unknown = |near| SessionError::Unknown { query: query.to_owned(), root: root.to_owned(), near };
    if query == "last" {
        return ids.last().cloned().ok_or_else(|| unknown(Vec::new()));
    }
    if let Some(id) = ids.iter().find(|id| *id == query) {
        return Ok(id.clone());
    }
    if query.is_empty() {
        return Err(unknown(Vec::new()));
    }
    let ways: [&dyn Fn(&str) -> bool; 4] =
        [&|id| name(id) == query, &|id| id.starts_with(query), &|id| id.ends_with(query), &|id| id.contains(query)];
    for way in ways {
        let mut matches: Vec<String> = ids.iter().rev().filter(|id| way(id)).cloned().collect();
        match matches.len() {
            0 => {}
            1 => return Ok(matches.remove(0)),
            _ => return Err(SessionError::Ambiguous { query: query.to_owned(), matches }),
        }
    }
    Err(unknown(near(ids, query)))
}

/// The name in an id: what follows `YYMMDD-HHMMSS-`.
fn name(id: &str) -> &str {
    id.splitn(3, '-').nth(2).unwrap_or(id)
}

fn near(ids: &[String], query: &str) -> Vec<String> {
    const ALIKE: f64 = 0.7;
    let alike = |id: &String| strsim::jaro_winkler(name(id), query).max(strsim::jaro_winkler(id, query));
    let mut scored: Vec<(f64, &String)> =
        ids.iter().map(|id| (alike(id), id)).filter(|(score, _)| *score > ALIKE).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(a.1)));
    scored.into_iter().take(NEAR).map(|(_, id)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        ["260101-100000-hayao", "260101-100000-hayao-2", "260102-090000-hayao-512", "260103-080000-tiny"]
            .map(str::to_owned)
            .to_vec()
    }

    fn look(query: &str) -> Result<String, SessionError> {
        find_in(Path::new("sessions"), &ids(), query)
    }

    #[test]
    fn ids_names_parts_and_last_are_understood() {
        assert_eq!(look("260101-100000-hayao").unwrap(), "260101-100000-hayao");
        assert_eq!(look("last").unwrap(), "260103-080000-tiny");
        assert_eq!(look("tiny").unwrap(), "260103-080000-tiny");
        assert_eq!(look("hayao").unwrap(), "260101-100000-hayao", "a whole name before a part of one");
        assert_eq!(look("260102").unwrap(), "260102-090000-hayao-512");
        assert_eq!(look("512").unwrap(), "260102-090000-hayao-512");
        assert_eq!(look("080000").unwrap(), "260103-080000-tiny");
    }

    #[test]
    fn what_fits_several_lists_them_newest_first() {
        let error = look("260101").unwrap_err();
        assert!(error.is_usage());
        let text = error.to_string();
        let (second, first) = (text.find("hayao-2").unwrap(), text.rfind("260101-100000-hayao\n").unwrap());
        assert!(second < first, "{text}");
    }

    #[test]
    fn what_fits_none_lists_the_nearest() {
        let text = look("tniy").unwrap_err().to_string();
        assert!(text.contains("260103-080000-tiny"), "{text}");
        assert!(look("").unwrap_err().is_usage());
        assert!(find_in(Path::new("sessions"), &[], "last").unwrap_err().is_usage());
    }

    #[test]
    fn runs_of_one_second_sort_as_they_were_made() {
        let root = tempfile::tempdir().unwrap();
        for id in ["a-10", "a-2", "a", ".hidden"] {
            fs::create_dir(root.path().join(id)).unwrap();
        }
        fs::write(root.path().join("README.md"), "").unwrap();
        assert_eq!(super::ids(root.path()).unwrap(), ["a", "a-2", "a-10"]);
    }

    #[test]
    fn a_path_to_a_folder_is_a_session_too() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("260101-100000-x");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("session.toml"), "").unwrap();
        let query = format!("{}/", path.display());
        assert_eq!(find(Path::new("elsewhere"), &query).unwrap().id(), "260101-100000-x");
    }
}
