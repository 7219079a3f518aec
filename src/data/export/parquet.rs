//! Parquet with the images' bytes in `{bytes, path}` structs, which Hugging Face `datasets` decodes as images: the
//! file's `huggingface` metadata says so.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use polars::prelude::{
    BinaryChunked, Column, DataFrame, IntoSeries, KeyValueMetadata, NamedFrom, NewChunkedArray, ParquetCompression,
    ParquetWriter, PolarsError, Series, StructChunked,
};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::io::ipc::write::{default_ipc_fields, schema_to_bytes};

use super::flat_name;
use crate::data::Pair;

/// Image bytes of one row group: what is held in memory at once.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Write one split as `NAME-00000-of-00001.parquet`, ... into `folder`.
pub(super) fn write(folder: &Path, name: &str, shards: &[Vec<&Pair>]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, pairs) in shards.iter().enumerate() {
        let path = folder.join(format!("{name}-{number:05}-of-{:05}.parquet", shards.len()));
        shard(File::create(path)?, pairs).map_err(io::Error::other)?;
    }
    Ok(())
}

fn shard(file: File, pairs: &[&Pair]) -> Result<(), PolarsError> {
    let schema = frame(&[], &[])?.schema().clone();
    // PNG, JPEG and WebP do not compress further.
    let mut writer = ParquetWriter::new(file)
        .with_compression(ParquetCompression::Uncompressed)
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![
            ("huggingface".to_owned(), features()),
            ("ARROW:schema".to_owned(), arrow_schema()),
        ])))
        .batched(&schema)?;
    let mut rows: Vec<&Pair> = Vec::new();
    let mut images: Vec<[Vec<u8>; 2]> = Vec::new();
    let mut held = 0;
    for (index, pair) in pairs.iter().enumerate() {
        let both = [fs::read(&pair.photo)?, fs::read(&pair.illustration)?];
        held += both[0].len() + both[1].len();
        rows.push(pair);
        images.push(both);
        if held >= ROW_GROUP_BYTES || index + 1 == pairs.len() {
            writer.write_batch(&frame(&rows, &images)?)?;
            rows.clear();
            images.clear();
            held = 0;
        }
    }
    writer.finish()?;
    Ok(())
}

fn frame(pairs: &[&Pair], images: &[[Vec<u8>; 2]]) -> Result<DataFrame, PolarsError> {
    let image = |name: &str, side: usize| -> Result<Column, PolarsError> {
        let bytes = BinaryChunked::from_iter_values("bytes".into(), images.iter().map(|both| both[side].as_slice()));
        let paths: Vec<String> = pairs
            .iter()
            .map(|pair| flat_name(pair, if side == 0 { &pair.photo } else { &pair.illustration }))
            .collect();
        let fields = [bytes.into_series(), Series::new("path".into(), paths)];
        Ok(StructChunked::from_series(name.into(), pairs.len(), fields.iter())?.into_series().into())
    };
    let texts = |name: &str, of: fn(&Pair) -> &str| -> Column {
        Series::new(name.into(), pairs.iter().map(|pair| of(pair)).collect::<Vec<_>>()).into()
    };
    let synthetic: Vec<bool> = pairs.iter().map(|pair| pair.synthetic).collect();
    DataFrame::new(
        pairs.len(),
        vec![
            texts("id", |pair| &pair.id),
            image("original", 0)?,
            image("edited", 1)?,
            texts("source", |pair| &pair.source),
            Series::new("synthetic".into(), synthetic).into(),
        ],
    )
}

/// The columns as `datasets.Features` writes them.
fn features() -> String {
    let value = |dtype: &str| serde_json::json!({"dtype": dtype, "_type": "Value"});
    let image = serde_json::json!({"_type": "Image"});
    serde_json::json!({"info": {"features": {
        "id": value("string"),
        "original": image,
        "edited": image,
        "source": value("string"),
        "synthetic": value("bool"),
    }}})
    .to_string()
}

/// The Arrow types to read the columns as, in the form Parquet files carry them: an IPC message, in base64. polars would
/// write its own view types, and `datasets` takes its features from the metadata only where the types are its own.
fn arrow_schema() -> String {
    let field = |name: &str, dtype| Field::new(name.into(), dtype, true);
    let image = ArrowDataType::Struct(vec![field("bytes", ArrowDataType::Binary), field("path", ArrowDataType::Utf8)]);
    let fields = [
        field("id", ArrowDataType::Utf8),
        field("original", image.clone()),
        field("edited", image),
        field("source", ArrowDataType::Utf8),
        field("synthetic", ArrowDataType::Boolean),
    ];
    let schema: ArrowSchema = fields.into_iter().map(|field| (field.name.clone(), field)).collect();
    // Where this schema stands, Arrow takes the metadata from it and not from the file.
    let metadata = [("huggingface".into(), features().into())].into_iter().collect();
    let message = schema_to_bytes(&schema, &default_ipc_fields(schema.iter_values()), Some(&metadata));
    let mut bytes = vec![0xFF; 4];
    bytes.extend((message.len() as u32).to_le_bytes());
    bytes.extend(message);
    base64(&bytes)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, &byte| (bits << 8) | u32::from(byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= chunk.len() { DIGITS[index] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_rfc_4648s() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
