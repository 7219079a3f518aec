//! Forward passes and layouts.

use atelier::models::params::{Layout, count};
use atelier::models::stable_diffusion::config::{TextConfig, UNetConfig, VaeConfig};
use atelier::models::stable_diffusion::unet::UNet;
use atelier::models::stable_diffusion::{clip, unet, vae};
use tch::{Device, Kind, Tensor};

use super::{difference, goldens, own};

#[test]
fn the_unet_predicts_what_diffusers_does() {
    for golden in goldens("sd_unet") {
        let unet = golden.unet(Kind::Float);
        let (x, t, context) = (golden.get("in.x"), golden.get("in.t"), golden.get("in.ctx"));
        let y = unet.forward(x, t, context).unwrap();
        assert_eq!((y.kind(), y.requires_grad()), (Kind::Float, false));
        let worst = difference(&y, golden.get("out.eps"));
        assert!(worst <= 1e-5, "{}: {worst}", golden.path.display());
        // Sides that do not halve evenly; one time for all.
        if let Some(odd) = golden.tensors.get("in.odd") {
            let y = unet.forward(odd, &t.narrow(0, 1, 1), &context.narrow(0, 1, 1)).unwrap();
            let worst = difference(&y, golden.get("out.odd"));
            assert!(worst <= 1e-5, "{}: {worst}", golden.path.display());
        }
        let same = unet.forward(x, &t.narrow(0, 0, 1), context).unwrap();
        assert!(difference(&same.get(0), &golden.get("out.eps").get(0)) <= 1e-5);
    }
}

#[test]
fn the_autoencoder_encodes_and_decodes_as_diffusers_does() {
    for golden in goldens("sd_vae") {
        let vae = golden.vae(Kind::Float);
        let moments = vae.encode(golden.get("in.image")).unwrap();
        let decoded = vae.decode(golden.get("in.z")).unwrap();
        for (have, want) in [(&moments.mean, "out.mean"), (&moments.logvar, "out.logvar"), (&decoded, "out.decoded")] {
            let worst = difference(have, golden.get(want));
            assert!(worst <= 1e-5, "{} {want}: {worst}", golden.path.display());
        }
        let noise = Tensor::ones_like(&moments.mean);
        let sample = moments.sample(&noise).unwrap();
        assert!(difference(&(sample - &moments.mean), &(&moments.logvar / 2).exp()) <= 1e-5);
    }
}

#[test]
fn the_text_encoder_gives_transformers_last_hidden_state() {
    for golden in goldens("sd_clip") {
        let text = golden.text(Kind::Float);
        let ids = golden.get("in.ids");
        let hidden = text.forward(ids).unwrap();
        let worst = difference(&hidden, golden.get("out.hidden"));
        assert!(worst <= 1e-5, "{}: {worst}", golden.path.display());
        // No token sees a later one, so a shorter prompt gives the same beginning.
        let short = text.forward(&ids.narrow(1, 0, 20)).unwrap();
        assert!(difference(&short, &golden.get("out.hidden").narrow(1, 0, 20)) <= 1e-5);
    }
}

/// Root of the mean squared difference, relative to that of the reference.
fn deviation(have: &Tensor, want: &Tensor) -> f64 {
    let (have, want) = (have.to_kind(Kind::Double), want.to_kind(Kind::Double));
    f64::try_from((have - &want).norm() / want.norm()).unwrap()
}

#[test]
fn bfloat16_stays_within_two_hundredths_of_float32() {
    let within = |limit: f64, what: &str, half: &Tensor, want: &Tensor| {
        assert_eq!(half.kind(), Kind::Float, "what leaves a network is float32");
        let (mean, most) = (deviation(half, want), difference(half, want));
        assert!(mean > 0.0 && mean <= limit && most <= 2.0 * limit, "{what}: {mean} in the mean, {most} at most");
    };
    let near = |what: &str, half: &Tensor, want: &Tensor| within(2e-2, what, half, want);
    let golden = &goldens("sd_unet")[0];
    let unet = golden.unet(Kind::BFloat16);
    let y = unet.forward(golden.get("in.x"), golden.get("in.t"), golden.get("in.ctx")).unwrap();
    near("UNet", &y, golden.get("out.eps"));
    let golden = &goldens("sd_vae")[0];
    let vae = golden.vae(Kind::BFloat16);
    // This random decoder magnifies what is rounded: diffusers' own bfloat16 is 3.3e-2 from its float32.
    within(3e-2, "decoder", &vae.decode(golden.get("in.z")).unwrap(), golden.get("out.decoded"));
    near("encoder", &vae.encode(golden.get("in.image")).unwrap().mean, golden.get("out.mean"));
    let golden = &goldens("sd_clip")[0];
    let text = golden.text(Kind::BFloat16);
    near("text encoder", &text.forward(golden.get("in.ids")).unwrap(), golden.get("out.hidden"));
}

