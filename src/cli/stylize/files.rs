//! Photos in, illustrations out.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, RgbImage};

use super::{Format, is_same_file};
use crate::cli::Usage;

/// One photo and where its illustration goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub input: PathBuf,
    pub output: PathBuf,
}

/// What is found in folders, by extension.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The photos that `inputs` name, each once, with their outputs. A folder's inner folders are kept in the output; two
/// photos that would have one name get their extension into it. An output that is one of the photos is refused.
pub(super) fn jobs(inputs: &[PathBuf], output: &Path, format: Format) -> anyhow::Result<Vec<Job>> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new(); // the photo, and its path inside the output
    for input in inputs {
        if input.is_dir() {
            let before = found.len();
            search(input, Path::new(""), output, &mut found)?;
            if found.len() == before {
                bail!("{}: no .png, .jpg or .webp files there", input.display());
            }
        } else if input.exists() {
            let name = input.file_name().with_context(|| format!("{}: not a file", input.display()))?;
            found.push((input.clone(), name.into()));
        } else {
            return Err(Usage(format!("{}: no such photo or folder", input.display())).into());
        }
    }
    let mut seen = HashSet::new();
    found.retain(|(input, _)| seen.insert(input.canonicalize().unwrap_or_else(|_| input.clone())));
    let plain = |inside: &Path| inside.with_extension(format.extension());
    let mut wanted: HashMap<PathBuf, usize> = HashMap::new();
    for (_, inside) in &found {
        *wanted.entry(plain(inside)).or_default() += 1;
    }
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut jobs = Vec::with_capacity(found.len());
    for (input, inside) in found {
        let mut target = plain(&inside);
        if wanted.get(&target).is_some_and(|count| *count > 1) {
            let stem = inside.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let extension = inside.extension().unwrap_or_default().to_string_lossy().into_owned();
            target = inside.with_file_name(format!("{stem}-{extension}.{}", format.extension()));
        }
        let target = output.join(target);
        if let Some(other) = taken.insert(target.clone(), input.clone()) {
            return Err(Usage(format!(
                "{} and {} would both be written to {}; stylise them into two folders",
                other.display(),
                input.display(),
                target.display()
            ))
            .into());
        }
        jobs.push(Job { input, output: target });
    }
    if let Some(job) = jobs.iter().find(|job| jobs.iter().any(|other| is_same_file(&job.output, &other.input))) {
        return Err(Usage(format!(
            "{} would overwrite a photo that is worked on; give another folder with -o",
            job.output.display()
        ))
        .into());
    }
    Ok(jobs)
}

/// Photos under `folder`, by name; neither hidden files nor the output folder.
fn search(folder: &Path, inside: &Path, output: &Path, found: &mut Vec<(PathBuf, PathBuf)>) -> anyhow::Result<()> {
    let read = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut entries = read.collect::<Result<Vec<_>, _>>().with_context(|| format!("read {}", folder.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_string_lossy().starts_with('.') || is_same_file(&path, output) {
            continue;
        }
        let extension = path.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
        // A link to a folder is not followed: it could lead round in a circle.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&path, &inside.join(&name), output, found)?;
        } else if path.is_file() && EXTENSIONS.contains(&extension.as_str()) {
            found.push((path, inside.join(&name)));
        }
    }
    Ok(())
}

/// A photo as it is meant to be seen: turned as its camera noted, without transparency.
pub(super) fn read(path: &Path) -> anyhow::Result<RgbImage> {
    let reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

/// Write beside, then rename: never half a picture.
pub(super) fn write(image: &RgbImage, path: &Path, format: Format) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = || format!("write {}", path.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let mut file = tempfile::Builder::new()
        .prefix(".stylize-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(failed)?;
    let mut out = BufWriter::new(file.as_file_mut());
    match format {
        Format::Png => image.write_to(&mut out, ImageFormat::Png),
        Format::Webp => image.write_to(&mut out, ImageFormat::WebP),
        Format::Jpg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut out, 95)),
    }
    .with_context(failed)?;
    out.flush().with_context(failed)?;
    drop(out);
    file.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::new(2, 2).save(path).unwrap();
    }

    fn outputs(jobs: &[Job], out: &Path) -> Vec<String> {
        jobs.iter().map(|job| job.output.strip_prefix(out).unwrap().display().to_string()).collect()
    }

    #[test]
    fn folders_keep_their_shape_and_names_never_clash() {
        let folder = tempfile::tempdir().unwrap();
        let (photos, out) = (folder.path().join("photos"), folder.path().join("photos/out"));
        for name in ["b.jpg", "a.png", "a.jpg", "deep/a.webp", ".hidden.png", "out/old.png"] {
            touch(&photos.join(name));
        }
        fs::write(photos.join("notes.txt"), "no picture").unwrap();
        let all = [photos.clone(), photos.join("b.jpg")];
        let jobs = jobs(&all, &out, Format::Png).unwrap();
        assert_eq!(outputs(&jobs, &out), ["a-jpg.png", "a-png.png", "b.png", "deep/a.png"]);
    }

    #[test]
    fn photos_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("a.png");
        touch(&photo);
        let error = jobs(std::slice::from_ref(&photo), folder.path(), Format::Png).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("would overwrite a photo"), "{error}");
        assert_eq!(jobs(&[photo], folder.path(), Format::Jpg).unwrap().len(), 1);
    }

    #[test]
    fn same_names_from_two_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let photos = [folder.path().join("x/a.png"), folder.path().join("y/a.png")];
        for photo in &photos {
            touch(photo);
        }
        let error = jobs(&photos, &folder.path().join("out"), Format::Png).unwrap_err().to_string();
        assert!(error.contains("would both be written"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = jobs(&["/nowhere/a.png".into()], Path::new("out"), Format::Png).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("/nowhere/a.png"));
    }
}
