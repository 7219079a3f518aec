//! `atelier stylize`, the real binary on real files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use atelier::config::{self, Generator, GeneratorKind};
use atelier::models::init;
use atelier::models::pix2pixhd::stylist::Stylist;
use atelier::models::pix2pixhd::{Network, generator_layout};
use atelier::models::weights;
use atelier::session::{Folder, Manifest};
use atelier::train::checkpoint::{self, Snapshot, State};
use image::{Rgb, RgbImage};
use tch::{Device, Kind, Tensor};

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn photo(&self, name: &str, width: u32, height: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x: u32, y: u32| Rgb([(3 * x) as u8, (5 * y) as u8, (x * y) as u8]);
        RgbImage::from_fn(width, height, pixel).save(&path).unwrap();
        path
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
        command.arg("stylize").args(args).args(["--device", "cpu"]).current_dir(self.dir.path());
        command.output().unwrap()
    }
}

fn generator() -> Generator {
    Generator {
        kind: GeneratorKind::Local,
        ngf: 2,
        n_downsample_global: 1,
        n_blocks_global: 1,
        n_blocks_local: 1,
        ..Generator::default()
    }
}

fn tensors(config: &Generator, seed: u64) -> Vec<(String, Tensor)> {
    Network::new(&generator_layout(config), "generator", seed, Device::Cpu).unwrap().params.snapshot().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn pixels(path: &Path) -> Tensor {
    let image = image::open(path).unwrap().into_rgb8();
    let (w, h) = image.dimensions();
    Tensor::from_slice(image.as_raw())
        .reshape([1, i64::from(h), i64::from(w), 3])
        .permute([0, 3, 1, 2])
        .to_kind(Kind::Float)
}

/// What the library makes of a photo, in grey levels.
fn expected(stylist: &Stylist, photo: &Path) -> Tensor {
    ((stylist.stylise(&(pixels(photo) / 127.5 - 1.0)).unwrap() + 1.0) * 127.5).round().clamp(0.0, 255.0)
}

fn worst(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    f64::try_from((a - b).abs().max()).unwrap()
}

#[test]
fn every_photo_comes_back_at_its_own_size_whatever_else_fails() {
    let bench = Bench::new();
    weights::save_pth(&bench.path("net_G.pth"), &tensors(&generator(), 1)).unwrap();
    let photos =
        [("photos/a.png", 50, 31), ("photos/b.webp", 1, 1), ("photos/in/c.png", 64, 64), ("photos/d.jpg", 64, 64)];
    for (name, width, height) in photos {
        bench.photo(name, width, height);
    }
    fs::write(bench.path("photos/broken.png"), b"\x89PNG\r\n\x1a\nnot really").unwrap();
    let output = bench.run(&["--weights", "net_G.pth", "photos", "-o", "out", "--batch", "2"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("photos/broken.png"), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 of 5 photos could not be stylised"), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 4);
    let stylist = Stylist::new(tensors(&generator(), 1), None, false, Device::Cpu, Kind::Float).unwrap();
    for (name, _, _) in photos {
        let made = bench.path("out").join(Path::new(name).strip_prefix("photos").unwrap()).with_extension("png");
        assert!(worst(&pixels(&made), &expected(&stylist, &bench.path(name))) <= 1.0, "{name}");
    }

    // Again: nothing is overwritten unless asked, and then the photos still are not.
    let again = bench.run(&["--weights", "net_G.pth", "photos/a.png", "-o", "out"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("--force"), "{}", stderr(&again));
    let forced = bench.run(&["--weights", "net_G.pth", "photos/a.png", "-o", "out", "--force", "--format", "jpg"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert!(bench.path("out/a.jpg").exists());
    let before = fs::read(bench.path("photos/a.png")).unwrap();
    let over = bench.run(&["--weights", "net_G.pth", "photos/a.png", "-o", "photos", "--force"]);
    assert_eq!(over.status.code(), Some(2));
    assert!(stderr(&over).contains("would overwrite a photo"), "{}", stderr(&over));
    assert_eq!(fs::read(bench.path("photos/a.png")).unwrap(), before);
}

#[test]
fn large_photos_go_by_tiles() {
    let bench = Bench::new();
    weights::save_safetensors(&bench.path("w.safetensors"), &tensors(&generator(), 1), &[]).unwrap();
    bench.photo("large.png", 150, 70);
    let args = ["--weights", "w.safetensors", "large.png", "-o", "out", "--tile", "64", "--overlap", "16"];
    let output = bench.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(pixels(&bench.path("out/large.png")).size(), [1, 3, 70, 150]);
    // The first tile's corner is the first tile's own, for nothing overlaps it.
    let stylist = Stylist::new(tensors(&generator(), 1), None, false, Device::Cpu, Kind::Float).unwrap();
    let tile = (pixels(&bench.path("large.png")) / 127.5 - 1.0).narrow(2, 0, 64).narrow(3, 0, 64);
    let alone = ((stylist.stylise(&tile).unwrap() + 1.0) * 127.5).round();
    let corner = |x: &Tensor| x.narrow(2, 0, 6).narrow(3, 0, 40);
    assert!(worst(&corner(&pixels(&bench.path("out/large.png"))), &corner(&alone)) <= 1.0);

    for (tile, overlap, expected) in
        [("64", "64", "--overlap 64 must be smaller"), ("4", "1", "--tile"), ("0", "0", "--tile")]
    {
        let args = ["--weights", "w.safetensors", "large.png", "-o", "o2", "--tile", tile, "--overlap", overlap];
        let output = bench.run(&args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn weights_that_are_no_generator_are_refused_in_one_line() {
    let bench = Bench::new();
    bench.photo("a.png", 8, 8);
    let vgg = vec![("features.0.weight".to_owned(), Tensor::zeros([64, 3, 3, 3], (Kind::Float, Device::Cpu)))];
    weights::save_safetensors(&bench.path("vgg.safetensors"), &vgg, &[]).unwrap();
    fs::write(bench.path("text.pth"), "hello").unwrap();
    for (args, code, expected) in [
        (vec!["--weights", "vgg.safetensors"], 1, "vgg.safetensors: these are no Pix2PixHD generator's weights"),
        (vec!["--weights", "text.pth"], 1, "text.pth: neither safetensors nor .pth"),
        (vec!["--weights", "missing.pth"], 1, "missing.pth: No such file"),
        (vec!["--session", "nothing"], 1, "nothing"),
        (vec![], 2, "--session"),
        (vec!["--weights", "vgg.safetensors", "--session", "x"], 2, "cannot be used with"),
    ] {
        let output = bench.run(&[args.as_slice(), &["a.png", "-o", "out"]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"));
    }
    let nowhere = bench.run(&["--weights", "vgg.safetensors", "b.png", "-o", "out"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", stderr(&nowhere));
}

/// A session as training leaves it: two checkpoints, the newer of other weights, with moving average and, because its
/// convolutions are spectrally normalised, the vectors beside the optimizer's state.
#[test]
fn a_session_gives_its_newest_whole_checkpoint() {
    let bench = Bench::new();
    let photo = bench.photo("a.png", 40, 24);
    let text = "name = 'tiny'\ntrack = 'pix2pixhd'\n[data]\nroot = 'pairs'\n[train]\nema_decay = 0.9\n[pix2pixhd.generator]\n\
                kind = 'local'\nngf = 2\nn_downsample_global = 1\nn_blocks_global = 1\nn_blocks_local = 1\nspectral_norm = true\n";
    let loaded = config::parse(text, "test", &[]).unwrap();
    let generator = loaded.experiment.pix2pixhd.generator.clone();
    let folder = Folder::new(bench.path("sessions/261123-194130-tiny"));
    fs::create_dir_all(folder.path()).unwrap();
    Manifest::new("tiny", &loaded.text).unwrap().save(&folder).unwrap();
    let named = |prefix: &str, tensors: Vec<(String, Tensor)>| -> Vec<(String, Tensor)> {
        tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
    };
    // Vectors unlike the ones that loading alone would estimate.
    let vectors: Vec<(String, Tensor)> = Network::new(&generator_layout(&generator), "generator", 7, Device::Cpu)
        .unwrap()
        .spectral()
        .state()
        .into_iter()
        .map(|(name, vector)| (name.clone(), init::normal(9, &name, &vector.size(), 1.0).unwrap()))
        .collect();
    for (step, seed) in [(10, 1), (20, 2)] {
        let mut model = named("generator.", tensors(&generator, seed));
        model.extend(named("ema.generator.", tensors(&generator, 10 * seed)));
        model.push(("discriminator.x".to_owned(), Tensor::zeros([1], (Kind::Float, Device::Cpu))));
        let optimizer =
            named("track.generator.", vectors.iter().map(|(n, v)| (n.clone(), v.shallow_clone())).collect());
        checkpoint::write(&folder.checkpoints(), Snapshot { state: State::new(step, 1.0, 1, 1e-4), model, optimizer })
            .unwrap();
    }
    let with_vectors = |seed| {
        let mut all = tensors(&generator, seed);
        all.extend(vectors.iter().map(|(name, vector)| (name.clone(), vector.shallow_clone())));
        Stylist::new(all, Some(&generator), false, Device::Cpu, Kind::Float).unwrap()
    };
    let run = |out: &str, more: &[&str]| {
        let output = bench.run(&[&["--session", "tiny", "a.png", "-o", out], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (pixels(&bench.path(out).join("a.png")), stderr(&output))
    };
    assert!(worst(&run("newest", &[]).0, &expected(&with_vectors(2), &photo)) <= 1.0);
    let average = Stylist::new(tensors(&generator, 20), Some(&generator), false, Device::Cpu, Kind::Float).unwrap();
    assert!(worst(&run("ema", &["--ema"]).0, &expected(&average, &photo)) <= 1.0);

    // A damaged newest one is passed over, loudly.
    fs::write(folder.checkpoints().join("step-00000020/model.safetensors"), "torn").unwrap();
    let (image, warnings) = run("older", &[]);
    assert!(worst(&image, &expected(&with_vectors(1), &photo)) <= 1.0);
    assert!(warnings.contains("warning: passed over a damaged checkpoint"), "{warnings}");
}
