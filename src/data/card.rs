//! The dataset card: a README.md with the YAML header that the Hugging Face hub reads, figures, a citation, and a
//! picture of some pairs.

use std::fmt::Write as _;

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::image_file;
use super::pairs::{Dataset, Pair};
use super::stats::{Baseline, Stats};

/// A line of every card, by which a later run knows that it may replace the file.
pub const MARK: &str = "<!-- written by `atelier dataset card` -->";
/// The picture's file name.
pub const GRID_NAME: &str = "samples.png";

/// What a person decides about a card.
#[derive(Debug, Clone)]
pub struct About {
    /// The dataset's name for people.
    pub title: String,
    /// Identifier of the licence, as the hub spells it: `cc-by-4.0`.
    pub license: String,
    /// Who made the dataset.
    pub authors: Vec<String>,
    /// Year of the citation.
    pub year: i16,
    /// Where the dataset is to be found.
    pub url: Option<String>,
}

/// The card as Markdown. `grid` says whether the picture lies beside it.
pub fn card(about: &About, stats: &Stats, grid: bool) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    header(&mut text, about, stats)?;
    writeln!(text, "{MARK}\n\n# {}\n", one_line(&about.title))?;
    writeln!(
        text,
        "{} pairs of a photo and its illustration, from {} sources, for paired image-to-image translation.\n",
        stats.pairs, stats.sources
    )?;
    if grid {
        writeln!(text, "![Photo and illustration of some pairs, side by side]({GRID_NAME})\n")?;
    }
    structure(&mut text)?;
    figures(&mut text, stats)?;
    citation(&mut text, about)?;
    Ok(text)
}

fn header(text: &mut String, about: &About, stats: &Stats) -> std::fmt::Result {
    writeln!(text, "---")?;
    writeln!(text, "license: {}", quoted(&about.license))?;
    writeln!(text, "pretty_name: {}", quoted(&one_line(&about.title)))?;
    writeln!(text, "task_categories:\n- image-to-image")?;
    writeln!(text, "size_categories:\n- {}", size_category(stats.pairs))?;
    writeln!(text, "tags:\n- paired\n- style-transfer\n- illustration")?;
    if stats.synthetic > 0 {
        writeln!(text, "- synthetic")?;
    }
    writeln!(text, "---\n")
}

/// The hub's size classes.
fn size_category(pairs: usize) -> &'static str {
    match pairs {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "1M<n<10M",
    }
}

/// A string as YAML: a JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn structure(text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "## Structure\n\n\
         | file | content |\n|---|---|\n\
         | `NNNN/o.png` | the photo (also `.jpg`, `.webp`) |\n\
         | `NNNN/g.png` | its illustration, aligned, of the same size |\n\
         | `manifest.jsonl` | of each pair: source, box cut from it, synthetic or not, SHA-256 of both files |\n\
         | `split.json` | sources trained on and held out, when written down |\n\n\
         Pairs cut from one picture share its `source`: split by source, never by pair.\n"
    )
}

fn figures(text: &mut String, stats: &Stats) -> std::fmt::Result {
    writeln!(text, "## Statistics\n\n| | |\n|---|---|")?;
    writeln!(text, "| pairs | {} |\n| sources | {} |", stats.pairs, stats.sources)?;
    writeln!(text, "| synthetic pairs | {} ({:.1} %) |", stats.synthetic, 100.0 * stats.synthetic_share)?;
    let sizes: Vec<String> =
        stats.sizes.iter().take(5).map(|size| format!("{}x{} ({})", size.width, size.height, size.pairs)).collect();
    let more = stats.sizes.len().saturating_sub(5);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    writeln!(text, "| sizes in pixels (pairs) | {}{more} |", sizes.join(", "))?;
    writeln!(text, "| size on disk | {:.1} MB |", stats.bytes as f64 / 1e6)?;
    let triple = |values: [f64; 3]| values.map(|value| format!("{value:.3}")).join(", ");
    writeln!(text, "| photo, mean of R, G, B | {} |", triple(stats.photo.mean))?;
    writeln!(text, "| photo, standard deviation | {} |", triple(stats.photo.std))?;
    writeln!(text, "| illustration, mean of R, G, B | {} |", triple(stats.illustration.mean))?;
    writeln!(text, "| illustration, standard deviation | {} |", triple(stats.illustration.std))?;
    if let Some(correlation) = stats.correlation {
        writeln!(text, "| correlation of photo and illustration | {correlation:.3} |")?;
    }
    if let Some(Baseline { l1, psnr, .. }) = &stats.baseline.all {
        writeln!(text, "| L1 between photo and illustration | {l1:.4} |")?;
        if psnr.is_finite() {
            writeln!(text, "| PSNR between photo and illustration | {psnr:.2} dB |")?;
        }
    }
    writeln!(text, "\nColours and distances are of images in [0, 1].\n")
}

