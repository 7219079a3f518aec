//! Parity of the image metrics with scikit-image (tests/golden/README.md).

use std::collections::HashMap;
use std::path::Path;

use atelier::metrics;
use atelier::models::weights;
use tch::{Kind, Tensor};

type Metric = fn(&Tensor, &Tensor) -> Result<Tensor, tch::TchError>;

#[test]
fn ssim_and_psnr_are_scikit_images() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.safetensors");
    let golden: HashMap<_, _> = weights::load_file(&path).unwrap().into_iter().collect();
    let images = |name: &str| golden[name].permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0;
    let (a, b) = (images("in.a"), images("in.b"));
    for (name, metric) in [("out.ssim", metrics::ssim as Metric), ("out.psnr", metrics::psnr)] {
        let have = Vec::<f64>::try_from(metric(&a, &b).unwrap()).unwrap();
        let want = Vec::<f64>::try_from(&golden[name]).unwrap();
        assert_eq!(have.len(), 4);
        for (have, want) in have.iter().zip(&want) {
            assert!((have - want).abs() <= 1e-6 * want.abs().max(1.0), "{name}: {have} is not {want}");
        }
    }
}
