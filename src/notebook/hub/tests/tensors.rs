//! The client's reader against the writer that everyone uses.

use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::*;

#[test]
fn files_of_the_reference_writer_read_as_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let floats: Vec<u8> = (0..24).flat_map(|i| (i as f32 * 0.37 - 3.0).to_le_bytes()).collect();
    let doubles: Vec<u8> = [1.5_f64, -2.25, 1e-3].iter().flat_map(|x| x.to_le_bytes()).collect();
    let whole: Vec<u8> = [3_i64, -7].iter().flat_map(|x| x.to_le_bytes()).collect();
    let small: Vec<u8> = [3_i32, -7].iter().flat_map(|x| x.to_le_bytes()).collect();
    let halves: Vec<u8> = [0x3c00_u16, 0xc000, 0x3555].iter().flat_map(|x| x.to_le_bytes()).collect();
    let brains: Vec<u8> =
        [1.0_f32, -0.5, 3.0].iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect();
    let tensors = [
        ("generator.model.1.weight", Dtype::F32, vec![2, 3, 2, 2], &floats),
        ("generator.model.1.bias", Dtype::F64, vec![3], &doubles),
        ("ema.generator.count", Dtype::I64, vec![2], &whole),
        ("names with \"quotes\" \u{1f600}", Dtype::I32, vec![2], &small),
        ("half", Dtype::F16, vec![3], &halves),
        ("brain", Dtype::BF16, vec![3, 1], &brains),
        ("mask", Dtype::BOOL, vec![2], &vec![1, 0]),
        ("bytes", Dtype::U8, vec![1, 2], &vec![0, 255]),
        ("empty", Dtype::F32, vec![0, 4], &Vec::new()),
    ];
    let views = tensors
        .iter()
        .map(|(name, kind, shape, bytes)| ((*name).to_owned(), TensorView::new(*kind, shape.clone(), bytes).unwrap()));
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &path).unwrap();

    let file = probe::TensorFile::open(&path);
    assert_eq!(file.names().len(), tensors.len());
    for (name, _, shape, _) in &tensors {
        assert_eq!(&file.shape(name), shape, "{name}");
    }
    let expected: Vec<f32> = (0..24).map(|i| i as f32 * 0.37 - 3.0).collect();
    assert_eq!(file.tensor("generator/model.1.weight").data(), expected);
    assert_eq!(file.tensor("generator.model.1.bias").data(), [1.5, -2.25, 1e-3]);
    assert_eq!(file.tensor("ema.generator.count").data(), [3.0, -7.0]);
    assert_eq!(file.tensor("names with").data(), [3.0, -7.0]);
    assert_eq!(file.tensor("half").data(), [1.0, -2.0, 0.333_251_95]);
    assert_eq!(file.tensor("brain").data(), [1.0, -0.5, 3.0]);
    assert_eq!((file.tensor("mask").data(), file.tensor("bytes").data()), (&[1.0, 0.0][..], &[0.0, 255.0][..]));
    assert!(file.tensor("empty").is_empty());
}
