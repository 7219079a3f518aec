//! What the pictures are said to show: prompts by pair, and their embeddings.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use tch::{Device, Kind, TchError, Tensor};

use crate::config::Text;
use crate::data::Dataset;
use crate::models::stable_diffusion::clip::TextEncoder;
use crate::models::stable_diffusion::tokenizer::{Encoded, Tokenizer};
use crate::tracks::sd_lora::store::Store;

/// The file beside a pair's pictures that holds its own prompt.
pub const CAPTION: &str = "caption.txt";

/// The prompt of every pair that has none of its own; what follows are the others.
const COMMON: usize = 0;
/// No prompt.
const EMPTY: usize = 1;
/// What is guided away from.
const NEGATIVE: usize = 2;

/// Prompts, and once they are encoded their embeddings.
#[derive(Debug)]
pub struct Prompts {
    tokens: Vec<Encoded>,
    /// Which prompt a pair has, by its id, where it is not the common one.
    of_pair: HashMap<String, usize>,
    /// `[P, 77, D]` float32; none while the text encoder is trained, or asked in each step.
    embedded: Option<Tensor>,
    pad: bool,
}

impl Prompts {
    /// The prompts of a dataset's pairs. A caption that cannot be read is an error with its path.
    pub fn new(text: &Text, dataset: &Dataset, tokenizer: &Tokenizer) -> Result<Self, (PathBuf, io::Error)> {
        let mut tokens: Vec<Encoded> =
            [&text.prompt, "", &text.negative].into_iter().map(|prompt| tokenizer.encode(prompt)).collect();
        let mut of_pair = HashMap::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for pair in dataset.pairs.iter().filter(|_| text.captions) {
            let path = pair.photo.with_file_name(CAPTION);
            let caption = match fs::read_to_string(&path) {
                Ok(caption) => caption.trim().to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err((path, error)),
            };
            let index = *known.entry(caption).or_insert_with_key(|caption| {
                tokens.push(tokenizer.encode(caption));
                tokens.len() - 1
            });
            of_pair.insert(pair.id.clone(), index);
        }
        Ok(Self { tokens, of_pair, embedded: None, pad: text.pad })
    }

    /// What a person should know: prompts that are cut, captions that are not there.
    pub fn remarks(&self, text: &Text, pairs: usize) -> Vec<String> {
        let mut remarks: Vec<String> = self.tokens.iter().filter_map(Encoded::warning).take(3).collect();
        let cut = self.tokens.iter().filter(|tokens| tokens.cut.is_some()).count();
        if cut > remarks.len() {
            remarks.push(format!("{cut} prompts in all are longer than the text encoder takes"));
        }
        if text.captions && self.of_pair.len() < pairs {
            remarks.push(format!(
                "{} of {pairs} pairs have no {CAPTION}: their prompt is sd_lora.text.prompt",
                pairs - self.of_pair.len()
            ));
        }
        remarks
    }

    /// Encode every prompt now, or take it from the store; `identity` tells this text encoder's results from any other's.
    pub fn embed(&mut self, encoder: &TextEncoder, identity: &str, store: &mut Store) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        let mut all = Vec::with_capacity(self.tokens.len());
        for tokens in &self.tokens {
            let bytes: Vec<u8> = tokens.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            let key = Store::key(&[b"text", identity.as_bytes(), &bytes]);
            if let Some(kept) = store.get(&key) {
                all.push(kept);
                continue;
            }
            let made = encoder.forward(&ids(&[tokens], encoder.device())?)?.f_squeeze_dim(0)?;
            let made = made.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?;
            store.put(&key, &made);
            all.push(made);
        }
        self.embedded = Some(Tensor::f_stack(&all, 0)?.f_to_device(encoder.device())?);
        Ok(())
    }

    /// Context of a training batch `[B, N, D]`, without a prompt where `dropped` says so. N is 77, or as long as the
    /// longest prompt where they are not filled up.
    pub fn context(&self, encoder: &TextEncoder, pairs: &[String], dropped: &[bool]) -> Result<Tensor, TchError> {
        let of = |pair: &String| self.of_pair.get(pair).copied().unwrap_or(COMMON);
        let longest = pairs.iter().map(|pair| self.length(of(pair))).max().unwrap_or_default();
        let chosen: Vec<usize> =
            pairs.iter().zip(dropped).map(|(pair, dropped)| if *dropped { EMPTY } else { of(pair) }).collect();
        self.of(encoder, &chosen, longest, true)
    }

    /// Contexts of the common prompt and of what is guided away from, `[1, N, D]` each, for stylising.
    pub fn guidance(&self, encoder: &TextEncoder) -> Result<[Tensor; 2], TchError> {
        let longest = self.length(COMMON).max(self.length(NEGATIVE));
        let one = |prompt: usize| self.of(encoder, &[prompt], longest, false);
        Ok([one(COMMON)?, one(NEGATIVE)?])
    }

    /// Encode the common prompt, whether or not its embedding is kept.
    pub fn encode_common(&self, encoder: &TextEncoder) -> Result<Tensor, TchError> {
        encoder.forward(&ids(&[&self.tokens[COMMON]], encoder.device())?.f_narrow(1, 0, self.length(COMMON))?)
    }

    fn of(&self, encoder: &TextEncoder, chosen: &[usize], length: i64, training: bool) -> Result<Tensor, TchError> {
        if let Some(embedded) = &self.embedded {
            let which: Vec<i64> = chosen.iter().map(|&index| index as i64).collect();
            let which = Tensor::f_from_slice(&which)?.f_to_device(embedded.device())?;
            // Causal attention: what follows a prompt's end does not reach back into it.
            return embedded.f_index_select(0, &which)?.f_narrow(1, 0, length);
        }
        let tokens: Vec<&Encoded> = chosen.iter().map(|&index| &self.tokens[index]).collect();
        let ids = ids(&tokens, encoder.device())?.f_narrow(1, 0, length)?;
        if training { encoder.forward_training(&ids) } else { encoder.forward(&ids) }
    }

    /// Positions of a prompt: all of them, or those up to its end.
    fn length(&self, prompt: usize) -> i64 {
        let Encoded { ids, tokens, .. } = &self.tokens[prompt];
        if self.pad { ids.len() as i64 } else { (tokens + 2).min(ids.len()) as i64 }
    }
}

/// Ids of prompts, int64 `[B, 77]`.
fn ids(prompts: &[&Encoded], device: Device) -> Result<Tensor, TchError> {
    let rows: Vec<Tensor> = prompts.iter().map(|tokens| Tensor::f_from_slice(&tokens.ids)).collect::<Result<_, _>>()?;
    Tensor::f_stack(&rows, 0)?.f_to_device(device)
}
