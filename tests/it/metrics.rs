//! Parity of the image metrics with scikit-image, torchmetrics, lpips, pytorch-fid and clean-fid
//! (tests/golden/README.md).

use std::collections::HashMap;
use std::path::Path;

use atelier::metrics;
use atelier::models::params::{Layout, Params};
use atelier::models::perceptual::backbone::{Architecture, Backbone};
use atelier::models::perceptual::inception::{self, Inception, Resize};
use atelier::models::perceptual::lpips::Lpips;
use atelier::models::weights;
use tch::{Device, Kind, Tensor};

type Metric = fn(&Tensor, &Tensor) -> Result<Tensor, tch::TchError>;
type Golden = HashMap<String, Tensor>;

fn golden(name: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    weights::load_file(&path).unwrap().into_iter().collect()
}

/// Bytes `[B, H, W, 3]` as images in [0, 1].
fn images(golden: &Golden, name: &str) -> Tensor {
    golden[name].permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// All within `tolerance`, relative where they are larger than 1.
fn assert_near(name: &str, have: &Tensor, want: &Tensor, tolerance: f64) {
    let (have, want) = (values(have), values(want));
    assert_eq!(have.len(), want.len(), "{name}");
    for (have, want) in have.iter().zip(&want) {
        assert!((have - want).abs() <= tolerance * want.abs().max(1.0), "{name}: {have} is not {want}");
    }
}

/// The pseudo-random weights that the golden numbers were made with: `SplitMix64` of the name's CRC-32 and the element's
/// number, uniform, scaled by the number of inputs.
fn formula(layout: &Layout) -> Params {
    Params::build(layout, Device::Cpu, |name, shape| {
        let norm = |part: &str| name.ends_with(&format!(".bn.{part}"));
        if norm("weight") || norm("running_var") {
            return Tensor::f_ones(shape, (Kind::Float, Device::Cpu));
        }
        if norm("bias") || norm("running_mean") {
            return Tensor::f_zeros(shape, (Kind::Float, Device::Cpu));
        }
        let fan_in: i64 = shape.iter().skip(1).product();
        let scale = if shape.len() >= 2 { (6.0 / fan_in as f64).sqrt() } else { 0.01 };
        let seed = u64::from(crc32(name.as_bytes())) << 32;
        let value = |at: u64| {
            let mut z = seed.wrapping_add(at).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            ((2.0 * ((z >> 11) as f64 * 2.0_f64.powi(-53)) - 1.0) * scale) as f32
        };
        let all: Vec<f32> = (0..shape.iter().product::<i64>() as u64).map(value).collect();
        Tensor::f_from_slice(&all)?.f_reshape(shape)
    })
    .unwrap()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn ssim_and_psnr_are_scikit_images() {
    let golden = golden("metrics.safetensors");
    let (a, b) = (images(&golden, "in.a"), images(&golden, "in.b"));
    for (name, metric) in [("out.ssim", metrics::ssim as Metric), ("out.psnr", metrics::psnr)] {
        assert_near(name, &metric(&a, &b).unwrap(), &golden[name], 1e-6);
    }
}

#[test]
fn ms_ssim_is_torchmetrics() {
    let (golden, more) = (golden("metrics.safetensors"), golden("metrics_more.safetensors"));
    let have = metrics::ms_ssim(&images(&golden, "in.a"), &images(&golden, "in.b")).unwrap();
    assert_near("out.ms_ssim", &have, &more["out.ms_ssim"], 1e-6);
    assert_near("out.ms_ssim in float32", &have, &golden["out.ms_ssim"], 5e-6);
}

#[test]
fn lpips_is_the_authors() {
    let golden = golden("metrics.safetensors");
    let (a, b) = (images(&golden, "in.a"), images(&golden, "in.b"));
    for (name, architecture) in
        [("alex", Architecture::Alex), ("vgg", Architecture::Vgg), ("squeeze", Architecture::Squeeze)]
    {
        let backbone = Backbone::new(architecture, &formula(&architecture.layout())).unwrap();
        let lpips = Lpips::new(backbone, Device::Cpu).unwrap();
        let have = lpips.lpips(&a, &b).unwrap();
        let want = values(&golden[&format!("out.lpips_{name}")]);
        for (have, want) in values(&have).iter().zip(&want) {
            assert!((have - want).abs() <= 1e-4 * want, "{name}: {have} is not {want}");
        }
        assert_eq!(values(&lpips.lpips(&a, &a).unwrap()), [0.0; 4], "{name} of equal images");
    }
}

#[test]
fn inceptions_features_are_pytorch_fids_and_clean_fids() {
    let (golden, clean) = (golden("metrics.safetensors"), golden("metrics_more.safetensors"));
    let inception = Inception::new(&formula(&inception::layout())).unwrap();
    let b = images(&golden, "in.b");
    for (resize, want) in [(Resize::Bilinear, &golden["out.fid_features"]), (Resize::Clean, &clean["out.features"])] {
        let have = inception.features(&b, resize).unwrap();
        let relative = f64::try_from((&have - want).norm() / want.norm()).unwrap();
        assert!(relative <= 1e-4, "{resize:?}: {relative}");
        // The two ways to resize are told apart by far more than that.
        let other = inception.features(&b, if resize == Resize::Clean { Resize::Bilinear } else { Resize::Clean });
        assert!(f64::try_from((&have - other.unwrap()).norm() / want.norm()).unwrap() > 1e-3);
    }
}

#[test]
fn distances_of_sets_are_pytorch_fids_and_the_kernels() {
    let golden = golden("metrics.safetensors");
    let (a, b) = (&golden["in.fa"], &golden["in.fb"]);
    let near = |name: &str, have: &Tensor| {
        let (have, want) = (values(have)[0], values(&golden[name])[0]);
        assert!((have - want).abs() <= 1e-4 * want.abs(), "{name}: {have} is not {want}");
    };
    near("out.frechet", &metrics::frechet_distance(a, b).unwrap());
    near("out.kid", &metrics::kernel_distance(a, b).unwrap());
    let kid = metrics::kid(a, b, 1).unwrap();
    assert_eq!((kid.subset, kid), (None, metrics::kid(a, b, 1).unwrap()));
    assert!(kid.interval.low < kid.value && kid.value < kid.interval.high, "{kid:?}");
}

/// Fewer images than features, where the textbook formula needs a root of a singular matrix.
#[test]
fn a_frechet_distance_holds_for_fewer_images_than_features() {
    let clean = golden("metrics_more.safetensors");
    for (a, b, want) in [("in.few_a", "in.few_b", "out.few"), ("in.few_a", "in.many_b", "out.few_many")] {
        let have = values(&metrics::frechet_distance(&clean[a], &clean[b]).unwrap())[0];
        let want = values(&clean[want])[0];
        assert!((have - want).abs() <= 1e-6 * want, "{want}: {have}");
    }
    let same = &clean["in.few_a"];
    assert!(values(&metrics::frechet_distance(same, same).unwrap())[0].abs() < 1e-9);
    let one = same.narrow(0, 0, 1);
    let error = metrics::frechet_distance(&one, same).unwrap_err().to_string();
    assert!(error.contains("at least 2 images"), "{error}");
}

/// Sets of one kind: KID is about zero, and its interval holds zero; FID is far from it.
#[test]
fn kid_is_unbiased_where_fid_is_not() {
    tch::manual_seed(1);
    let draw = |count: i64| Tensor::randn([count, 256], (Kind::Double, Device::Cpu));
    let (a, b) = (draw(60), draw(60));
    let kid = metrics::kid(&a, &b, 3).unwrap();
    assert!(kid.interval.low < 0.0 && 0.0 < kid.interval.high, "{kid:?}");
    let fid = |count| f64::try_from(metrics::frechet_distance(&draw(count), &draw(count)).unwrap()).unwrap();
    assert!(fid(60) > 4.0 * fid(2000), "the bias falls with the number");
}

#[test]
fn kid_of_many_images_is_the_mean_of_subsets() {
    tch::manual_seed(2);
    let draw = |shift: f64| Tensor::randn([1500, 8], (Kind::Double, Device::Cpu)) + shift;
    let (a, b) = (draw(0.0), draw(0.3));
    let kid = metrics::kid(&a, &b, 3).unwrap();
    let whole = f64::try_from(metrics::kernel_distance(&a, &b).unwrap()).unwrap();
    assert_eq!(kid.subset, Some(1000));
    assert!((kid.value - whole).abs() < 0.02 * whole, "{kid:?} against {whole}");
    assert!(kid.interval.low < kid.value && kid.value < kid.interval.high);
}
