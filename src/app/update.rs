//! The one place that changes state.

use crossterm::event::{
    Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::app::action::{AppVerb, Move, Verb};
use crate::app::data::CurvesAnswer;
use crate::app::effect::{Bell, Effect, Reply};
use crate::app::event::Event;
use crate::app::hits::Target;
use crate::app::keymap::{self, GLOBAL, MOVES};
use crate::app::layers::{Help, Layer, Outcome, Palette};
use crate::app::screens::{Screen, ScreenKind, Screens};
use crate::app::shared::Cx;
use crate::app::text;
use crate::app::theme::Theme;
use crate::app::toast::Tone;
use crate::app::{App, Options, report};
use crate::session::events::EventLine;

/// Verbs that a verb may lead to before something must be wrong.
const CHAIN: usize = 16;

impl App {
    /// What is wanted before anything has happened.
    pub(super) fn begin(&mut self, options: &Options) -> Vec<Effect> {
        let mut effects = vec![Effect::List];
        if options.notebook {
            self.acting(&mut effects, |app, cx| app.go(ScreenKind::Notebook, cx));
        } else if options.open.is_some() {
            self.acting(&mut effects, |app, cx| app.go(ScreenKind::Run, cx));
        }
        effects
    }

    /// What happened, taken in.
    pub(super) fn take(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.toasts.expire(self.shared.now);
        match event {
            Event::Input(Input::Key(key)) if key.kind != KeyEventKind::Release => self.key(key, &mut effects),
            Event::Input(Input::Mouse(mouse)) => self.mouse(mouse, &mut effects),
            Event::Input(Input::Paste(text)) => self.paste(&text, &mut effects),
            Event::Input(Input::Resize(columns, rows)) => {
                self.shared.size = (columns, rows);
                self.news(&mut effects);
            }
            Event::Cell(cell) => self.shared.graphics.cell = cell,
            Event::Listings(listings) => {
                self.shared.paces.look(&listings);
                self.shared.listings = listings;
                self.shared.listed = true;
                self.shared.trouble = None;
                let known = |id: &String| self.shared.listings.iter().any(|listing| listing.id == *id);
                self.shared.marked = self.shared.marked.iter().filter(|id| known(id)).cloned().collect();
                self.news(&mut effects);
            }
            Event::Unlisted(problem) => {
                self.shared.listed = true;
                self.shared.trouble = Some(problem);
            }
            Event::Alert { id, line } => self.alert(&id, &line, &mut effects),
            Event::Watching(watching) => self.shared.watching = watching,
            Event::Curves(answer) => self.acting(&mut effects, |app, cx| app.curves(*answer, cx)),
            Event::Configs(paths) => self.configs(&paths, &mut effects),
            Event::Kernel(news) => self.acting(&mut effects, |app, cx| app.screens.notebook.news_of_kernel(news, cx)),
            Event::Reply(reply) => self.acting(&mut effects, |app, cx| app.reply(reply, cx)),
            Event::Tick => self.acting(&mut effects, |app, cx| {
                app.screens.system.watch(cx);
                app.current(cx).tick(cx);
            }),
            Event::Input(_) | Event::Gone(_) | Event::Redraw | Event::Suspend => {}
        }
        self.shared.give_colours();
        effects
    }

    /// Act, then whatever the act leads to.
    fn acting(&mut self, effects: &mut Vec<Effect>, act: impl FnOnce(&mut Acting<'_>, &mut Cx<'_>)) {
        let mut then = Vec::new();
        let Self { shared, screens, layers, toasts, quitting, .. } = self;
        let mut acting = Acting { screens, quitting };
        let mut typing = Vec::new();
        let mut cx = Cx { shared, effects, layers, toasts, then: &mut then, typing: &mut typing };
        act(&mut acting, &mut cx);
        for (purpose, text) in std::mem::take(cx.typing) {
            acting.screens.get_mut(purpose.screen()).typed(&purpose, &text, &mut cx);
        }
        for _ in 0..CHAIN {
            let Some(verb) = cx.then.pop() else { break };
            acting.verb(verb, &mut cx);
        }
    }

    /// The sessions, or the size of the screen, are not what they were.
    fn news(&mut self, effects: &mut Vec<Effect>) {
        self.acting(effects, |app, cx| app.current(cx).news(cx));
    }

    /// A rule was broken: said here, and as loudly as the rule asks for.
    fn alert(&mut self, id: &str, line: &EventLine, effects: &mut Vec<Effect>) {
        let text = format!("{}, step {}: {}", self.shared.name(id), line.step, line.message);
        let ways = line.fields.get("notify").and_then(serde_json::Value::as_array);
        for way in ways.into_iter().flatten().filter_map(serde_json::Value::as_str) {
            match way {
                "bell" => effects.push(Effect::Ring(Bell::Bell)),
                "osc9" => effects.push(Effect::Ring(Bell::Notice(text.clone()))),
                _ => {}
            }
        }
        self.toasts.push(text, Tone::Warn, self.shared.now);
    }

    fn configs(&mut self, paths: &[std::path::PathBuf], effects: &mut Vec<Effect>) {
        let mut layers = std::mem::take(&mut self.layers);
        self.acting(effects, |_, cx| {
            for layer in &mut layers {
                layer.configs_changed(paths, cx);
            }
        });
        layers.append(&mut self.layers);
        self.layers = layers;
    }

    fn key(&mut self, key: KeyEvent, effects: &mut Vec<Effect>) {
        if let Some(mut layer) = self.layers.pop() {
            let depth = self.layers.len();
            // A prompt takes every character; ctrl-c closes whatever is open, as everywhere.
            let cancel = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            let mut outcome = Outcome::Close;
            if !cancel {
                self.acting(effects, |_, cx| outcome = layer.key(key, cx));
            }
            self.settle(layer, depth, outcome, effects);
            return;
        }
        let mut taken = false;
        self.acting(effects, |app, cx| taken = app.current(cx).key(key, cx));
        if taken {
            return;
        }
        let tables = self.screens.get(self.shared.screen).bindings();
        let found = keymap::find(&[tables], key).or_else(|| keymap::find(&[GLOBAL, MOVES], key));
        if let Some(verb) = found {
            self.act(verb, effects);
        }
    }

    fn settle(&mut self, layer: Layer, depth: usize, outcome: Outcome, effects: &mut Vec<Effect>) {
        match outcome {
            Outcome::Stay => self.layers.insert(depth, layer),
            Outcome::Close => {}
            Outcome::Do(verb) => {
                // What a command of another screen does is seen there, and so is to which session.
                if let Some(screen) = verb.screen().filter(|screen| *screen != self.shared.screen) {
                    self.act(Verb::App(AppVerb::Go(screen)), effects);
                }
                self.act(verb, effects);
            }
            Outcome::Typed(purpose, text) => {
                self.acting(effects, |app, cx| app.screens.get_mut(purpose.screen()).typed(&purpose, &text, cx));
            }
        }
    }

    fn paste(&mut self, text: &str, effects: &mut Vec<Effect>) {
        if let Some(mut layer) = self.layers.pop() {
            self.acting(effects, |_, cx| layer.paste(text, cx));
            self.layers.push(layer);
        } else {
            self.acting(effects, |app, cx| app.current(cx).paste(text, cx));
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, effects: &mut Vec<Effect>) {
        let target = self.hits.at(mouse.column, mouse.row).cloned();
        if let (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Key(code)))) = (mouse.kind, &target) {
            self.key(KeyEvent::from(*code), effects);
            return;
        }
        if let Some(mut layer) = self.layers.pop() {
            let depth = self.layers.len();
            let mut outcome = Outcome::Stay;
            self.acting(effects, |_, cx| outcome = layer.mouse(mouse, target.as_ref(), cx));
            self.settle(layer, depth, outcome, effects);
            return;
        }
        if let (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Verb(verb)))) = (mouse.kind, &target) {
            let verb = *verb;
            self.act(verb, effects);
            return;
        }
        self.acting(effects, |app, cx| {
            let taken = app.current(cx).mouse(mouse, target.as_ref(), cx);
            if !taken {
                match mouse.kind {
                    MouseEventKind::ScrollUp => app.verb(Verb::Move(Move::Up), cx),
                    MouseEventKind::ScrollDown => app.verb(Verb::Move(Move::Down), cx),
                    _ => {}
                }
            }
        });
    }

    /// Do what a verb says.
    pub fn act(&mut self, verb: Verb, effects: &mut Vec<Effect>) {
        self.acting(effects, |app, cx| app.verb(verb, cx));
    }
}