/// A published list of keys and shapes: `name<tab>(1, 2)`.
fn keys(name: &str) -> Layout {
    let text = std::fs::read_to_string(own().join(format!("sd15_{name}_keys.txt"))).unwrap();
    let parse = |line: &str| {
        let (key, shape) = line.split_once('\t').unwrap();
        let numbers = shape.trim_matches(['(', ')']).split(',').map(str::trim).filter(|number| !number.is_empty());
        (key.to_owned(), numbers.map(|number| number.parse().unwrap()).collect())
    };
    text.lines().map(parse).collect()
}

#[test]
fn layouts_are_the_real_networks_key_by_key_in_order() {
    for (name, layout, tensors, parameters) in [
        ("unet", unet::layout(&UNetConfig::sd15()), 686, 859_520_964),
        ("vae", vae::layout(&VaeConfig::sd15()), 248, 83_653_863),
        ("clip", clip::layout(&TextConfig::sd15()), 196, 123_060_480),
    ] {
        let want = keys(name);
        for (have, want) in layout.iter().zip(&want) {
            assert_eq!(have, want);
        }
        assert_eq!((layout.len(), want.len(), count(&layout)), (tensors, tensors, parameters), "{name}");
    }
}

#[test]
fn decoding_by_images_is_the_same_and_by_tiles_nearly() {
    let golden = &goldens("sd_vae")[0];
    let vae = golden.vae(Kind::Float);
    tch::manual_seed(5);
    let latents = Tensor::randn([2, 4, 24, 20], (Kind::Float, Device::Cpu));
    let whole = vae.decode(&latents).unwrap();
    assert_eq!(whole.size(), [2, 3, 192, 160]);
    assert!(difference(&vae.decode_sliced(&latents).unwrap(), &whole) <= 1e-5);
    let mut heard = Vec::new();
    let tiled = vae.decode_tiled(&latents, 16, 8, |done, all| heard.push((done, all))).unwrap();
    assert_eq!((tiled.size(), heard), (whole.size(), vec![(1, 4), (2, 4), (3, 4), (4, 4)]));
    // A seam would be a step between neighbours that the whole image does not have.
    let steps = |image: &Tensor, dim: i64| {
        let length = image.size()[dim as usize];
        (image.narrow(dim, 1, length - 1) - image.narrow(dim, 0, length - 1)).abs()
    };
    for dim in [2, 3] {
        let (mean, most) = (
            f64::try_from((&tiled - &whole).abs().mean(Kind::Double)).unwrap(),
            f64::try_from((steps(&tiled, dim).max() / steps(&whole, dim).max()).to_kind(Kind::Double)).unwrap(),
        );
        assert!(mean < 0.1 && most < 1.2, "{mean} {most}");
    }
    assert!(difference(&vae.decode_tiled(&latents, 64, 8, |_, _| ()).unwrap(), &whole) <= 1e-5);
}

#[test]
fn wrong_shapes_are_errors_that_say_what_is_needed() {
    let golden = &goldens("sd_unet")[0];
    let unet: UNet = golden.unet(Kind::Float);
    let options = (Kind::Float, Device::Cpu);
    let error = unet.forward(&Tensor::zeros([1, 8, 8, 8], options), golden.get("in.t"), golden.get("in.ctx"));
    assert!(error.unwrap_err().to_string().contains("[B, 4, h, w], not [1, 8, 8, 8]"));
    let narrow = Tensor::zeros([2, 77, 7], options);
    assert!(unet.forward(golden.get("in.x"), golden.get("in.t"), &narrow).is_err());
    let vae = goldens("sd_vae")[0].vae(Kind::Float);
    let error = vae.encode(&Tensor::zeros([1, 3, 63, 64], options)).unwrap_err().to_string();
    assert!(error.contains("multiples of 8, not [1, 3, 63, 64]"), "{error}");
    assert!(vae.decode(&Tensor::zeros([1, 3, 8, 8], options)).is_err());
    let text = goldens("sd_clip")[0].text(Kind::Float);
    let error = text.forward(&Tensor::zeros([1, 78], (Kind::Int64, Device::Cpu))).unwrap_err().to_string();
    assert!(error.contains("78 tokens") && error.contains("77"), "{error}");
    assert!(text.forward(&Tensor::full([1, 77], 10_000_000, (Kind::Int64, Device::Cpu))).is_err());
}
