//! Vocabulary files: transformers' two forms and OpenAI's own.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::{END, START, TokenizerError};

/// Tokens by name, in symbols: every byte is a printable character, and `</w>` ends a word.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    pub ids: HashMap<String, u32>,
    /// In order of rank.
    pub merges: Vec<(String, String)>,
    /// What fills up; the end token unless said.
    pub pad: Option<String>,
    pub length: Option<usize>,
}

/// No vocabulary is nearly as large; a wrong file is refused before it is read.
const LARGEST: u64 = 64 << 20;

/// The vocabulary in a folder or file, by name.
pub(super) fn read(path: &Path) -> Result<Vocabulary, TokenizerError> {
    let at = |path: &Path, what: String| TokenizerError { path: path.to_owned(), what };
    if !path.is_dir() {
        let bytes = read_file(path).map_err(|what| at(path, what))?;
        let vocabulary = if bytes.starts_with(&[0x1f, 0x8b]) {
            inflate(&bytes).and_then(|text| of_merges(&text))
        } else {
            of_tokenizer_json(&bytes)
        };
        return vocabulary.map_err(|what| at(path, what));
    }
    let (vocab, merges, whole) = (path.join("vocab.json"), path.join("merges.txt"), path.join("tokenizer.json"));
    let mut vocabulary = if vocab.is_file() && merges.is_file() {
        let ids = read_file(&vocab).and_then(|bytes| {
            serde_json::from_slice(&bytes).map_err(|error| format!("not a map from tokens to ids ({error})"))
        });
        let ids = ids.map_err(|what| at(&vocab, what))?;
        let text = read_file(&merges)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| format!("not text ({error}); fetch it again")));
        let pairs = text.and_then(|text| pairs(&text)).map_err(|what| at(&merges, what))?;
        Vocabulary { ids, merges: pairs, ..Vocabulary::default() }
    } else if whole.is_file() {
        read_file(&whole).and_then(|bytes| of_tokenizer_json(&bytes)).map_err(|what| at(&whole, what))?
    } else {
        return Err(at(path, "neither vocab.json with merges.txt nor tokenizer.json is there".to_owned()));
    };
    for name in ["special_tokens_map.json", "tokenizer_config.json"] {
        let file = path.join(name);
        if !file.is_file() {
            continue;
        }
        let settings: Value = read_file(&file)
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| format!("not JSON ({error})")))
            .map_err(|what| at(&file, what))?;
        let pad = settings.get("pad_token").and_then(|pad| pad.as_str().or_else(|| pad.get("content")?.as_str()));
        vocabulary.pad = pad.map(str::to_owned).or(vocabulary.pad);
        // Without a limit of its own a tokenizer says 1e30.
        let length = settings.get("model_max_length").and_then(Value::as_u64).filter(|n| (3..=4096).contains(n));
        vocabulary.length = length.map(|n| n as usize).or(vocabulary.length);
    }
    Ok(vocabulary)
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > LARGEST {
        return Err(format!("{} MB are too many for a vocabulary", length >> 20));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// The text in a gzip file.
pub(super) fn inflate(bytes: &[u8]) -> Result<String, String> {
    let mut text = String::new();
    let read = GzDecoder::new(bytes).take(LARGEST).read_to_string(&mut text);
    read.map_err(|error| format!("a damaged gzip file ({error}); fetch it again"))?;
    Ok(text)
}

/// Merges that OpenAI's file holds in use; beyond them it goes on.
const CLIP_MERGES: usize = 48_894;

/// OpenAI's form, merges alone: ids are bytes, bytes that end a word, merges, and the two special tokens.
pub(super) fn of_merges(text: &str) -> Result<Vocabulary, String> {
    let mut merges = pairs(text)?;
    merges.truncate(CLIP_MERGES);
    let symbols = in_order();
    let tokens = symbols.iter().map(char::to_string);
    let ends = symbols.iter().map(|symbol| format!("{symbol}</w>"));
    let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
    let special = [START, END].map(str::to_owned);
    let ids = tokens.chain(ends).chain(merged).chain(special).zip(0..).collect();
    Ok(Vocabulary { ids, merges, ..Vocabulary::default() })
}

/// Pairs a line, after a line that tells the version.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let header = |line: &str| line.contains("#version");
    let lines = text.lines().enumerate().filter(|(at, line)| !(line.is_empty() || *at == 0 && header(line)));
    lines
        .map(|(at, line)| {
            let pair = line.split_once(' ').filter(|(left, right)| !left.is_empty() && !right.is_empty());
            let (left, right) =
                pair.ok_or_else(|| format!("line {}: two tokens are expected, not {line:?}", at + 1))?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect()
}

/// The tokenizers library's form.
fn of_tokenizer_json(bytes: &[u8]) -> Result<Vocabulary, String> {
    let whole: Value = serde_json::from_slice(bytes).map_err(|error| format!("not a tokenizer.json ({error})"))?;
    let model = &whole["model"];
    let kind = model["type"].as_str().unwrap_or("BPE"); // older files do not say
    if kind != "BPE" || model["end_of_word_suffix"].as_str() != Some("</w>") {
        return Err(format!("a {kind} tokenizer that is not CLIP's (byte pairs, words ended by </w>)"));
    }
    let mut ids = HashMap::new();
    for (token, id) in model["vocab"].as_object().into_iter().flatten() {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| format!("{token:?} has no id"))?;
        ids.insert(token.clone(), id);
    }
    for added in whole["added_tokens"].as_array().into_iter().flatten() {
        let id = added["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        if let (Some(content), Some(id)) = (added["content"].as_str(), id) {
            ids.entry(content.to_owned()).or_insert(id);
        }
    }
    let merge = |merge: &Value| {
        let pair = match merge {
            Value::String(text) => text.split_once(' '),
            _ => merge.get(0).and_then(Value::as_str).zip(merge.get(1).and_then(Value::as_str)),
        };
        let (left, right) = pair.ok_or_else(|| format!("a merge is two tokens, not {merge}"))?;
        Ok((left.to_owned(), right.to_owned()))
    };
    let merges = model["merges"].as_array().into_iter().flatten().map(merge).collect::<Result<_, String>>()?;
    Ok(Vocabulary { ids, merges, ..Vocabulary::default() })
}

/// The character that stands for each byte: itself where it prints, else one from U+0100 on.
pub(super) fn byte_symbols() -> [char; 256] {
    let mut next = 0x100_u32;
    std::array::from_fn(|byte| {
        let code = if prints(byte) {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code).unwrap_or_default()
    })
}

/// The same in the order of ids: printing ones first.
fn in_order() -> Vec<char> {
    let symbols = byte_symbols();
    let (first, rest): (Vec<usize>, Vec<usize>) = (0..256).partition(|&byte| prints(byte));
    first.into_iter().chain(rest).map(|byte| symbols[byte]).collect()
}

fn prints(byte: usize) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::super::Tokenizer;
    use super::*;
    use serde_json::json;

    /// All bytes and what "ghibli style" takes, with ids of its own.
    fn small() -> (Value, String) {
        let merges = "#version: 0.2\ns t\nst y\nsty le</w>\nl e</w>\n";
        let mut tokens: Vec<String> = in_order().iter().map(char::to_string).collect();
        tokens.extend(in_order().iter().map(|symbol| format!("{symbol}</w>")));
        tokens.extend(["st", "sty", "style</w>", "le</w>", START, END].map(str::to_owned));
        let ids = tokens.into_iter().zip((0..).map(|id| json!(id * 2)));
        (Value::Object(ids.collect()), merges.to_owned())
    }

    #[test]
    fn every_form_gives_the_same_ids() {
        let folder = tempfile::tempdir().unwrap();
        let (vocab, merges) = small();
        fs::write(folder.path().join("vocab.json"), vocab.to_string()).unwrap();
        fs::write(folder.path().join("merges.txt"), &merges).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), r#"{"pad_token": "!", "model_max_length": 8}"#).unwrap();
        let two = Tokenizer::open(folder.path()).unwrap();
        let encoded = two.encode("style ss");
        let id = |token: &str| vocab[token].as_i64().unwrap();
        let [start, end, style] = [START, END, "style</w>"].map(id);
        assert_eq!(encoded.ids, [start, style, id("s"), id("s</w>"), end, id("!"), id("!"), id("!")]);

        let split: Vec<Value> = merges.lines().skip(1).map(|line| json!(line.split(' ').collect::<Vec<_>>())).collect();
        let lines: Vec<&str> = merges.lines().skip(1).collect();
        for merges in [json!(split), json!(lines)] {
            let other = tempfile::tempdir().unwrap();
            let model = json!({ "type": "BPE", "end_of_word_suffix": "</w>", "vocab": vocab, "merges": merges });
            fs::write(other.path().join("tokenizer.json"), json!({ "model": model }).to_string()).unwrap();
            let one = Tokenizer::open(other.path()).unwrap();
            assert_eq!(one.encode("style ss").ids[..5], encoded.ids[..5]);
            assert_eq!(one.encode("style ss").ids[76], end, "padded with the end token");
        }
    }

    #[test]
    fn openais_file_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bpe_simple_vocab_16e6.txt.gz");
        fs::write(&path, include_bytes!("../clip_merges.txt.gz")).unwrap();
        let (file, built_in) = (Tokenizer::open(&path).unwrap(), Tokenizer::clip().unwrap());
        assert_eq!(file.encode("a ghibli style"), built_in.encode("a ghibli style"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = |what: &str| {
            let error = Tokenizer::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(&folder.path().display().to_string()), "{what}: {error}");
        };
        error("neither vocab.json");
        fs::write(folder.path().join("tokenizer.json"), r#"{"model": {"type": "Unigram"}}"#).unwrap();
        error("a Unigram tokenizer");
        let (vocab, merges) = small();
        fs::write(folder.path().join("vocab.json"), "{").unwrap();
        fs::write(folder.path().join("merges.txt"), "a b c d\nx\n").unwrap();
        error("vocab.json: not a map");
        fs::write(folder.path().join("vocab.json"), vocab.to_string()).unwrap();
        error("line 2: two tokens");
        fs::write(folder.path().join("merges.txt"), "q z\n").unwrap();
        error("lacks the token \"qz\"");
        fs::write(folder.path().join("vocab.json"), "{}").unwrap();
        fs::write(folder.path().join("merges.txt"), &merges).unwrap();
        error("lacks the token");
        fs::write(folder.path().join("tokenizer_config.json"), "[").unwrap();
        error("tokenizer_config.json: not JSON");
        fs::write(folder.path().join("big.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
        let torn = Tokenizer::open(&folder.path().join("big.gz")).unwrap_err().to_string();
        assert!(torn.contains("damaged gzip"), "{torn}");
        assert!(Tokenizer::open(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere"));
    }
}