/// The state while it changes, apart from what [`Cx`] lends out.
struct Acting<'a> {
    screens: &'a mut Screens,
    quitting: &'a mut bool,
}

impl Acting<'_> {
    fn current(&mut self, cx: &Cx<'_>) -> &mut dyn Screen {
        self.screens.get_mut(cx.shared.screen)
    }

    fn go(&mut self, kind: ScreenKind, cx: &mut Cx<'_>) {
        if kind.needs_session() && cx.shared.open.is_none() {
            let newest = cx.shared.listings.last().map(|listing| listing.id.clone());
            cx.shared.open = newest;
        }
        cx.shared.screen = kind;
        self.screens.get_mut(kind).entered(cx);
    }

    fn verb(&mut self, verb: Verb, cx: &mut Cx<'_>) {
        match verb {
            Verb::App(verb) => self.app(verb, cx),
            Verb::Move(step) => self.current(cx).go(step, cx),
            Verb::Sessions(_) => self.screens.get_mut(ScreenKind::Sessions).act(verb, cx),
            Verb::Run(_) => self.screens.get_mut(ScreenKind::Run).act(verb, cx),
            Verb::Compare(_) => self.screens.get_mut(ScreenKind::Compare).act(verb, cx),
            Verb::Samples(_) => self.screens.get_mut(ScreenKind::Samples).act(verb, cx),
            Verb::System(_) => self.screens.get_mut(ScreenKind::System).act(verb, cx),
            Verb::Dataset(_) => self.screens.get_mut(ScreenKind::Dataset).act(verb, cx),
            Verb::Notebook(_) => self.screens.get_mut(ScreenKind::Notebook).act(verb, cx),
        }
    }

    fn app(&mut self, verb: AppVerb, cx: &mut Cx<'_>) {
        match verb {
            AppVerb::Quit => *self.quitting = true,
            AppVerb::Go(kind) => self.go(kind, cx),
            AppVerb::NextScreen => self.go(cx.shared.screen.next(), cx),
            AppVerb::PreviousScreen => self.go(cx.shared.screen.previous(), cx),
            AppVerb::Back => {
                let taken = cx.toasts.dismiss() || self.current(cx).back(cx);
                if !taken && cx.shared.screen != ScreenKind::Sessions {
                    self.go(ScreenKind::Sessions, cx);
                }
            }
            AppVerb::Help => {
                let own = self.screens.get(cx.shared.screen).bindings();
                let help = Help::new(cx.shared.screen, own, cx.shared.glyphs.ascii);
                cx.open(Layer::Help(help));
            }
            AppVerb::Palette => cx.open(Layer::Palette(Palette::new(cx.shared.screen))),
            AppVerb::NextTheme => {
                let name = cx.shared.theme.name.next();
                cx.shared.theme = Theme::new(name, cx.shared.depth);
                cx.say(format!("colours: {}", name.word()), Tone::Plain);
            }
            AppVerb::Report => {
                let subjects = self.current(cx).subjects(cx.shared);
                report::write(&subjects, cx);
            }
            AppVerb::Redraw => cx.effects.push(Effect::Redraw),
            AppVerb::Suspend => cx.effects.push(Effect::Suspend),
            AppVerb::Accept => {}
        }
    }

    fn curves(&mut self, answer: CurvesAnswer, cx: &mut Cx<'_>) {
        match answer.screen {
            ScreenKind::Compare => self.screens.compare.curves(answer, cx),
            ScreenKind::System => self.screens.system.curves(answer, cx),
            _ => self.screens.run.curves(answer, cx),
        }
    }

    fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Commanded { id, request, answer } => {
                // The answer takes the place of the question.
                let asked = cx.shared.asked(&id, &request);
                cx.toasts.retract(&asked);
                let name = cx.shared.name(&id).to_owned();
                match answer {
                    Ok(message) => cx.say(format!("{name}: {}", text::within(&message, &id)), Tone::Good),
                    Err(problem) => cx.say(format!("{request}: {problem}"), Tone::Bad),
                }
                self.screens.sessions.answered(&id, cx);
                cx.effects.push(Effect::List);
            }
            Reply::Failed(problem) => cx.say(problem, Tone::Bad),
            Reply::Done(message) => {
                cx.say(message, Tone::Good);
                cx.effects.push(Effect::List);
            }
            Reply::Sessions(reply) => self.screens.sessions.reply(reply, cx),
            Reply::Run(reply) => self.screens.run.reply(reply, cx),
            Reply::Compare(reply) => self.screens.compare.reply(reply, cx),
            Reply::Samples(reply) => self.screens.samples.reply(reply, cx),
            Reply::System(reply) => self.screens.system.reply(reply, cx),
            Reply::Dataset(reply) => self.screens.dataset.reply(reply, cx),
            Reply::Notebook(reply) => self.screens.notebook.reply(reply, cx),
        }
    }
}
