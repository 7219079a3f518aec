//! `atelier ls`: every session in a line.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::Usage;
use super::sessions::{self, Root, Tone, paint};
use crate::session::filter::Filter;
use crate::session::{self, KEY_LOSSES, Listing, State};

/// List sessions, newest first: how each stands, how far it is, its newest losses and metrics.
///
/// A filter is words that must all fit: `state:running`, `track:pix2pixhd`, `tag:paper`, `name:hayao`, a comparison with
/// the newest value of a series (`val/l1<0.1`, or its last part, `l1<0.1`) or with the best one (`best/l1<0.1`), or any part
/// of id, name, tags or notes. `!` in front turns a word round. Archived sessions are left out but for `archived:yes` (only
/// those) and `archived:all`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier ls
  atelier ls state:crashed
  atelier ls tag:paper '!state:failed' 'l1<0.1' --json")]
pub struct Args {
    /// Show only what fits all of these.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    #[command(flatten)]
    root: Root,
    /// Print everything known as JSON, oldest first.
    #[arg(long)]
    json: bool,
}

/// List.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let filter = Filter::of_words(args.filter.iter().map(String::as_str)).map_err(|error| Usage(error.to_string()))?;
    let now = Timestamp::now();
    let mut listings = session::list(&args.root.dir)?;
    let all = listings.len();
    listings.retain(|listing| filter.fits(listing, now));
    if args.json {
        let mut text = serde_json::to_string_pretty(&listings)?;
        text.push('\n');
        return Ok(super::print(&text)?);
    }
    if listings.is_empty() {
        let root = args.root.dir.display();
        let text = if all == 0 {
            format!("no sessions in {root}; `atelier train CONFIG` makes one\n")
        } else {
            let archived =
                if filter.is_empty() { ": all are archived, `atelier ls archived:yes` shows them" } else { "" };
            format!("none of {all} sessions in {root} fits{archived}\n")
        };
        return Ok(super::print(&text)?);
    }
    listings.reverse();
    Ok(super::print(&table(&listings, now, sessions::columns(), sessions::colours()))?)
}

/// A column: its title, whether its values align right, and how soon it goes when the terminal is narrow (0: never).
struct Column {
    title: &'static str,
    right: bool,
    leaves: u8,
}

const COLUMNS: [Column; 10] = [
    Column { title: "state", right: false, leaves: 0 },
    Column { title: "id", right: false, leaves: 0 },
    Column { title: "track", right: false, leaves: 5 },
    Column { title: "epoch", right: true, leaves: 1 },
    Column { title: "step", right: true, leaves: 3 },
    Column { title: "loss", right: true, leaves: 2 },
    Column { title: "validation", right: true, leaves: 2 },
    Column { title: "img/s", right: true, leaves: 4 },
    Column { title: "age", right: true, leaves: 1 },
    Column { title: "tags", right: false, leaves: 6 },
];
const GAP: &str = "  ";
/// Characters of a reason or problem shown beneath its session.
const NOTE_WIDTH: usize = 100;

fn table(listings: &[Listing], now: Timestamp, columns: Option<usize>, colours: bool) -> String {
    let rows: Vec<[String; COLUMNS.len()]> = listings.iter().map(|listing| cells(listing, now)).collect();
    let widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let widest = rows.iter().map(|row| row[index].width()).max().unwrap_or(0);
            // A column nobody has anything in is left out altogether.
            if widest == 0 { 0 } else { widest.max(column.title.width()) }
        })
        .collect();
    let shown = fitting(&widths, columns);
    let mut text = String::new();
    let titles = COLUMNS.map(|column| column.title.to_owned());
    // The first cell carries the sign; its title stands over the word.
    let head = line(&titles, &widths, &shown).replacen("state  ", "  state", 1);
    text.push_str(&paint(&head, Tone::Dim, colours));
    text.push('\n');
    for (listing, row) in listings.iter().zip(&rows) {
        let (_, _, tone) = sessions::sign(listing.state);
        let whole = line(row, &widths, &shown);
        // Only the sign and its word are coloured: the rest reads the same without.
        let (state, rest) = whole.split_at(row[0].len());
        text.push_str(&paint(state, tone, colours));
        text.push_str(rest);
        text.push('\n');
        let note = listing.problem.as_ref().or(listing.reason.as_ref().filter(|_| needs_reason(listing)));
        if let Some(note) = note {
            let width = columns.map_or(NOTE_WIDTH, |columns| columns.saturating_sub(4).max(20));
            text.push_str(&paint(&format!("  {}", sessions::brief(note, width)), Tone::Dim, colours));
            text.push('\n');
        }
    }
    text
}

fn needs_reason(listing: &Listing) -> bool {
    matches!(listing.state, Some(State::Failed | State::Stopped | State::Paused))
}

/// The columns that fit, dropping the least needed first.
fn fitting(widths: &[usize], columns: Option<usize>) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).filter(|index| widths[*index] > 0).collect();
    let Some(columns) = columns else { return shown };
    let total = |shown: &[usize]| -> usize {
        shown.iter().map(|index| widths[*index]).sum::<usize>() + GAP.len() * shown.len().saturating_sub(1)
    };
    while total(&shown) > columns {
        let Some(goes) = shown.iter().copied().filter(|i| COLUMNS[*i].leaves > 0).max_by_key(|i| COLUMNS[*i].leaves)
        else {
            break;
        };
        shown.retain(|index| *index != goes);
    }
    shown
}

fn line(cells: &[String; COLUMNS.len()], widths: &[usize], shown: &[usize]) -> String {
    let mut line = String::new();
    for &index in shown {
        let cell = &cells[index];
        let pad = " ".repeat(widths[index].saturating_sub(cell.width()));
        if !line.is_empty() {
            line.push_str(GAP);
        }
        if COLUMNS[index].right {
            line.push_str(&pad);
            line.push_str(cell);
        } else {
            line.push_str(cell);
            line.push_str(&pad);
        }
    }
    line.trim_end().to_owned()
}

fn cells(listing: &Listing, now: Timestamp) -> [String; COLUMNS.len()] {
    let (sign, word, _) = sessions::sign(listing.state);
    let of = |done: Option<String>, all: Option<String>| match (done, all) {
        (None, None) => String::new(),
        (done, None) => done.unwrap_or_default(),
        (done, Some(all)) => format!("{}/{all}", done.unwrap_or_else(|| "–".to_owned())),
    };
    let newest = |names: &[&str]| {
        listing.first_of(names).map(|(name, latest)| {
            let short = name.rsplit('/').next().unwrap_or(name);
            format!("{short} {}", sessions::number(latest.value))
        })
    };
    let validation: Vec<&str> = listing.best_metric.as_deref().into_iter().chain(VALIDATION).collect();
    [
        format!("{sign} {word}"),
        listing.id.clone(),
        listing.track.clone().unwrap_or_default(),
        of(listing.epoch.map(sessions::epochs), listing.total_epochs.map(sessions::epochs)),
        of(listing.step.map(sessions::whole), listing.total_steps.map(sessions::whole)),
        newest(&KEY_LOSSES).unwrap_or_default(),
        newest(&validation).unwrap_or_default(),
        listing.images_per_sec.map(sessions::number).unwrap_or_default(),
        listing.age_secs(now).map(sessions::age).unwrap_or_default(),
        listing.tags.join(" "),
    ]
}

/// The series that stands for validation, after the one that checkpoints are chosen by.
const VALIDATION: [&str; 4] = ["val/lpips", "val/l1", "val/ssim", "val/psnr"];

#[cfg(test)]
mod tests;
