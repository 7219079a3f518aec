//! `atelier models ls`.

use serde_json::json;

use crate::cli::lora::megabytes;
use crate::cli::print;
use crate::models::catalog::{File, MODELS};

/// List the models that `atelier models pull` fetches, and which of them are here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// List.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (mut listed, mut text) = (Vec::new(), String::new());
    for model in MODELS {
        let folder = model.folder()?;
        let missing = model.missing(&folder).count();
        let state = match missing {
            0 => "here".to_owned(),
            all if all == model.files.len() => "not fetched".to_owned(),
            some => format!("{some} of {} files missing", model.files.len()),
        };
        text.push_str(&format!("{:<10} {:>8}  {state}\n", model.name, megabytes(model.bytes())));
        text.push_str(&format!("           {} ({})\n           {}\n", model.about, model.licence, folder.display()));
        listed.push(json!({
            "name": model.name,
            "about": model.about,
            "licence": model.licence,
            "bytes": model.bytes(),
            "folder": folder,
            "files": model.files.len(),
            "missing": model.missing(&folder).map(File::path).collect::<Vec<_>>(),
        }));
    }
    if args.json { Ok(print(&format!("{}\n", serde_json::to_string_pretty(&listed)?))?) } else { Ok(print(&text)?) }
}
