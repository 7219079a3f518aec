//! Two folders measured on a GPU: threads decode ahead, one feeds the GPU with images of one size in batches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::bounded;
use tch::Device;

use super::folders::{Images, Outcome, Trio, look};
use crate::models::perceptual::judge::Judge;

/// Images in one batch: enough for a GPU to be busy, few enough for the largest network at 1024 pixels.
const MOST: usize = 8;
/// Decoded images that may wait.
const AHEAD: usize = 4 * MOST;

/// Measure all of them in their order.
pub(super) fn measure(trios: &[Trio], judge: &Judge, device: Device) -> anyhow::Result<Vec<Outcome>> {
    let (next, (sender, decoded)) = (AtomicUsize::new(0), bounded::<(usize, Result<Images, String>)>(AHEAD));
    thread::scope(|scope| {
        for _ in 0..rayon::current_num_threads().min(trios.len()) {
            let (sender, next) = (sender.clone(), &next);
            thread::Builder::new().name("decode".to_owned()).spawn_scoped(scope, move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(trio) = trios.get(at) else { return };
                    if sender.send((at, trio.read())).is_err() {
                        return;
                    }
                }
            })?;
        }
        drop(sender);
        let mut outcomes = Vec::new();
        let mut early: BTreeMap<usize, Result<Images, String>> = BTreeMap::new();
        let mut batch: Vec<Images> = Vec::new();
        let mut expected = 0;
        for (at, images) in &decoded {
            early.insert(at, images);
            while let Some(images) = early.remove(&expected) {
                expected += 1;
                match images {
                    Ok(images) => {
                        let other_size = |first: &Images| first.target.dimensions() != images.target.dimensions();
                        if batch.len() == MOST || batch.first().is_some_and(other_size) {
                            let begin = expected - 1 - batch.len();
                            flush(&mut batch, &trios[begin..], judge, device, &mut outcomes);
                        }
                        batch.push(images);
                    }
                    Err(why) => {
                        let begin = expected - 1 - batch.len();
                        flush(&mut batch, &trios[begin..], judge, device, &mut outcomes);
                        outcomes.push((1, Err(why)));
                    }
                }
            }
        }
        let begin = expected - batch.len();
        flush(&mut batch, &trios[begin..], judge, device, &mut outcomes);
        Ok(outcomes)
    })
}

/// Measure what has gathered: all at once, or one by one where that does not go, so that each fault is told of its own.
fn flush(batch: &mut Vec<Images>, trios: &[Trio], judge: &Judge, device: Device, outcomes: &mut Vec<Outcome>) {
    let images: Vec<&Images> = batch.iter().collect();
    match look(judge, &images, device) {
        _ if images.is_empty() => {}
        Ok(tally) => outcomes.push((images.len(), Ok(tally))),
        Err(_) => outcomes.extend(
            images.iter().zip(trios).map(|(one, trio)| (1, look(judge, &[one], device).map_err(|e| trio.refused(&e)))),
        ),
    }
    batch.clear();
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::eval::folders::Folders;
    use crate::config::Metric;

    #[test]
    fn batches_measure_what_single_images_do_in_the_same_order() {
        let root = tempfile::tempdir().unwrap();
        let (out, to) = (root.path().join("out"), root.path().join("to"));
        fs::create_dir_all(&out).unwrap();
        fs::create_dir_all(&to).unwrap();
        for n in 0..21_u8 {
            let side = if n % 5 == 4 { 24 } else { 16 };
            image::RgbImage::from_pixel(side, 16, image::Rgb([n; 3])).save(out.join(format!("{n:02}.png"))).unwrap();
            image::RgbImage::from_pixel(side, 16, image::Rgb([90; 3])).save(to.join(format!("{n:02}.png"))).unwrap();
        }
        fs::write(out.join("07.png"), b"no picture").unwrap();
        let judge = Judge::new(&[Metric::L1], &[], Device::Cpu).unwrap();
        let folders = Folders::open(&out, &to, None).unwrap();
        let outcomes = measure(folders.trios(), &judge, Device::Cpu).unwrap();
        assert_eq!(outcomes.iter().map(|(count, _)| count).sum::<usize>(), 21);
        assert!(outcomes.iter().all(|(count, _)| *count <= MOST));
        assert_eq!(outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count(), 1);
        let mut tally = crate::models::perceptual::judge::Tally::default();
        outcomes.into_iter().filter_map(|(_, outcome)| outcome.ok()).for_each(|one| tally.extend(one));
        let score = judge.scores(&tally, 1).unwrap().remove(0);
        let crate::models::perceptual::judge::Outcome::Each(values) = score.prediction else {
            panic!("L1 is of images")
        };
        let expected = (0..21).filter(|n| *n != 7).map(|n| f64::from(90 - n) / 255.0);
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
        assert_eq!(values.len(), 20);
    }
}
