//! TensorBoard event files: `TFRecord` frames around `Event` messages, written by hand (no protobuf compiler needed).
//!
//! Formats: <https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>,
//! <https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto> and `summary.proto`.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::Path,
};

use super::{Exported, in_order, whole};
use crate::record::{Frames, RecordError, columns::Point};

/// Write everything as scalars into the folder `out`, made if missing: `tensorboard --logdir OUT` shows it. `TensorBoard`
/// keeps 32-bit values. Each generation of a resumed session is a run of its own (`generation-0000`, ...), so that
/// steps which both recorded are shown twice and none is dropped.
pub fn tensorboard(frames: &Frames, out: &Path) -> Result<Exported, RecordError> {
    let (rows, names) = in_order(frames)?;
    let generations: BTreeSet<u32> = rows.generation.iter().copied().collect();
    let mut files = Vec::new();
    for &generation in &generations {
        let dir = match generations.len() {
            1 => out.to_owned(),
            _ => out.join(format!("generation-{generation:04}")),
        };
        fs::create_dir_all(&dir).map_err(RecordError::io("create the folder", &dir))?;
        let ours = (0..rows.len()).filter(|&row| rows.generation[row] == generation);
        let began = ours.clone().next().map_or(0, |row| rows.time[row]);
        let file = dir.join(format!("events.out.tfevents.{:010}.atelier.{generation}", began / 1_000_000_000));
        whole(&file, |sink| {
            let mut write = || {
                record(sink, &version(began))?;
                ours.clone().try_for_each(|row| {
                    let name = &names.all()[rows.series[row] as usize];
                    record(sink, &scalar(name, rows.point(row)))
                })
            };
            write().map_err(RecordError::io("write", &file))
        })?;
        files.push(file);
    }
    Ok(Exported { files, rows: rows.len() })
}

/// One `TFRecord`: length, its checksum, the bytes, their checksum.
fn record(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked(&length).to_le_bytes())?;
    out.write_all(bytes)?;
    out.write_all(&masked(bytes).to_le_bytes())
}

/// CRC-32C, rotated and offset, so that checksums of checksums stay meaningful.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut crc = i as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, &byte| TABLE[((crc ^ u32::from(byte)) & 0xff) as usize] ^ (crc >> 8))
}

/// `Event { wall_time = 1, file_version = 3 }`: the first of every file.
fn version(time_ns: i64) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, seconds(time_ns));
    bytes(&mut event, 3, b"brain.Event:2");
    event
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`.
fn scalar(tag: &str, point: Point) -> Vec<u8> {
    let mut value = Vec::with_capacity(tag.len() + 8);
    bytes(&mut value, 1, tag.as_bytes());
    key(&mut value, 2, 5);
    value.extend_from_slice(&(point.value as f32).to_le_bytes());
    let mut summary = Vec::with_capacity(value.len() + 4);
    bytes(&mut summary, 1, &value);
    let mut event = Vec::with_capacity(summary.len() + 24);
    double(&mut event, 1, seconds(point.time_ns));
    key(&mut event, 2, 0);
    varint(&mut event, point.step as u64);
    bytes(&mut event, 5, &summary);
    event
}

fn seconds(time_ns: i64) -> f64 {
    time_ns as f64 / 1e9
}

fn key(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn double(out: &mut Vec<u8>, field: u64, number: f64) {
    key(out, field, 1);
    out.extend_from_slice(&number.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    key(out, field, 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_of_the_standard_vectors() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn an_event_is_the_bytes_that_protobuf_makes() {
        // Made by tensorboard 2.21: Event(wall_time=1.5, step=300, summary=Summary(value=[
        //   Summary.Value(tag="loss/g", simple_value=0.25)])).SerializeToString()
        let expected = b"\x09\0\0\0\0\0\0\xf8?\x10\xac\x02*\x0f\x0a\x0d\x0a\x06loss/g\x15\0\0\x80>";
        let point = Point { step: 300, epoch: 0.0, time_ns: 1_500_000_000, generation: 0, value: 0.25 };
        assert_eq!(scalar("loss/g", point), expected);
    }
}
