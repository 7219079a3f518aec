//! Published models that are fetched by name: pinned files, checked by checksum, kept in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};

use crate::models::perceptual::fetch::{self, FetchError, Pinned};

/// A published model.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// What it is called here.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Under which terms it is published.
    pub licence: &'static str,
    /// Where its files are; a file's path follows.
    pub url: &'static str,
    /// Its files.
    pub files: &'static [File],
}

/// A file of a model.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its folder inside the model's, or nothing.
    pub folder: &'static str,
    /// Its name.
    pub name: &'static str,
    /// SHA-256, hexadecimal.
    pub sha256: &'static str,
    /// Its length.
    pub bytes: u64,
}

/// What can be fetched.
pub const MODELS: [Model; 2] = [
    Model {
        name: "sd15",
        about: "Stable Diffusion 1.5, float32",
        licence: "CreativeML Open RAIL-M",
        url: SD15,
        files: &[
            MODEL_INDEX,
            SCHEDULER,
            TEXT_CONFIG,
            File {
                folder: "text_encoder",
                name: "model.safetensors",
                sha256: "d008943c017f0092921106440254dbbe00b6a285f7883ec8ba160c3faad88334",
                bytes: 492_265_874,
            },
            VOCAB,
            MERGES,
            SPECIAL_TOKENS,
            TOKENIZER_CONFIG,
            UNET_CONFIG,
            File {
                folder: "unet",
                name: "diffusion_pytorch_model.safetensors",
                sha256: "19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1",
                bytes: 3_438_167_540,
            },
            VAE_CONFIG,
            File {
                folder: "vae",
                name: "diffusion_pytorch_model.safetensors",
                sha256: "a2b5134f4dbc140d9c11f11cba3233099e00af40f262f136c691fb7d38d2194c",
                bytes: 334_643_276,
            },
        ],
    },
    Model {
        name: "sd15-fp16",
        about: "Stable Diffusion 1.5, float16: half the download, enough for training in bf16",
        licence: "CreativeML Open RAIL-M",
        url: SD15,
        files: &[
            MODEL_INDEX,
            SCHEDULER,
            TEXT_CONFIG,
            File {
                folder: "text_encoder",
                name: "model.fp16.safetensors",
                sha256: "77795e2023adcf39bc29a884661950380bd093cf0750a966d473d1718dc9ef4e",
                bytes: 246_144_864,
            },
            VOCAB,
            MERGES,
            SPECIAL_TOKENS,
            TOKENIZER_CONFIG,
            UNET_CONFIG,
            File {
                folder: "unet",
                name: "diffusion_pytorch_model.fp16.safetensors",
                sha256: "c83908253f9a64d08c25fc90874c9c8aef9a329ce1ca5fb909d73b0c83d1ea21",
                bytes: 1_719_125_304,
            },
            VAE_CONFIG,
            File {
                folder: "vae",
                name: "diffusion_pytorch_model.fp16.safetensors",
                sha256: "4fbcf0ebe55a0984f5a5e00d8c4521d52359af7229bb4d81890039d2aa16dd7c",
                bytes: 167_335_342,
            },
        ],
    },
];

/// One revision of the repository: files there never change.
const SD15: &str = "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/\
                    451f4fe16113bff5a5d2269ed5ad43b0592e9a14";

const MODEL_INDEX: File = File {
    folder: "",
    name: "model_index.json",
    sha256: "e2f6f22e274374010aec30c79eb2d6e53fff4a36ac0225523a92cb2d41a83347",
    bytes: 541,
};
const SCHEDULER: File = File {
    folder: "scheduler",
    name: "scheduler_config.json",
    sha256: "699cce92eb7c122e2eb7dfdea78e6187fda76a5ed4a8e42319b85610e620e091",
    bytes: 308,
};
const TEXT_CONFIG: File = File {
    folder: "text_encoder",
    name: "config.json",
    sha256: "845df614cb9327ae7bbea027316246fae917827407da6df13572e41b5f93b4cc",
    bytes: 617,
};
const VOCAB: File = File {
    folder: "tokenizer",
    name: "vocab.json",
    sha256: "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349",
    bytes: 1_059_962,
};
const MERGES: File = File {
    folder: "tokenizer",
    name: "merges.txt",
    sha256: "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
    bytes: 524_619,
};
const SPECIAL_TOKENS: File = File {
    folder: "tokenizer",
    name: "special_tokens_map.json",
    sha256: "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac",
    bytes: 472,
};
const TOKENIZER_CONFIG: File = File {
    folder: "tokenizer",
    name: "tokenizer_config.json",
    sha256: "00439066fcba73de57644cf41e4e3b9f2dbb09d7f3fc2005898ba52399045882",
    bytes: 806,
};
const UNET_CONFIG: File = File {
    folder: "unet",
    name: "config.json",
    sha256: "78f474de6bab3d893868f37be97b636ae65c0df3073ed3256ca458ff599b5f96",
    bytes: 743,
};
const VAE_CONFIG: File = File {
    folder: "vae",
    name: "config.json",
    sha256: "786a7d21647ddea6a04b9675c03d3cb45e90a2f3c6da5fbda2c54ade040036de",
    bytes: 547,
};

