//! CLIP's tokenizer (Radford et al. 2021): lower-case text to byte pairs, always 77 of them.
//!
//! The ids are transformers' `CLIPTokenizer`'s. A base brings its vocabulary along (`tokenizer/`); OpenAI's, which every
//! Stable Diffusion 1 uses, is built in for the ones that do not (single-file checkpoints).

mod vocabulary;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization as _;

/// Tokens that a text encoder of Stable Diffusion takes at once, with the one that begins and the one that ends.
pub const LENGTH: usize = 77;

/// Text to token ids.
#[derive(Debug)]
pub struct Tokenizer {
    /// Every byte's token: inside a word, and as its last.
    bytes: [[u32; 256]; 2],
    /// Two neighbouring tokens: how early they are joined, and into which.
    merges: HashMap<(u32, u32), (u32, u32)>,
    start: u32,
    end: u32,
    pad: u32,
    length: usize,
}

/// A prompt as the text encoder takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Start, the prompt's tokens, end, padding: [`Tokenizer::length`] ids.
    pub ids: Vec<i64>,
    /// Tokens of the whole prompt, without start and end.
    pub tokens: usize,
    /// The end of the prompt that did not fit, in lower case; none when all of it did.
    pub cut: Option<String>,
}

impl Encoded {
    /// What to tell whoever wrote a prompt that was too long; none when it fits.
    pub fn warning(&self) -> Option<String> {
        let cut = self.cut.as_ref()?;
        let room = self.ids.len() - 2;
        let shown: String = cut.chars().take(60).collect();
        let dots = if shown.len() < cut.len() { "…" } else { "" };
        Some(format!(
            "the prompt has {} tokens and the text encoder takes {room}; left out: “{shown}{dots}”",
            self.tokens
        ))
    }
}

/// Why a vocabulary could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", .path.display())]
pub struct TokenizerError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Words: contractions, runs of letters, single digits, runs of anything else; the special tokens by their names.
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";
    #[expect(clippy::expect_used, reason = "a literal; the first test compiles it")]
    Regex::new(pattern).expect("a valid pattern")
});
const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

impl Tokenizer {
    /// OpenAI's vocabulary, padded with the end token as Stable Diffusion 1 does.
    pub fn clip() -> Result<Self, TokenizerError> {
        let built_in = include_bytes!("clip_merges.txt.gz");
        let failed = |what: String| TokenizerError { path: "built-in vocabulary".into(), what };
        let vocabulary = vocabulary::of_merges(&vocabulary::inflate(built_in).map_err(failed)?).map_err(failed)?;
        Self::build(&vocabulary).map_err(failed)
    }

