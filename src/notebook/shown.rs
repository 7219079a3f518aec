//! What a cell shows through the hub: bytes with a media type, made into outputs.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, RgbImage};
use serde::Deserialize;

use super::hub::Show;
use crate::session::notebook::{Captured, Column, Image, Output, Plot, Stream, Table, plain};

/// Pixels of a picture, at most.
const MOST_PIXELS: u64 = 64 << 20;
/// Points of a plot that are kept, over all its series.
const MOST_POINTS: usize = 1 << 20;
/// Rows of a table that are kept.
const MOST_ROWS: usize = 1000;

impl Show {
    /// As an output of the cell; what cannot be shown becomes words on why not.
    pub fn output(self) -> Output {
        let label = plain::plain(&self.label).replace('\n', " ");
        let made = match self.mime.split(';').next().unwrap_or_default().trim() {
            "text/plain" => Ok(Output::Value { text: Captured::new(&String::from_utf8_lossy(&self.bytes)) }),
            "text/x-table" => table(&self.bytes, label.clone()),
            "image/png" => png(self.bytes, label.clone()),
            "application/x-atelier-image" => pixels(&self.bytes, label.clone()),
            "application/x-atelier-plot" => plot(&self.bytes, &label),
            other => Err(format!("`{}` cannot be shown here", plain::plain(other))),
        };
        made.unwrap_or_else(|why| {
            let name = if label.is_empty() { "something".to_owned() } else { label };
            Output::Text { stream: Stream::Stderr, text: Captured::new(&format!("{name}: {why}\n")) }
        })
    }
}

#[derive(Deserialize)]
struct SentTable {
    columns: Vec<SentColumn>,
    rows: Vec<Vec<String>>,
    #[serde(default)]
    total: u64,
}

#[derive(Deserialize)]
struct SentColumn {
    name: String,
    #[serde(default)]
    align: String,
}

fn table(bytes: &[u8], label: String) -> Result<Output, String> {
    let mut sent: SentTable = serde_json::from_slice(bytes).map_err(|error| format!("no table: {error}"))?;
    let total = sent.total.max(sent.rows.len() as u64);
    sent.rows.truncate(MOST_ROWS);
    let clean = |text: String| plain::plain(&text).replace('\n', " ");
    let columns = sent.columns.into_iter();
    let columns: Vec<Column> = columns.map(|it| Column { right: it.align == "right", name: clean(it.name) }).collect();
    let rows = sent.rows.into_iter().map(|row| row.into_iter().take(columns.len()).map(clean).collect());
    Ok(Output::Table(Table { label, rows: rows.collect(), columns, total }))
}

fn png(bytes: Vec<u8>, label: String) -> Result<Output, String> {
    let reader = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Png);
    let (width, height) = reader.into_dimensions().map_err(|error| format!("no PNG: {error}"))?;
    sized(width, height)?;
    Ok(Output::Image(Image { label, width, height, png: bytes.into() }))
}

#[derive(Deserialize)]
struct Size {
    width: u32,
    height: u32,
}

fn pixels(bytes: &[u8], label: String) -> Result<Output, String> {
    let end = bytes.iter().take(4096).position(|byte| *byte == b'\n').ok_or("no picture: its size is missing")?;
    let Size { width, height } =
        serde_json::from_slice(&bytes[..end]).map_err(|error| format!("no picture: {error}"))?;
    sized(width, height)?;
    let pixels = bytes[end + 1..].to_vec();
    let (there, wanted) = (pixels.len() as u64, 3 * u64::from(width) * u64::from(height));
    if there != wanted {
        return Err(format!("no picture: {width}x{height} pixels take {wanted} bytes, and {there} came"));
    }
    let picture = RgbImage::from_raw(width, height, pixels).ok_or("no picture: its bytes do not fit its size")?;
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).map_err(|error| format!("the picture cannot be kept: {error}"))?;
    Ok(Output::Image(Image { label, width, height, png: file.into_inner().into() }))
}

fn sized(width: u32, height: u32) -> Result<(), String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err("the picture has no pixels".to_owned());
    }
    if pixels > MOST_PIXELS {
        let most = MOST_PIXELS >> 20;
        return Err(format!("{width}x{height} pixels are more than {most} million: make it smaller, or show a part"));
    }
    Ok(())
}

fn plot(bytes: &[u8], label: &str) -> Result<Output, String> {
    let mut plot: Plot = serde_json::from_slice(bytes).map_err(|error| format!("no plot: {error}"))?;
    let clean = |text: &mut String| *text = plain::plain(text).replace('\n', " ");
    clean(&mut plot.title);
    clean(&mut plot.x_label);
    clean(&mut plot.y_label);
    if plot.title.is_empty() {
        label.clone_into(&mut plot.title);
    }
    let mut left = MOST_POINTS;
    for series in &mut plot.series {
        clean(&mut series.name);
        let length = series.x.len().min(series.y.len()).min(left);
        series.x.truncate(length);
        series.y.truncate(length);
        left -= length;
    }
    Ok(Output::Plot(plot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mime: &str, bytes: &[u8]) -> Output {
        Show { mime: mime.to_owned(), label: "it\u{1b}[2J".to_owned(), bytes: bytes.to_vec() }.output()
    }

    #[test]
    fn each_media_type_becomes_what_it_is() {
        let Output::Table(table) =
            shown("text/x-table", br#"{"columns":[{"name":"a","align":"right"}],"rows":[["1","x"],["2"]]}"#)
        else {
            panic!()
        };
        assert_eq!((table.columns[0].right, table.rows.len(), table.rows[0].len()), (true, 2, 1));
        let mut bytes = b"{\"width\":2,\"height\":1}\n".to_vec();
        bytes.extend([1, 2, 3, 4, 5, 6]);
        let Output::Image(image) = shown("application/x-atelier-image", &bytes) else { panic!() };
        assert_eq!((image.width, image.height, image.label.as_str()), (2, 1, "it"));
        assert!(matches!(shown("image/png", &image.png), Output::Image(again) if again == image));
        let Output::Plot(plot) =
            shown("application/x-atelier-plot", br#"{"series":[{"x":[1,2,3],"y":[1,null]}],"kind":"bars"}"#)
        else {
            panic!()
        };
        assert_eq!((plot.title.as_str(), plot.series[0].x.len()), ("it", 2));
        assert!(matches!(shown("text/plain; charset=utf-8", b"\xffx"), Output::Value { .. }));
    }

    #[test]
    fn what_cannot_be_shown_says_why() {
        for (mime, bytes, why) in [
            ("image/png", &b"no"[..], "no PNG"),
            ("application/x-atelier-image", b"{\"width\":2,\"height\":9}\n123", "54 bytes, and 3 came"),
            ("application/x-atelier-image", b"{\"width\":60000,\"height\":60000}\n", "make it smaller"),
            ("application/x-atelier-image", b"", "size is missing"),
            ("application/x-atelier-image", b"{\"width\":0,\"height\":1}\n", "no pixels"),
            ("application/x-atelier-plot", b"[", "no plot"),
            ("text/x-table", b"{}", "no table"),
            ("video/mp4", b"", "cannot be shown here"),
        ] {
            let text = shown(mime, bytes).text();
            assert!(text.starts_with("it: ") && text.contains(why), "{mime}: {text}");
        }
    }
}
