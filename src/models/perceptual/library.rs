//! Where the weights of judging networks lie, and how they get there.
//!
//! A network is looked for among the files that a config or a command names, told apart by content, then in the cache
//! (`~/.cache/atelier/weights`). There it is kept as safetensors, cut to the layers in use: [`pull`] fetches the
//! published file, checks it, converts it once and throws it away. A published file that a person put into the cache is
//! converted likewise when it is first needed. Nothing here downloads without being asked to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tch::{Device, TchError, Tensor};

use super::backbone::{Architecture, Backbone};
use super::fetch::{self, FetchError, Pinned};
use super::inception::{self, Inception};
use super::lpips::Lpips;
use crate::models::params::{Layout, Params, ParamsError, drop_baggage};
use crate::models::weights::{self, WeightsError};

/// A network that metrics look through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// AlexNet, of `lpips-alex`.
    AlexNet,
    /// VGG16, of `lpips-vgg`.
    Vgg16,
    /// SqueezeNet 1.1, of `lpips-squeeze`.
    SqueezeNet,
    /// FID's Inception v3, of `fid`, `fid-clean` and `kid`.
    Inception,
}

/// Why a network cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Nowhere.
    #[error("the weights of {} are not in {}: `atelier metrics pull {}` gets them ({} MB)", .network.title(),
        .folder.display(), .network.name(), .network.megabytes())]
    Missing {
        /// Which.
        network: Network,
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// A file that holds none of the networks.
    #[error("{}: neither AlexNet, VGG16, SqueezeNet 1.1 nor FID's Inception, by the names of its tensors; nearest is {}: \
        {cause}", .path.display(), .nearest.title())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it resembles most.
        nearest: Network,
        /// What does not fit.
        cause: ParamsError,
    },
    /// A file that was read, but does not fit.
    #[error("{}: {cause}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: ParamsError,
    },
    /// Two files of one network.
    #[error("{} and {} both hold {}: give one of them", .first.display(), .second.display(), .network.title())]
    Twice {
        /// Which.
        network: Network,
        /// The one.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No file, and none could be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file could not be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

impl Network {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AlexNet, Self::Vgg16, Self::SqueezeNet, Self::Inception];

    /// The word for it on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlexNet => "alexnet",
            Self::Vgg16 => "vgg16",
            Self::SqueezeNet => "squeezenet",
            Self::Inception => "inception",
        }
    }

    /// How people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::AlexNet => "AlexNet",
            Self::Vgg16 => "VGG16",
            Self::SqueezeNet => "SqueezeNet 1.1",
            Self::Inception => "FID's Inception",
        }
    }

    /// Size of the published file.
    pub fn megabytes(self) -> u32 {
        match self {
            Self::AlexNet => 244,
            Self::Vgg16 => 553,
            Self::SqueezeNet => 5,
            Self::Inception => 96,
        }
    }

    /// The published file; its name carries the beginning of its checksum.
    pub fn published(self) -> Pinned {
        match self {
            Self::AlexNet => Pinned {
                name: "alexnet-owt-7be5be79.pth",
                url: "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
                sha256: "7be5be79",
            },
            Self::Vgg16 => Pinned {
                name: "vgg16-397923af.pth",
                url: "https://download.pytorch.org/models/vgg16-397923af.pth",
                sha256: "397923af",
            },
            Self::SqueezeNet => Pinned {
                name: "squeezenet1_1-b8a52dc0.pth",
                url: "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
                sha256: "b8a52dc0",
            },
            Self::Inception => Pinned {
                name: "pt_inception-2015-12-05-6726825d.pth",
                url: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/\
                      pt_inception-2015-12-05-6726825d.pth",
                sha256: "6726825d",
            },
        }
    }

    /// What it is called in the cache once it is converted.
    pub fn kept(self) -> &'static str {
        match self {
            Self::AlexNet => "alexnet-7be5be79.safetensors",
            Self::Vgg16 => "vgg16-397923af.safetensors",
            Self::SqueezeNet => "squeezenet1_1-b8a52dc0.safetensors",
            Self::Inception => "inception-fid-6726825d.safetensors",
        }
    }

    fn architecture(self) -> Option<Architecture> {
        match self {
            Self::AlexNet => Some(Architecture::Alex),
            Self::Vgg16 => Some(Architecture::Vgg),
            Self::SqueezeNet => Some(Architecture::Squeeze),
            Self::Inception => None,
        }
    }

    fn layout(self) -> Layout {
        self.architecture().map_or_else(inception::layout, Architecture::layout)
    }

    /// The tensors in use, by the layout's names: without classifiers and counters, and from the `lpips` package's names
    /// too (`net.slice2.3.weight` is torchvision's `features.3.weight`).
    fn in_use(self, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
        let unused = |name: &str| match self {
            Self::Inception => name.starts_with("fc.") || name.starts_with("AuxLogits."),
            _ => ["classifier.", "lin", "scaling_layer."].iter().any(|part| name.starts_with(part)),
        };
        let plain = |name: String| {
            let inside = name.strip_prefix("net.slice").and_then(|rest| rest.split_once('.')).map(|(_, rest)| rest);
            inside.map_or_else(|| name.clone(), |rest| format!("features.{rest}"))
        };
        let kept = tensors.into_iter().filter(|(name, _)| !unused(name)).map(|(name, tensor)| (plain(name), tensor));
        drop_baggage(kept.collect()).0
    }
}

