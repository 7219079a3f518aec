//! The layout that is remembered from one time to the next. A file that is damaged or cannot be written costs nothing
//! but the memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::app::theme::ThemeName;

/// What is remembered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Colours.
    pub theme: Option<ThemeName>,
    /// Each screen's own settings, by its name.
    pub screens: BTreeMap<String, serde_json::Value>,
}

impl Memory {
    /// A screen's settings, or its defaults where there are none that can be understood.
    pub fn of<T: Default + for<'de> Deserialize<'de>>(&self, screen: &str) -> T {
        let value = self.screens.get(screen).cloned();
        value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
    }

    /// Keep a screen's settings.
    pub fn keep(&mut self, screen: &str, settings: &impl Serialize) {
        if let Ok(value) = serde_json::to_value(settings) {
            self.screens.insert(screen.to_owned(), value);
        }
    }
}

/// Where the system wants such things kept.
pub fn path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("atelier/layout.json"))
}

/// What was remembered, if anything was.
pub fn load(path: Option<&Path>) -> Memory {
    let text = path.and_then(|path| std::fs::read(path).ok());
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Remember. Written beside and renamed, so that two dashboards never leave half a file.
pub fn save(path: Option<&Path>, memory: &Memory) {
    let Some(path) = path else { return };
    let Some(folder) = path.parent() else { return };
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let beside = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&beside, memory)?;
        beside.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    // Nobody waits for it: the next time begins with the defaults.
    written().ok();
}

impl App {
    /// What is worth remembering now.
    pub(super) fn remembered(&self) -> Memory {
        let mut memory = Memory { theme: Some(self.shared.theme.name), ..Memory::default() };
        self.screens.remember(&mut memory);
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_and_damage_gives_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/layout.json");
        let mut memory = Memory { theme: Some(ThemeName::Light), ..Memory::default() };
        memory.keep("run", &vec![1, 2]);
        save(Some(&path), &memory);
        let again = load(Some(&path));
        assert_eq!(again.theme, Some(ThemeName::Light));
        assert_eq!(again.of::<Vec<i32>>("run"), [1, 2]);
        assert_eq!(again.of::<String>("run"), "", "of another shape");
        std::fs::write(&path, "{").unwrap();
        assert_eq!(load(Some(&path)).theme, None);
    }
}