impl File {
    /// Its path inside the model's folder.
    pub fn path(&self) -> PathBuf {
        Path::new(self.folder).join(self.name)
    }

    /// Whether it is in `folder`, the model's, in full length.
    pub fn is_in(&self, folder: &Path) -> bool {
        fs::metadata(folder.join(self.path())).is_ok_and(|meta| meta.is_file() && meta.len() == self.bytes)
    }

    /// Whether what is there is the pinned file, to the last bit.
    pub fn verify(&self, folder: &Path) -> Result<bool, FetchError> {
        let path = folder.join(self.path());
        let io = |cause| FetchError::Io { path: path.clone(), cause };
        let mut file = fs::File::open(&path).map_err(io)?;
        Ok(fetch::sha256(&mut file).map_err(io)? == self.sha256)
    }
}

impl Model {
    /// The model of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.name == name)
    }

    /// Where it is kept: `~/.cache/atelier/models/<name>`, or under `XDG_CACHE_HOME`.
    pub fn folder(&self) -> Result<PathBuf, FetchError> {
        Ok(fetch::cache_root()?.join("models").join(self.name))
    }

    /// Where a file of it is on the network.
    pub fn url(&self, file: &File) -> String {
        let between = if file.folder.is_empty() { "" } else { "/" };
        format!("{}/{}{between}{}", self.url, file.folder, file.name)
    }

    /// Its files that are not in `folder` yet.
    pub fn missing(&self, folder: &Path) -> impl Iterator<Item = &'static File> {
        self.files.iter().filter(move |file| !file.is_in(folder))
    }

    /// How long it is in all.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Fetch one of its files into `folder`, going on where an earlier try broke off. `progress` hears how much of it is
    /// there.
    pub fn fetch(&self, file: &File, folder: &Path, mut progress: impl FnMut(u64)) -> Result<PathBuf, FetchError> {
        let path = folder.join(file.path());
        if path.is_file() && !file.is_in(folder) {
            // Not what was fetched: a copy that was cut short.
            fs::remove_file(&path).map_err(|cause| FetchError::Io { path: path.clone(), cause })?;
        }
        let pinned = Pinned { name: file.name, url: &self.url(file), sha256: file.sha256 };
        fetch::fetch(&pinned, &folder.join(file.folder), |have, _| progress(have))
    }
}

/// The folder or file that `base` means: a path, or the name of a model that was fetched.
pub fn base(base: &Path) -> Result<PathBuf, String> {
    let model = base.to_str().filter(|_| !base.exists()).and_then(Model::named);
    let Some(model) = model else { return Ok(base.to_owned()) };
    let folder = model.folder().map_err(|error| error.to_string())?;
    match model.missing(&folder).count() {
        0 => Ok(folder),
        missing => Err(format!(
            "{missing} of {} files of {} are not in {}; `atelier models pull {}` fetches them",
            model.files.len(),
            model.name,
            folder.display(),
            model.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_pinned_and_has_an_address() {
        for model in MODELS {
            assert!(Model::named(model.name).is_some_and(|found| found.files.len() == 12));
            for file in model.files {
                assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{}", file.name);
                let url = model.url(file);
                assert!(url.starts_with("https://") && url.ends_with(&*file.path().to_string_lossy()), "{url}");
            }
        }
        let [whole, half] = MODELS.map(|model| model.bytes());
        assert_eq!((whole / 1_000_000, half / 1_000_000), (4266, 2134));
    }

    #[test]
    fn a_path_is_taken_as_it_is_and_a_name_must_be_there() {
        assert_eq!(base(Path::new("some/where")).unwrap(), Path::new("some/where"));
        let folder = tempfile::tempdir().unwrap();
        let model = Model::named("sd15").unwrap();
        assert_eq!(model.missing(folder.path()).count(), 12);
        fs::write(folder.path().join("model_index.json"), vec![b' '; 541]).unwrap();
        assert_eq!(model.missing(folder.path()).count(), 11);
        assert!(!MODEL_INDEX.verify(folder.path()).unwrap());
        assert!(SCHEDULER.verify(folder.path()).is_err());
    }
}
