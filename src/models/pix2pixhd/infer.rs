//! A generator's architecture from the names and shapes of its weights.

use std::collections::HashMap;

use super::generator_layout;
use crate::config::{Generator, GeneratorKind, Norm, Upsample};
use crate::models::params::Layout;

/// More strided layers or enhancers than this are no generator: its image would have millions of pixels a side.
const DEEPEST: usize = 24;

/// The generator whose parameters these are; training-only settings stay at their defaults. The error says what does
/// not look like one.
pub fn generator(tensors: &Layout) -> Result<Generator, String> {
    let shapes: HashMap<&str, &[i64]> = tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let weight = |key: &str| -> Option<&[i64]> {
        let shape = |end| shapes.get(format!("{key}.{end}").as_str()).copied();
        shape("weight").or_else(|| shape("weight_orig"))
    };
    let blocks = |prefix: &str, first: usize| {
        (0..tensors.len())
            .take_while(|block| weight(&format!("{prefix}.{}.conv_block.1", first + block)).is_some())
            .count()
    };
    let stem = weight("model.1").filter(|shape| matches!(shape, [_, 3, 7, 7]));
    let width = stem.and_then(|shape| shape.first()).copied().unwrap_or_default();
    if width < 1 {
        return Err(
            "these are no Pix2PixHD generator's weights: there is no `model.1.weight` of shape [ngf, 3, 7, 7]".into()
        );
    }
    let enhancers = (1..=tensors.len()).take_while(|n| weight(&format!("model{n}_1.1")).is_some()).count();
    // Strided layers stand every third place until the first block; without blocks the growing layers go on likewise.
    let strided = (0..tensors.len())
        .take_while(|i| weight(&format!("model.{}", 4 + 3 * i)).is_some_and(|s| s.get(2) == Some(&3)))
        .count();
    if strided > DEEPEST || enhancers > DEEPEST {
        return Err("these are no Pix2PixHD generator's weights: it would halve its image too often".into());
    }
    let n_blocks_global = blocks("model", 4 + 3 * strided);
    let n_downsample_global = if n_blocks_global == 0 { strided / 2 } else { strided };
    let first_growing = format!("model.{}", 4 + 3 * n_downsample_global + n_blocks_global);
    let grows_by_resize = weight(&first_growing)
        .and_then(|shape| shape.first())
        .zip(shapes.get(format!("{first_growing}.bias").as_str()).and_then(|shape| shape.first()))
        .is_some_and(|(first, outputs)| first == outputs);
    let config = Generator {
        kind: if enhancers == 0 { GeneratorKind::Global } else { GeneratorKind::Local },
        ngf: (width >> enhancers) as usize,
        n_downsample_global,
        n_blocks_global,
        n_local_enhancers: enhancers.max(1),
        n_blocks_local: if enhancers == 0 { Generator::default().n_blocks_local } else { blocks("model1_2", 0) },
        upsample: if grows_by_resize && n_downsample_global > 0 { Upsample::Resize } else { Upsample::Transposed },
        norm: if shapes.contains_key("model.2.running_mean") { Norm::Batch } else { Norm::Instance },
        spectral_norm: shapes.contains_key("model.1.weight_orig"),
        ..Generator::default()
    };
    let expected = generator_layout(&config);
    let unlike = expected.iter().find(|(name, shape)| shapes.get(name.as_str()) != Some(&shape.as_slice()));
    match unlike {
        Some((name, shape)) => Err(format!(
            "these are no Pix2PixHD generator's weights: most looks like {}, but `{name}` is not {shape:?}",
            describe(&config)
        )),
        None => Ok(config),
    }
}

/// One line on an architecture, in NVIDIA's option names.
pub fn describe(config: &Generator) -> String {
    let kind = match config.kind {
        GeneratorKind::Global => "a global generator".to_owned(),
        GeneratorKind::Local => format!(
            "a local enhancer (n_local_enhancers {}, n_blocks_local {})",
            config.n_local_enhancers, config.n_blocks_local
        ),
    };
    let Generator { ngf, n_downsample_global, n_blocks_global, .. } = config;
    let upsample = if config.upsample == Upsample::Resize { ", resize upsampling" } else { "" };
    let norm = if config.norm == Norm::Batch { ", batch norm" } else { "" };
    let spectral = if config.spectral_norm { ", spectral norm" } else { "" };
    format!(
        "{kind} of ngf {ngf}, n_downsample_global {n_downsample_global}, n_blocks_global {n_blocks_global}{upsample}{norm}\
         {spectral}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_is_recognised_from_its_own_layout() {
        for kind in [GeneratorKind::Global, GeneratorKind::Local] {
            for upsample in [Upsample::Transposed, Upsample::Resize] {
                for (n_downsample_global, n_blocks_global) in [(1, 0), (3, 0), (1, 1), (4, 9), (2, 3)] {
                    for (n_local_enhancers, spectral_norm, ngf, norm) in [
                        (1, false, 32, Norm::Instance),
                        (2, true, 5, Norm::Instance),
                        (1, false, 8, Norm::Batch),
                        (2, true, 5, Norm::Batch),
                    ] {
                        let mut config = Generator {
                            kind,
                            upsample,
                            norm,
                            n_downsample_global,
                            n_blocks_global,
                            n_local_enhancers,
                            spectral_norm,
                            ngf,
                            n_blocks_local: 2,
                            ..Generator::default()
                        };
                        if kind == GeneratorKind::Global {
                            config.n_local_enhancers = 1;
                            config.n_blocks_local = 3;
                        }
                        assert_eq!(generator(&generator_layout(&config)).unwrap(), config);
                    }
                }
            }
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let vgg = vec![("features.0.weight".to_owned(), vec![64, 3, 3, 3])];
        assert!(generator(&vgg).unwrap_err().contains("`model.1.weight`"));
        let deep: Layout = (0..100).map(|n| (format!("model{n}_1.1.weight"), vec![1])).collect();
        let deep = deep.into_iter().chain([("model.1.weight".to_owned(), vec![4, 3, 7, 7])]).collect();
        assert!(generator(&deep).unwrap_err().contains("too often"));
        let mut cut = generator_layout(&Generator::default());
        cut.pop();
        assert!(generator(&cut).unwrap_err().contains("`model.38.bias`"));
    }
}
