//! `atelier lora convert`.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;

use super::{Precision, load, megabytes, refuse_existing};
use crate::cli::trained::Trained;
use crate::cli::{Usage, print};
use crate::config::Track;
use crate::models::stable_diffusion::lora_file::{About, Alpha, FILE_NAME, LoraFile};
use crate::session;
use crate::tracks::sd_lora::adapter_file;

/// Write a LoRA in another form: diffusers' (pytorch_lora_weights.safetensors), or kohya's, which A1111 and ComfyUI read.
///
/// diffusers' files say their scale in the header alone, which many programs do not read. So it is multiplied into the
/// weights unless --keep-alpha is given; kohya's files carry it as it is.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(after_help = "Examples:
  atelier lora convert pytorch_lora_weights.safetensors --to kohya -o ghibli.safetensors
  atelier lora convert ghibli.safetensors --to diffusers -o ghibli-diffusers --precision f16
  atelier lora convert --session sd15-lora --to kohya -o ghibli.safetensors")]
pub struct Args {
    /// The file, or the folder that holds pytorch_lora_weights.safetensors
    #[arg(value_name = "FILE", required_unless_present = "session")]
    file: Option<PathBuf>,
    /// Take the adapters of this session's newest checkpoint instead: its id, or a part of it
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    session: Option<String>,
    /// Take the moving average of the session's adapters
    #[arg(long, requires = "session")]
    ema: bool,
    /// The form to write
    #[arg(long, value_enum)]
    to: To,
    /// Where to write it; what does not end in .safetensors is a folder for pytorch_lora_weights.safetensors
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// What to keep the numbers in
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Leave the weights as they were trained, and say the scale in the header (diffusers' form)
    #[arg(long)]
    keep_alpha: bool,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
    /// Say what was written as JSON
    #[arg(long)]
    json: bool,
    /// The folder that holds the sessions
    #[arg(long, default_value = session::DEFAULT_ROOT, value_name = "DIR")]
    root: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    Diffusers,
    Kohya,
}

/// Convert.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (file, about) = source(args)?;
    let is_file = args.output.extension().is_some_and(|end| end == "safetensors");
    let output = if is_file { args.output.clone() } else { args.output.join(FILE_NAME) };
    refuse_existing(&output, args.force)?;
    refuse_existing(&crate::models::stable_diffusion::lora_file::conv_in_of(&output), args.force)?;
    if let Some(parent) = output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    let kind = args.precision.kind();
    match args.to {
        To::Diffusers => {
            let alpha = if args.keep_alpha { Alpha::Header } else { Alpha::Folded };
            file.save_diffusers(&output, alpha, kind)?;
        }
        To::Kohya => file.save_kohya(&output, &about, kind)?,
    }
    let bytes = std::fs::metadata(&output).map(|meta| meta.len()).unwrap_or_default();
    if args.json {
        let layers = file.layers.len();
        print(&format!("{}\n", json!({ "file": output, "bytes": bytes, "layers": layers })))?;
    } else {
        print(&format!("{} layers written to {} ({})\n", file.layers.len(), output.display(), megabytes(bytes)))?;
    }
    Ok(())
}

/// The LoRA, and what a kohya file tells of it.
fn source(args: &Args) -> anyhow::Result<(LoraFile, About)> {
    if let Some(id) = &args.session {
        let trained = Trained::open(&args.root, id)?;
        let config = &trained.experiment.sd_lora;
        if trained.experiment.track != Track::SdLora {
            return Err(Usage(format!("session {} trained no adapters but a generator", trained.id)).into());
        }
        let file =
            adapter_file(config, &trained.model, args.ema).with_context(|| trained.path.display().to_string())?;
        let about = About {
            base: config.base.as_ref().map(|base| base.display().to_string()),
            resolution: Some(trained.experiment.data.size as i64),
            steps: u64::try_from(trained.state.step).ok(),
            epochs: Some(trained.state.epoch),
            comment: Some(format!("atelier session {}, prompt: {}", trained.id, config.text.prompt)),
        };
        return Ok((file, about));
    }
    let Some(path) = &args.file else { return Err(Usage("give a file, or a session".to_owned()).into()) };
    let file = load(path)?;
    let told = |key: &str| file.metadata.get(key).cloned();
    let about = About {
        base: told("ss_sd_model_name"),
        resolution: None,
        steps: told("ss_steps").and_then(|steps| steps.parse().ok()),
        epochs: told("ss_num_epochs").and_then(|epochs| epochs.parse().ok()),
        comment: told("ss_training_comment"),
    };
    Ok((file, about))
}
