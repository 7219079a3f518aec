//! What needs libtorch, in a program that has none: it turns into the one beside it that has, `atelier-train`.
//!
//! Loading libtorch takes a fifth of a second and a hundred megabytes. The dashboard and the commands that only read are
//! therefore installed as a program without it (`just install`), and nobody notices the other but by its file.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

/// Whatever the other program understands, its help included.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _passed: Vec<OsString>,
}

/// Whether there is such a program.
pub fn is_there() -> bool {
    program().is_ok_and(|path| path.is_file())
}

fn program() -> anyhow::Result<PathBuf> {
    // The file itself, not a link to it: the other one lies beside the file.
    let own = std::env::current_exe().and_then(|path| path.canonicalize()).context("find this program's own file")?;
    Ok(own.with_file_name("atelier-train"))
}

/// Become that program: the same process, the same arguments, the same name. Comes back only if that fails.
pub fn run() -> anyhow::Result<()> {
    let program = program()?;
    let failed = Command::new(&program).arg0("atelier").args(std::env::args_os().skip(1)).exec();
    Err(failed).with_context(|| {
        let place = program.display();
        format!("this program shows and steers sessions; {place}, which trains, cannot be started (`just install` makes both)")
    })
}