    /// The vocabulary of a diffusers `tokenizer` folder (`vocab.json` with `merges.txt`, or `tokenizer.json`; padding and
    /// length from `tokenizer_config.json`), or in a file: a `tokenizer.json`, or OpenAI's `bpe_simple_vocab_16e6.txt.gz`.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        vocabulary::read(path).and_then(|vocabulary| {
            Self::build(&vocabulary).map_err(|what| TokenizerError { path: path.to_owned(), what })
        })
    }

    fn build(vocabulary: &vocabulary::Vocabulary) -> Result<Self, String> {
        let id = |token: &str| {
            vocabulary.ids.get(token).copied().ok_or_else(|| {
                format!("the vocabulary lacks the token {token:?}: not CLIP's, or incomplete; fetch the folder again")
            })
        };
        let mut bytes = [[0; 256]; 2];
        for (byte, symbol) in vocabulary::byte_symbols().into_iter().enumerate() {
            bytes[0][byte] = id(&symbol.to_string())?;
            bytes[1][byte] = id(&format!("{symbol}</w>"))?;
        }
        let mut merges = HashMap::with_capacity(vocabulary.merges.len());
        for (rank, (left, right)) in vocabulary.merges.iter().enumerate() {
            let whole = id(&format!("{left}{right}"))?;
            merges.entry((id(left)?, id(right)?)).or_insert((rank as u32, whole));
        }
        let (start, end) = (id(START)?, id(END)?);
        let pad = vocabulary.pad.as_deref().map_or(Ok(end), id)?;
        Ok(Self { bytes, merges, start, end, pad, length: vocabulary.length.unwrap_or(LENGTH) })
    }

    /// Ids that [`Self::encode`] gives.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The ids of a prompt; of one that is too long the beginning, as transformers truncates.
    pub fn encode(&self, prompt: &str) -> Encoded {
        let text = normalise(prompt);
        let room = self.length - 2;
        let mut tokens: Vec<u32> = Vec::new();
        let mut cut = None;
        for word in WORDS.find_iter(&text) {
            match word.as_str() {
                START => tokens.push(self.start),
                END => tokens.push(self.end),
                word => tokens.extend(self.pairs(word.as_bytes())),
            }
            if tokens.len() > room && cut.is_none() {
                cut = Some(text[word.start()..].to_owned());
            }
        }
        let mut ids = Vec::with_capacity(self.length);
        ids.push(i64::from(self.start));
        ids.extend(tokens.iter().take(room).map(|&id| i64::from(id)));
        ids.push(i64::from(self.end));
        ids.resize(self.length, i64::from(self.pad));
        Encoded { ids, tokens: tokens.len(), cut }
    }

    /// A word's bytes, joined pair by pair, the earliest rule first.
    fn pairs(&self, word: &[u8]) -> Vec<u32> {
        let mut tokens: Vec<u32> = word.iter().map(|&byte| self.bytes[0][usize::from(byte)]).collect();
        if let (Some(token), Some(&byte)) = (tokens.last_mut(), word.last()) {
            *token = self.bytes[1][usize::from(byte)];
        }
        loop {
            let rules = tokens.windows(2).filter_map(|pair| self.merges.get(&(pair[0], pair[1])));
            let Some(&(rank, whole)) = rules.min() else { return tokens };
            let (mut kept, mut at) = (0, 0);
            while at < tokens.len() {
                let joins = tokens
                    .get(at + 1)
                    .is_some_and(|&next| self.merges.get(&(tokens[at], next)).is_some_and(|&(other, _)| other == rank));
                tokens[kept] = if joins { whole } else { tokens[at] };
                at += if joins { 2 } else { 1 };
                kept += 1;
            }
            tokens.truncate(kept);
        }
    }
}

/// Composed characters, single spaces, lower case.
fn normalise(prompt: &str) -> String {
    let composed: String = prompt.nfc().collect();
    let words: Vec<&str> = composed.split_whitespace().collect();
    // Character by character, as tokenizers does: a sigma at a word's end stays the common one.
    words.join(" ").chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> Vec<(String, Vec<i64>)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let prompts: Vec<String> = serde_json::from_value(golden["prompts"].clone()).unwrap();
        prompts.into_iter().zip(serde_json::from_value::<Vec<Vec<i64>>>(golden["ids"].clone()).unwrap()).collect()
    }

    #[test]
    fn ids_are_openais_and_transformers() {
        let tokenizer = Tokenizer::clip().unwrap();
        for (prompt, ids) in [golden("sd_tokenizer.json"), golden("sd_tokenizer_transformers.json")].concat() {
            assert_eq!(tokenizer.encode(&prompt).ids, ids, "{prompt:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_said() {
        let tokenizer = Tokenizer::clip().unwrap();
        let fits = tokenizer.encode(&"cat ".repeat(75));
        assert_eq!((fits.tokens, fits.cut.as_deref(), fits.warning()), (75, None, None));
        let long = tokenizer.encode(&format!("{}Dog, tail", "cat ".repeat(75)));
        assert_eq!((long.tokens, long.cut.as_deref()), (78, Some("dog, tail")));
        assert_eq!(long.ids, fits.ids);
        let warning = long.warning().unwrap();
        assert!(warning.contains("78 tokens") && warning.contains("takes 75") && warning.contains("“dog, tail”"));
        // In the middle of a word: all of the word is named.
        let middle = tokenizer.encode(&format!("{}illustrationnes", "cat ".repeat(74)));
        assert_eq!(middle.cut.as_deref(), Some("illustrationnes"));
        assert_eq!(middle.ids.len(), LENGTH);
    }

    #[test]
    fn text_is_normalised_as_transformers_does() {
        let tokenizer = Tokenizer::clip().unwrap();
        let ids = |prompt| tokenizer.encode(prompt).ids;
        assert_eq!(ids("nai\u{308}ve"), ids("naïve"), "composed");
        assert_eq!(ids("\u{3000}ΣΟΦΟΣ\t"), ids("σοφοσ"));
        assert_eq!(ids("a <|endoftext|> b")[2], 49407);
        assert_eq!(ids("I'LL"), ids("i'll"));
        // A word as long as a book is no reason to wait.
        assert!(tokenizer.encode(&"ab".repeat(200_000)).tokens > 1000);
    }
}