/// Where networks are looked for.
#[derive(Debug)]
pub struct Library {
    given: Vec<(Network, PathBuf)>,
    folder: PathBuf,
}

impl Library {
    /// The files named, then the cache. Every file must hold one of the networks.
    pub fn open(files: &[PathBuf]) -> Result<Self, LibraryError> {
        Self::with_cache(files, fetch::cache()?)
    }

    /// With another cache.
    pub fn with_cache(files: &[PathBuf], folder: PathBuf) -> Result<Self, LibraryError> {
        let mut given: Vec<(Network, PathBuf)> = Vec::new();
        for path in files {
            let network = recognise(path)?;
            if let Some((_, first)) = given.iter().find(|(other, _)| *other == network) {
                return Err(LibraryError::Twice { network, first: first.clone(), second: path.clone() });
            }
            given.push((network, path.clone()));
        }
        Ok(Self { given, folder })
    }

    /// The folder of the cache.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that would be used, if there is one: a given one, the kept one, a published one not yet converted.
    pub fn find(&self, network: Network) -> Option<PathBuf> {
        let given = self.given.iter().find(|(other, _)| *other == network).map(|(_, path)| path.clone());
        let cached = || {
            let candidates = [network.kept(), network.published().name].map(|name| self.folder.join(name));
            candidates.into_iter().find(|path| path.is_file())
        };
        given.or_else(cached)
    }

    /// LPIPS through a backbone; none for a network that is no backbone of it.
    pub fn lpips(&self, network: Network, device: Device) -> Result<Option<Lpips>, LibraryError> {
        let Some(architecture) = network.architecture() else { return Ok(None) };
        let backbone = Backbone::new(architecture, &self.params(network, device)?)?;
        Ok(Some(Lpips::new(backbone, device)?))
    }

    /// FID's Inception.
    pub fn inception(&self, device: Device) -> Result<Inception, LibraryError> {
        Ok(Inception::new(&self.params(Network::Inception, device)?)?)
    }

    fn params(&self, network: Network, device: Device) -> Result<Params, LibraryError> {
        let missing = || LibraryError::Missing { network, folder: self.folder.clone() };
        let mut path = self.find(network).ok_or_else(missing)?;
        if path == self.folder.join(network.published().name) {
            path = convert(network, &path, &self.folder)?;
        }
        load(network, &path, device)
    }
}

/// Fetch a network into `folder`, unless it is there: gives the file that is kept. `progress` hears (bytes so far, bytes
/// in all when known).
pub fn pull(network: Network, folder: &Path, progress: impl FnMut(u64, Option<u64>)) -> Result<PathBuf, LibraryError> {
    let kept = folder.join(network.kept());
    if kept.is_file() {
        return Ok(kept);
    }
    let published = fetch::fetch(&network.published(), folder, progress)?;
    convert(network, &published, folder)
}

fn load(network: Network, path: &Path, device: Device) -> Result<Params, LibraryError> {
    let tensors = network.in_use(weights::load_file(path)?);
    Params::from_tensors(&network.layout(), &tensors, device)
        .map_err(|cause| LibraryError::Unfit { path: path.to_owned(), cause })
}

/// The published file `path`, checked against its checksum, as the kept one, and removed.
fn convert(network: Network, path: &Path, folder: &Path) -> Result<PathBuf, LibraryError> {
    let io = |cause| FetchError::Io { path: path.to_owned(), cause };
    let pinned = network.published();
    let have = File::open(path).and_then(|mut file| fetch::sha256(&mut file)).map_err(io)?;
    if !have.starts_with(pinned.sha256) {
        let url = path.display().to_string();
        return Err(FetchError::NotPinned { path: url, have, want: pinned.sha256 }.into());
    }
    let params = load(network, path, Device::Cpu)?;
    let kept = folder.join(network.kept());
    weights::save_safetensors(&kept, &params.snapshot()?, &[("source", pinned.url), ("sha256", &have)])?;
    // It takes up to twenty times the room of what is in use. Whoever cannot remove it keeps it.
    fs::remove_file(path).ok();
    Ok(kept)
}

