//! Texts and cells are each other's image, whatever they hold.

use super::*;

/// A small generator: the same stream for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Pieces of which texts are made that are hard to divide.
const PIECES: [&str; 20] = [
    "// %%",
    "// %%\n",
    "// %% title\n",
    "//%%\n",
    "// %%%\n",
    " // %%\n",
    "\n",
    "\n\n",
    "\r\n",
    "// %%\r\n",
    "let x = 1;\n",
    "fn f() {\n    1\n}\n",
    "?select 1\n",
    "写真 😀 e\u{301}\n",
    "\t\n",
    "x",
    "\r",
    "// %% [markdown]\n",
    "\u{feff}",
    " ",
];

#[test]
fn any_text_is_written_as_it_was_read() {
    let mut random = Random(0x5eed);
    for _ in 0..20_000 {
        let text: String = (0..random.next(12)).map(|_| PIECES[random.next(PIECES.len())]).collect();
        let notebook = Notebook::parse(&text);
        assert_eq!(notebook.text(), text, "{notebook:?}");
        assert!(notebook.cells.iter().all(|cell| !cell.source.contains('\r') || text.contains('\r')));
    }
}

#[test]
fn edited_cells_come_back_and_the_others_stay_as_they_were() {
    let mut random = Random(0xabcd);
    for _ in 0..5_000 {
        let text: String = (0..random.next(12)).map(|_| PIECES[random.next(PIECES.len())]).collect();
        let mut notebook = Notebook::parse(&text);
        let mut sources: Vec<String> = notebook.cells.iter().map(|cell| cell.source.clone()).collect();
        for (cell, source) in notebook.cells.iter_mut().zip(&mut sources) {
            if random.next(2) == 0 {
                *source = format!("let a{} = 1;\n\n    写", random.next(9));
                cell.set_source(source.clone());
            }
        }
        if random.next(2) == 0 {
            let at = random.next(sources.len() + 1);
            notebook.cells.insert(at, Cell::new("new()"));
            sources.insert(at, "new()".to_owned());
        }
        let again = Notebook::parse(&notebook.text());
        let read: Vec<&str> = again.cells.iter().map(Cell::source).collect();
        assert_eq!(read, sources, "{text:?} became {:?}", notebook.text());
        assert_eq!(again.text(), notebook.text());
    }
}

#[test]
fn what_stands_before_the_first_mark_and_the_ends_of_lines_are_kept() {
    let text = "#!/usr/bin/env atelier\r\n// licence\r\n// %% one\r\nlet x = 1;\r\n\r\n// %%\r\n";
    let mut notebook = Notebook::parse(text);
    assert_eq!(notebook.before, "#!/usr/bin/env atelier\r\n// licence\r\n");
    assert_eq!(notebook.cells.iter().map(Cell::source).collect::<Vec<_>>(), ["let x = 1;", ""]);
    assert_eq!(notebook.cells[0].title(), "one");
    notebook.cells[1].set_source("x\ny".to_owned());
    assert_eq!(notebook.text(), format!("{text}x\r\ny\r\n"));
}

#[test]
fn plain_rust_is_one_cell_and_gets_marks_with_the_second() {
    let mut notebook = Notebook::parse("let x = 1;\nx\n");
    assert_eq!((notebook.cells.len(), notebook.cells[0].source()), (1, "let x = 1;\nx"));
    notebook.cells.push(Cell::new("x + 1"));
    assert_eq!(notebook.text(), "// %%\nlet x = 1;\nx\n// %%\nx + 1\n");
}

#[test]
fn words_are_told_from_code() {
    let notebook = Notebook::parse("// %% [markdown]\n// # Title\n//\n// text\n// %%\n1\n");
    assert!(notebook.cells[0].is_text() && !notebook.cells[1].is_text());
    assert_eq!(notebook.cells[0].words(), "# Title\n\ntext");
}

#[test]
fn files_that_are_no_notebooks_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notebook.rs");
    assert_eq!(Notebook::load(&path).unwrap(), Notebook::default(), "none yet is an empty one");
    for bytes in [&b"let x\0 = 1;"[..], b"// %%\n\xff\xfe"] {
        fs::write(&path, bytes).unwrap();
        let error = Notebook::load(&path).unwrap_err().to_string();
        assert!(error.contains("notebook.rs") && error.contains("move the file away"), "{error}");
    }
    fs::File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
    let error = Notebook::load(&path).unwrap_err().to_string();
    assert!(error.contains("at most 8 MiB") && error.contains("file of its own"), "{error}");
    fs::write(&path, "// %%\n".repeat(MOST_CELLS + 1)).unwrap();
    assert!(Notebook::load(&path).unwrap_err().to_string().contains("divide it"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(Notebook::load(&path).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn a_file_is_written_whole_for_its_owner_alone_and_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notebook.rs");
    let notebook = Notebook { cells: vec![Cell::new("1")], ..Notebook::default() };
    notebook.save(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "// %%\n1\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let link = folder.path().join("link.rs");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    Notebook { cells: vec![Cell::new("2")], ..Notebook::default() }.save(&link).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "// %%\n2\n");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside");
    let error = notebook.save(&folder.path().join("none/notebook.rs")).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("none/notebook.rs"), "{error}");
}
