//! What a person writes about sessions: filter, tags, notes, names, and which are kept.

use crate::app::effect::{Lane, Reply};
use crate::app::layers::{self, Confirm, Layer, Prompt};
use crate::app::screens::sessions::{Purpose, Verb};
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::session::edit::{self, Edit};
use crate::session::filter::{self, Filter};
use crate::session::{Listing, State};

/// How a prompt of one line shows a line break.
const BREAK: &str = "\\n";

/// Ask which sessions are wanted.
pub fn ask_filter(text: &str, cx: &mut Cx<'_>) {
    let prompt = Prompt::new("sessions", text, layers::Purpose::Sessions(Purpose::Filter))
        .help(filter::HELP)
        .check(|text| Filter::parse(text).map(drop).map_err(|error| error.to_string()))
        .live();
    cx.open(Layer::Prompt(prompt));
}

/// Ask for what a verb needs, or do it.
pub fn act(verb: Verb, listing: &Listing, cx: &mut Cx<'_>) {
    let (id, name) = (listing.id.clone(), &listing.name);
    let prompt = |title: String, text: &str, purpose| Prompt::new(title, text, layers::Purpose::Sessions(purpose));
    let layer = match verb {
        Verb::Tags => prompt(format!("tags of {name}"), &listing.tags.join(" "), Purpose::Tags(id))
            .help("words with spaces between them; an empty line takes all off")
            .check(|text| text.split_whitespace().try_for_each(edit::check_tag)),
        Verb::Notes => prompt(format!("notes on {name}"), &listing.notes.replace('\n', BREAK), Purpose::Notes(id))
            .help("\\n begins a line; an empty line takes them off"),
        Verb::Rename => prompt(format!("name of {name}"), name, Purpose::Rename(id))
            .help("the id, and so the folder, stays")
            .check(edit::check_name),
        Verb::Archive => return archive(listing, cx),
        _ => return ask_delete(listing, cx),
    };
    cx.open(Layer::Prompt(layer));
}

fn archive(listing: &Listing, cx: &mut Cx<'_>) {
    if listing.state.is_some_and(State::is_active) {
        cx.say(format!("archive: {} is under way; it can be put away when it has ended", listing.name), Tone::Warn);
        return;
    }
    change(&listing.id, Edit { archived: Some(!listing.archived), ..Edit::default() }, cx);
}

fn ask_delete(listing: &Listing, cx: &mut Cx<'_>) {
    if listing.state.is_some_and(State::is_active) {
        cx.say(format!("delete: {} is under way; s stops it", listing.name), Tone::Warn);
        return;
    }
    let children = cx.shared.listings.iter().filter(|it| it.parent.as_ref() == Some(&listing.id)).count();
    let kept = if children > 0 { " Sessions that branched from it keep their own checkpoint." } else { "" };
    let detail = format!(
        "{} goes for good: series, events, samples and checkpoints.{kept} To put it out of sight instead: esc, then a.",
        listing.path.display()
    );
    let purpose = layers::Purpose::Sessions(Purpose::Delete(listing.id.clone()));
    cx.open(Layer::Confirm(Confirm::new(format!("delete {}?", listing.name), detail, purpose)));
}

/// Do what was typed or agreed to.
pub fn typed(purpose: &Purpose, text: &str, cx: &mut Cx<'_>) {
    match purpose {
        Purpose::Tags(id) => {
            let tags = text.split_whitespace().map(str::to_owned).collect();
            change(id, Edit { tags: Some(tags), ..Edit::default() }, cx);
        }
        Purpose::Notes(id) => {
            change(id, Edit { notes: Some(text.trim().replace(BREAK, "\n")), ..Edit::default() }, cx);
        }
        Purpose::Rename(id) => change(id, Edit { name: Some(text.trim().to_owned()), ..Edit::default() }, cx),
        Purpose::Delete(id) => {
            let folder = cx.shared.folder(id);
            cx.work(Lane::Each, move || match edit::remove(&folder) {
                Ok(()) => Reply::Done(format!("{} is deleted", folder.id())),
                Err(error) => Reply::Failed(format!("delete: {error}")),
            });
        }
        Purpose::Filter | Purpose::LearningRate(_) | Purpose::Stop(_) | Purpose::Sort => {}
    }
}

/// Make a change, by the session's process or in its file.
fn change(id: &str, change: Edit, cx: &mut Cx<'_>) {
    let folder = cx.shared.folder(id);
    cx.work(Lane::Each, move || match edit::edit(&folder, &change) {
        Ok(done) => Reply::Done(format!("{}: {done}", folder.id())),
        Err(error) => Reply::Failed(error.to_string()),
    });
}