/// Which network a file holds.
fn recognise(path: &Path) -> Result<Network, LibraryError> {
    let tensors = weights::load_file(path)?;
    let copies = || tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    let mut nearest = None::<(usize, Network, ParamsError)>;
    for network in Network::ALL {
        let (layout, tensors) = (network.layout(), network.in_use(copies()));
        match Params::from_tensors(&layout, &tensors, Device::Cpu) {
            Ok(_) => return Ok(network),
            Err(cause) => {
                let shared = layout.iter().filter(|(name, shape)| {
                    tensors.iter().any(|(other, tensor)| other == name && tensor.size() == *shape)
                });
                let shared = shared.count();
                if nearest.as_ref().is_none_or(|(most, ..)| shared > *most) {
                    nearest = Some((shared, network, cause.brief()));
                }
            }
        }
    }
    match nearest {
        Some((_, nearest, cause)) => Err(LibraryError::Unknown { path: path.to_owned(), nearest, cause }),
        None => Err(LibraryError::Torch(TchError::FileFormat("no networks".to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::init;

    fn tensors(network: Network) -> Vec<(String, Tensor)> {
        let make = |(name, shape): (String, Vec<i64>)| {
            let tensor = init::normal(1, &name, &shape, 0.05).unwrap();
            (name, tensor)
        };
        network.layout().into_iter().map(make).collect()
    }

    fn named(folder: &Path, name: &str, tensors: &[(String, Tensor)]) -> PathBuf {
        let path = folder.join(name);
        weights::save_safetensors(&path, tensors, &[]).unwrap();
        path
    }

    #[test]
    fn files_are_told_apart_by_their_tensors_with_classifiers_and_under_lpips_names() {
        let folder = tempfile::tempdir().unwrap();
        let mut alex = tensors(Network::AlexNet);
        alex.push(("classifier.1.weight".to_owned(), Tensor::zeros([2, 2], (tch::Kind::Float, Device::Cpu))));
        let squeeze: Vec<_> = tensors(Network::SqueezeNet)
            .into_iter()
            .map(|(name, tensor)| (name.replace("features.", "net.slice1."), tensor))
            .chain([("lin0.model.1.weight".to_owned(), Tensor::zeros([1], (tch::Kind::Float, Device::Cpu)))])
            .collect();
        let files = [named(folder.path(), "a", &alex), named(folder.path(), "b", &squeeze)];
        let library = Library::with_cache(&files, folder.path().join("none")).unwrap();
        assert_eq!(library.find(Network::AlexNet).as_ref(), Some(&files[0]));
        assert_eq!(library.find(Network::SqueezeNet).as_ref(), Some(&files[1]));
        assert!(library.lpips(Network::SqueezeNet, Device::Cpu).unwrap().is_some());
        let twice = Library::with_cache(&[files[0].clone(), files[0].clone()], folder.path().to_owned());
        assert!(matches!(twice, Err(LibraryError::Twice { network: Network::AlexNet, .. })));
    }

    #[test]
    fn a_network_that_is_nowhere_is_named_with_the_command_that_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::with_cache(&[], folder.path().to_owned()).unwrap();
        let error = library.lpips(Network::AlexNet, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("`atelier metrics pull alexnet`"), "{error}");
    }

    #[test]
    fn anything_else_is_refused_with_what_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let mut cut = tensors(Network::AlexNet);
        drop(cut.remove(0));
        let path = named(folder.path(), "cut", &cut);
        let error = Library::with_cache(&[path], folder.path().to_owned()).unwrap_err().to_string();
        assert!(error.contains("AlexNet") && error.contains("`features.0.weight`"), "{error}");
    }

    #[test]
    fn a_published_file_in_the_cache_must_be_the_published_one() {
        let folder = tempfile::tempdir().unwrap();
        let name = Network::SqueezeNet.published().name;
        let path = named(folder.path(), name, &tensors(Network::SqueezeNet));
        let library = Library::with_cache(&[], folder.path().to_owned()).unwrap();
        let error = library.lpips(Network::SqueezeNet, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("b8a52dc0") && path.is_file(), "{error}");
    }
}