fn citation(text: &mut String, about: &About) -> std::fmt::Result {
    let key: String =
        about.title.chars().filter(char::is_ascii_alphanumeric).take(24).collect::<String>().to_ascii_lowercase();
    let key = if key.is_empty() { "dataset".to_owned() } else { key };
    writeln!(text, "## Licence and citation\n\nLicence: `{}`.\n", about.license)?;
    writeln!(text, "```bibtex\n@misc{{{key}{},", about.year)?;
    writeln!(text, "  title  = {{{}}},", bibtex(&about.title))?;
    if !about.authors.is_empty() {
        let authors: Vec<String> = about.authors.iter().map(|author| bibtex(author)).collect();
        writeln!(text, "  author = {{{}}},", authors.join(" and "))?;
    }
    if let Some(url) = &about.url {
        writeln!(text, "  url    = {{{}}},", one_line(url))?;
    }
    writeln!(text, "  year   = {{{}}}\n}}\n```", about.year)
}

/// Text as BibTeX shows it: the characters that TeX takes for its own are escaped.
fn bibtex(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Some pairs, evenly chosen, two to a row, as one picture; `None` when none of them can be read.
pub fn grid(dataset: &Dataset, pairs: usize) -> Option<RgbImage> {
    const CELL: u32 = 256;
    const INNER: u32 = 4;
    const OUTER: u32 = 16;
    let count = pairs.min(dataset.pairs.len());
    let chosen = (0..count).map(|i| &dataset.pairs[i * dataset.pairs.len() / count]);
    let cells: Vec<[RgbImage; 2]> = chosen.filter_map(|pair| thumbnails(pair, CELL)).collect();
    let columns = cells.len().min(2) as u32;
    let rows = cells.len().div_ceil(2) as u32;
    if cells.is_empty() {
        return None;
    }
    let pair_width = 2 * CELL + INNER;
    let mut grid = RgbImage::from_pixel(
        columns * pair_width + (columns - 1) * OUTER,
        rows * CELL + (rows - 1) * OUTER,
        Rgb([255; 3]),
    );
    for (index, [photo, illustration]) in cells.iter().enumerate() {
        let x = i64::from(index as u32 % 2 * (pair_width + OUTER));
        let y = i64::from(index as u32 / 2 * (CELL + OUTER));
        imageops::replace(&mut grid, photo, x, y);
        imageops::replace(&mut grid, illustration, x + i64::from(CELL + INNER), y);
    }
    Some(grid)
}

/// Both images' centre squares.
fn thumbnails(pair: &Pair, side: u32) -> Option<[RgbImage; 2]> {
    let square = |path| {
        let image = image_file::open(path).ok()?.image;
        let (width, height) = image.dimensions();
        let short = width.min(height);
        let part = imageops::crop_imm(&image, (width - short) / 2, (height - short) / 2, short, short).to_image();
        Some(imageops::resize(&part, side, side, FilterType::Triangle))
    };
    Some([square(&pair.photo)?, square(&pair.illustration)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tex_and_yaml_would_misread_is_escaped() {
        assert_eq!(bibtex("50% of {A_B} & C\\~"), "50\\% of \\{A\\_B\\} \\& C\\textbackslash{}\\textasciitilde{}");
        assert_eq!(quoted("a: \"b\" #c"), "\"a: \\\"b\\\" #c\"");
        assert_eq!(one_line("two\nlines"), "two lines");
        assert_eq!(size_category(999), "n<1K");
        assert_eq!(size_category(1000), "1K<n<10K");
    }
}
